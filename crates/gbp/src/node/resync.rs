//! Finding out that one is behind, and being led on.

use std::collections::BTreeSet;

use coterie_types::{Duration, Epoch, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, ControlMessage, DigestRequest, Opcode, StateDigest};

use super::limits::{ANSWER_INTERVAL, CONFIRM_ROUNDS, MAX_CONFIRMED, MAX_RELAYED, PROBE_PAUSE, REPEAT};
use super::{Confirming, Node, NodeState, Output, Probe, Refusal};

impl Node {
    /// A frame says that it is of another epoch than the node's. That may be a lie, so it changes nothing but when this
    /// member next asks or answers: one that is behind asks how the others stand, one that is ahead leads `sender` on,
    /// as far as anybody can tell who that is.
    ///
    /// # Errors
    /// When there is nothing to do about it.
    pub fn handle_foreign_epoch(
        &mut self,
        sender: MemberId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.active()?;
        let engine = u64::from(self.joining.is_some()).saturating_add(self.epoch.number());
        if epoch.number() > engine {
            self.ask(now);
            return Ok(());
        }
        if self.joining.is_some()
            || epoch == self.epoch
            || !(self.roster.has(sender) || self.departed.contains(&sender))
        {
            return Err(Refusal::WrongEpoch { at: self.epoch, got: epoch });
        }
        self.may_answer(sender, now)?;
        self.lead_from(sender, epoch);
        Ok(())
    }

    /// The kept frames of the transitions from `epoch` on, as many as one answer may have.
    fn lead_from(&mut self, target: MemberId, epoch: Epoch) {
        let from = self.settled.iter().filter(|(ended, _)| *ended >= epoch).take(MAX_RELAYED);
        let relays: Vec<Output> =
            from.map(|(_, transition)| Output::Relay { transition: *transition, target }).collect();
        self.outputs.extend(relays);
    }

    /// One answer of many frames for each member and moment.
    pub(super) fn may_answer(&mut self, member: MemberId, now: Timestamp) -> Result<(), Refusal> {
        let last = self.answered.get(&member);
        if last.is_some_and(|last| now >= *last && now < *last + ANSWER_INTERVAL) {
            return Err(Refusal::TooOften(member));
        }
        self.answered.insert(member, now);
        Ok(())
    }

    /// Begins to ask how the others stand, if that has not begun and there are any.
    pub(super) fn ask(&mut self, now: Timestamp) {
        if self.probe.is_none() && !self.is_alone() {
            self.probe = Some(Probe { next: now, tries: 0 });
            self.probe_again(now);
        }
    }

    pub(super) fn probe_again(&mut self, now: Timestamp) {
        let Some(probe) = self.probe.as_mut().filter(|probe| now >= probe.next) else { return };
        let pause = REPEAT.as_millis().checked_shl(probe.tries).unwrap_or(u64::MAX);
        probe.next = now + Duration::from_millis(pause.min(PROBE_PAUSE.as_millis()));
        probe.tries = probe.tries.saturating_add(1).min(16);
        self.say_digest_request(MemberId::EVERYBODY);
    }

    pub(super) fn say_digest_request(&mut self, target: MemberId) {
        let request = DigestRequest { since: self.last, epoch: Some(self.epoch) };
        self.say(target, self.last, &Arguments::DigestRequest(request));
    }

    pub(super) fn on_digest_request(
        &mut self,
        sender: MemberId,
        request: RequestId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.may_answer(sender, now)?;
        let digest = Arguments::DigestResponse(self.digest());
        if let Ok(message) = ControlMessage::new(self.me, request, self.last, &digest) {
            self.send(sender, message, self.epoch);
        }
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.after.is_some()) else {
            return Ok(());
        };
        let (transition, preparer, first) = (pending.transition, pending.preparer, pending.first);
        if preparer == self.me {
            self.say_prepare(sender);
            if self.sealed() && !first {
                // The promises that stand behind it.
                self.outputs.push_back(Output::Relay { transition, target: sender });
            }
            return Ok(());
        }
        let of = (transition, pending.hash, preparer);
        if !self.sealed() || self.has_voted() {
            self.say_of_commit(Opcode::Ready, sender, of, self.epoch);
        }
        if preparer != sender {
            self.outputs.push_back(Output::Relay { transition, target: sender });
        }
        Ok(())
    }

    /// This member's view of the group, for comparison.
    #[must_use]
    pub fn digest(&self) -> StateDigest {
        StateDigest {
            epoch: self.epoch,
            transition: self.last,
            member_set_hash: self.roster.digest().to_vec(),
            log: self.log.iter().cloned().collect(),
            coordinator: self.coordinator,
            truncated: None,
        }
    }

    /// One member's word fails nobody: that two views differ is told to the application.
    pub(super) fn on_digest_response(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
    ) -> Result<(), Refusal> {
        let digest = match message.arguments() {
            Ok(Arguments::DigestResponse(digest)) => Some(digest),
            Err(malformed) if self.sealed() => return Err(malformed.into()),
            // Deployed peers take any answer, and send some of no fixed form.
            _ => None,
        };
        let differs = digest.is_some_and(|digest| {
            digest.epoch != self.epoch || digest.member_set_hash != self.roster.digest()
        });
        if differs {
            self.trouble(ErrorNumber::GBP_DIGEST_MISMATCH, message.transition, Some(sender));
            return Ok(());
        }
        if self.pending.is_none() {
            self.probe = None;
        }
        self.enter(NodeState::Active);
        Ok(())
    }

    /// Watches that the others learn of the transition that this member executed. Deployed peers are left alone: they
    /// take a frame of the epoch before for a reason to resynchronise.
    pub(super) fn confirm(
        &mut self,
        transition: TransitionId,
        members: impl Iterator<Item = MemberId>,
        now: Timestamp,
    ) {
        let missing: BTreeSet<MemberId> = members.collect();
        if self.sealed() && !missing.is_empty() {
            self.confirming = Some(Confirming { transition, missing, next: now + REPEAT, rounds: 0 });
        }
    }

    pub(super) fn confirm_again(&mut self, now: Timestamp) {
        let Some(confirming) = self.confirming.as_mut().filter(|confirming| now >= confirming.next) else {
            return;
        };
        confirming.next = now + REPEAT;
        confirming.rounds = confirming.rounds.saturating_add(1);
        let transition = confirming.transition;
        let targets: Vec<MemberId> = confirming.missing.iter().take(MAX_CONFIRMED).copied().collect();
        if confirming.rounds >= CONFIRM_ROUNDS {
            self.confirming = None;
        }
        self.outputs.extend(targets.into_iter().map(|target| Output::Relay { transition, target }));
    }

    /// The proof that the transition is done came: the joiner is where its engine is.
    pub(super) fn finish_joining(&mut self, now: Timestamp) {
        if let Some(joining) = self.joining.take() {
            self.turn(joining.transition, now);
        }
    }

    /// What a joiner that waits takes: EXECUTE and nothing else.
    pub(super) fn on_joining(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(joining) = &self.joining else { return Err(Refusal::NotActive) };
        if message.transition != joining.transition {
            return Err(Refusal::WrongTransition(message.transition));
        }
        if joining.inviter.is_some_and(|inviter| inviter != sender) {
            return Err(Refusal::NotCoordinator(sender));
        }
        if message.opcode() != Opcode::Execute {
            return Err(Refusal::WrongTransition(message.transition));
        }
        self.finish_joining(now);
        if self.sealed() {
            self.say(sender, self.last, &Arguments::Ack(message.request));
        }
        Ok(())
    }
}
