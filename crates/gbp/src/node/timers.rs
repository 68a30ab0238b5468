//! What time brings.

use coterie_types::{MemberId, Timestamp};
use coterie_wire::ErrorNumber;

use super::Node;
use super::limits::{EXECUTE_TIMEOUT, PREPARE_TIMEOUT, QUORUM_GRACE, REPEAT};

impl Node {
    /// When [`Self::handle_timeout`] is due. Never while the node takes no part in a group.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.active().ok()?;
        let coordinator = match (self.leads(), self.electing) {
            (true, _) => self.heartbeat,
            (false, true) => self.claim_at(),
            (false, false) => self.heard + super::limits::COORDINATOR_GRACE,
        };
        let coordinator = self.joining.is_none().then_some(coordinator);
        let pending = self.pending.as_ref();
        let drive = pending.and_then(|pending| pending.drive.as_ref());
        let grace = drive.and_then(|drive| drive.quorum_since).map(|since| since + QUORUM_GRACE);
        let due = [
            coordinator,
            pending.map(|pending| pending.deadline),
            drive.map(|drive| drive.repeat),
            self.bid.as_ref().map(|bid| bid.repeat),
            grace,
            self.joining.as_ref().map(|joining| joining.deadline),
            self.confirming.as_ref().map(|confirming| confirming.next),
            self.probe.as_ref().map(|probe| probe.next),
        ];
        due.into_iter().flatten().min()
    }

    /// Does what is due at `now`. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.active().is_err() {
            return;
        }
        if self.joining.is_some() {
            self.wait_to_join(now);
            self.probe_again(now);
            return;
        }
        self.watch_coordinator(now);
        self.watch_pending(now);
        self.repeat(now);
        self.repeat_bid(now);
        self.evaluate(now);
        self.confirm_again(now);
        self.probe_again(now);
    }

    fn wait_to_join(&mut self, now: Timestamp) {
        let Some(joining) = self.joining.as_mut().filter(|joining| now >= joining.deadline) else { return };
        joining.deadline = now + EXECUTE_TIMEOUT;
        let transition = joining.transition;
        self.trouble(ErrorNumber::GBP_EXECUTE_TIMEOUT, transition, None);
        self.ask(now);
    }

    fn watch_pending(&mut self, now: Timestamp) {
        let Some(pending) = self.pending.as_mut().filter(|pending| now >= pending.deadline) else { return };
        let transition = pending.transition;
        if pending.drive.is_none() {
            pending.deadline = now + EXECUTE_TIMEOUT;
            self.trouble(ErrorNumber::GBP_EXECUTE_TIMEOUT, transition, None);
            self.ask(now);
            if self.sealed() {
                self.say_votes();
            }
            return;
        }
        pending.deadline = now + PREPARE_TIMEOUT;
        self.trouble(ErrorNumber::GBP_PREPARE_TIMEOUT, transition, None);
        // In the sealed profile the attempt goes on: others may be locked to it, and may yet complete it.
        if !self.sealed() && !self.may_execute(now) {
            self.end_own(None);
        }
    }

    /// PREPARE once more to everybody who is not ready, and what this member is locked to beside it.
    fn repeat(&mut self, now: Timestamp) {
        let (sealed, leads) = (self.sealed(), self.leads());
        let Some(pending) = &mut self.pending else { return };
        let Some(drive) = pending.drive.as_mut().filter(|drive| now >= drive.repeat) else { return };
        drive.repeat = now + REPEAT;
        if sealed && drive.outbid {
            match leads {
                true => self.lead_on(now),
                // Somebody else leads, and completes it.
                false => pending.drive = None,
            }
            return;
        }
        let refused = drive.refused.clone();
        let ready = self.facts.voters(pending.transition, pending.hash, pending.preparer);
        let late: Vec<MemberId> = self
            .others()
            .filter(|member| sealed && !ready.contains(member) && !refused.contains(member))
            .collect();
        late.into_iter().for_each(|member| self.say_prepare(member));
        if sealed {
            self.say_votes();
        }
    }
}
