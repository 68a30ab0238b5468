//! Who is the coordinator: the lowest number that says so, until nothing is heard of it.

use coterie_types::{MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, Capabilities, ControlMessage};

use super::limits::{CLAIM_STAGGER, COORDINATOR_GRACE, HEARTBEAT};
use super::{Event, Node, Output, Pending, Refusal};

/// Advertised by a member that wants to leave.
pub(super) const LEAVING: &str = "coterie/leaving";

/// Advertised by a coordinator, with the number of whoever is to follow it.
pub(super) const HANDS_OVER: &str = "coterie/hands-over-to/";

impl Node {
    pub(super) fn on_capabilities(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let said = match message.arguments() {
            Ok(Arguments::Capabilities(said)) => said,
            // Deployed peers only show other forms to their application.
            Err(malformed) if self.sealed() => return Err(malformed.into()),
            _ => return Ok(()),
        };
        let heir = said.features().find_map(|feature| feature.strip_prefix(HANDS_OVER)?.parse().ok());
        if let Some(heir) = heir.map(MemberId::new) {
            return self.on_hand_over(sender, heir, now);
        }
        if said.features().any(|feature| feature == LEAVING) {
            self.emit(Event::Leaving(sender));
        } else if !said.claims_coordinator() || said.features().next().is_some() {
            self.capabilities.insert(sender, said.clone());
            self.emit(Event::Capabilities(sender));
        }
        if said.claims_coordinator() {
            self.on_claim(sender, message.transition, now);
            self.evaluate(now);
        }
        Ok(())
    }

    /// A claim counts where there is no other coordinator, none with a lower number, or none that is heard.
    fn on_claim(&mut self, claimant: MemberId, transition: TransitionId, now: Timestamp) {
        let accepted = self.coordinator.is_none_or(|coordinator| claimant <= coordinator)
            || self.coordinator_silent(now);
        if !accepted || self.coordinator != Some(claimant) {
            self.emit(Event::CoordinatorClaim { claimant, accepted });
        }
        if !accepted {
            return;
        }
        self.follow_preparer(claimant, now);
        // Members of one epoch may have reached it under different numbers, if a second coordinator completed what a
        // first one had executed. The coordinator's number counts.
        if transition > self.last && self.fresh(transition).is_ok() && self.pending.is_none() {
            self.last = transition;
            self.highest = self.highest.max(transition);
        }
        self.show_lock(claimant, now);
    }

    /// A new coordinator can complete what this member is locked to, once it has it.
    pub(super) fn show_lock(&mut self, to: MemberId, now: Timestamp) {
        let locked = self.pending.as_ref().filter(|pending| pending.after.is_some());
        let locked = locked.filter(|pending| pending.preparer != to).map(Pending::attempt);
        let Some((transition, preparer)) = locked else { return };
        if self.may_answer(to, now).is_err() {
            return;
        }
        match preparer == self.me {
            true if self.sealed() => self.say_prepare(to),
            true => {}
            false => self.outputs.push_back(Output::Relay { transition, target: to }),
        }
    }

    fn on_hand_over(&mut self, sender: MemberId, heir: MemberId, now: Timestamp) -> Result<(), Refusal> {
        self.known(heir)?;
        if self.coordinator.is_some_and(|coordinator| coordinator != sender) {
            return Err(Refusal::NotCoordinator(sender));
        }
        self.set_coordinator(heir, now);
        if heir == self.me {
            self.take_the_lead(now);
        }
        Ok(())
    }

    /// `member` led a step that this member takes: it is the coordinator, unless one with a lower number is heard.
    pub(super) fn follow_preparer(&mut self, member: MemberId, now: Timestamp) {
        let ranks = self.coordinator.is_none_or(|coordinator| member <= coordinator);
        if ranks || self.coordinator_silent(now) {
            self.set_coordinator(member, now);
        } else {
            self.led.insert(member);
        }
    }

    fn set_coordinator(&mut self, member: MemberId, now: Timestamp) {
        self.led.insert(member);
        self.coordinator = Some(member);
        self.note_coordinator(now);
    }

    pub(super) fn note_coordinator(&mut self, now: Timestamp) {
        self.heard = now;
        self.electing = false;
    }

    pub(super) fn coordinator_silent(&self, now: Timestamp) -> bool {
        !self.leads() && now >= self.heard + COORDINATOR_GRACE
    }

    /// When this member's turn to claim comes: each member leaves the one before it some time.
    pub(super) fn claim_at(&self) -> Timestamp {
        let before =
            self.roster.members().filter(|member| *member < self.me && Some(*member) != self.coordinator);
        let rank = u64::try_from(before.count()).unwrap_or(u64::MAX);
        let stagger = CLAIM_STAGGER.as_millis().saturating_mul(rank);
        self.heard + COORDINATOR_GRACE + coterie_types::Duration::from_millis(stagger)
    }

    pub(super) fn watch_coordinator(&mut self, now: Timestamp) {
        if self.leads() {
            if now >= self.heartbeat {
                self.say_claim(now);
                self.lead_on_shelved(now);
            }
            return;
        }
        if !self.coordinator_silent(now) {
            return;
        }
        if !self.electing {
            self.electing = true;
            self.trouble(ErrorNumber::GBP_COORDINATOR_GONE, self.last, self.coordinator);
            self.emit(Event::ElectionNeeded);
        }
        if now >= self.claim_at() {
            self.set_coordinator(self.me, now);
            self.take_the_lead(now);
        }
    }

    /// This member is the coordinator from now on: it says so, and completes what is under way.
    pub(super) fn take_the_lead(&mut self, now: Timestamp) {
        self.emit(Event::BecameCoordinator);
        self.say_claim(now);
        self.lead_on(now);
        self.evaluate(now);
    }

    /// Two that gave way to each other leave nothing under way: the coordinator takes its commit up again.
    fn lead_on_shelved(&mut self, now: Timestamp) {
        if self.sealed() && self.pending.is_none() {
            self.lead_on(now);
        }
    }

    fn say_claim(&mut self, now: Timestamp) {
        self.heartbeat = now + HEARTBEAT;
        let claim = Arguments::Capabilities(Capabilities::claim());
        if let Ok(message) = ControlMessage::new(self.me, RequestId::default(), self.last, &claim) {
            self.send(MemberId::EVERYBODY, message, self.epoch);
        }
    }

    /// Gives the role to `heir`.
    ///
    /// # Errors
    /// When this member does not have it, prepares something, or `heir` is no other member.
    pub fn hand_over(&mut self, heir: MemberId, now: Timestamp) -> Result<(), Refusal> {
        self.present()?;
        self.known(heir)?;
        if !self.leads() || heir == self.me {
            return Err(Refusal::NotCoordinator(self.me));
        }
        if let Some(pending) = &self.pending {
            return Err(Refusal::InProgress(pending.transition));
        }
        let said = Capabilities::new([format!("{HANDS_OVER}{}", heir.number())])?;
        self.say(MemberId::EVERYBODY, self.last, &Arguments::Capabilities(said));
        self.set_coordinator(heir, now);
        Ok(())
    }

    /// Claims the role. Who ranks before the claimant keeps it.
    ///
    /// # Errors
    /// When the coordinator ranks before this member and is heard.
    pub fn claim(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.present()?;
        let ranks = self.coordinator.is_none_or(|coordinator| self.me <= coordinator);
        if !ranks && !self.coordinator_silent(now) {
            return Err(Refusal::NotCoordinator(self.me));
        }
        self.set_coordinator(self.me, now);
        self.take_the_lead(now);
        Ok(())
    }
}
