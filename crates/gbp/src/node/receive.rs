//! Control messages of others.

use coterie_types::{Epoch, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{ErrorNumber, Malformed};

use super::arguments::{Preparation, Readiness};
use super::facts::{Mention, Promise};
use super::limits::{MAX_OUTBID, MAX_SKIP};
use super::{Event, Node, Refusal};

impl Node {
    /// Takes in a control message that was opened under this epoch's keys. `sender` is who sent it, by the leaf that
    /// sealed it or, in the interop profile, by its stream; `epoch` is what its header says.
    ///
    /// A joiner that waits for EXECUTE takes a message of its engine's epoch as the proof that the transition is done.
    ///
    /// # Errors
    /// Why it was refused. Nothing was changed.
    pub fn handle_control(
        &mut self,
        sender: MemberId,
        epoch: Epoch,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.active()?;
        self.known(sender)?;
        if message.sender != sender || sender == self.me {
            return Err(Refusal::NotItsOwn { sender, claimed: message.sender });
        }
        if self.joining.is_some() && self.epoch.number().checked_add(1) == Some(epoch.number()) {
            self.finish_joining(now);
            // What it says beside that proof may be refused; the proof stands.
            let _ = self.dispatch(sender, message, now);
            return Ok(());
        }
        if epoch != self.epoch {
            return Err(Refusal::WrongEpoch { at: self.epoch, got: epoch });
        }
        self.dispatch(sender, message, now)?;
        self.note_presence(sender, now);
        Ok(())
    }

    /// Something authentic of this epoch came from `member`: it is there, and knows the epoch.
    pub fn note_presence(&mut self, member: MemberId, now: Timestamp) {
        if let Some(confirming) = &mut self.confirming {
            confirming.missing.remove(&member);
        }
        self.confirming = self.confirming.take().filter(|confirming| !confirming.missing.is_empty());
        // Our own coordinators say that they are. One that only speaks may take another for the coordinator.
        if !self.sealed() && self.coordinator == Some(member) && member != self.me {
            self.note_coordinator(now);
        }
    }

    fn dispatch(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let transition = message.transition;
        if self.joining.is_some() {
            return self.on_joining(sender, message, now);
        }
        match message.opcode() {
            Opcode::Prepare => self.on_preparation(sender, message, now),
            Opcode::Ready => self.on_readiness(sender, message, now),
            Opcode::Execute => self.on_execute(sender, self.mention(message)?, now),
            Opcode::Abort => self.on_abort(sender, transition, reason(message), now),
            Opcode::DigestRequest => self.on_digest_request(sender, message.request, now),
            Opcode::DigestResponse => self.on_digest_response(sender, message),
            Opcode::ReportInvalidCommit => self.on_invalid_commit(sender, message, now),
            Opcode::Capabilities => self.on_capabilities(sender, message, now),
            // Its use is that it was sent in this epoch at all.
            Opcode::Ack => Ok(()),
            Opcode::Nack => self.on_nack(sender, message),
        }
    }

    fn on_preparation(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let transition = message.transition;
        self.fresh(transition)?;
        if !self.sealed() {
            return self.on_prepare((transition, sender), message.raw_arguments().to_vec(), false, now);
        }
        match Preparation::read(message.raw_arguments())? {
            Preparation::Bid => self.on_bid(sender, transition, now),
            Preparation::Commit { commit, first } => {
                self.on_prepare((transition, sender), commit, first, now)
            }
        }
    }

    fn on_readiness(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.sealed()
            && let Readiness::Promise(to, lock) = Readiness::read(message.raw_arguments())?
        {
            self.fresh(message.transition)?;
            self.facts.promise(sender, Promise { transition: message.transition, to, lock });
            self.evaluate(now);
            return Ok(());
        }
        self.on_ready(sender, self.mention(message)?, now)
    }

    /// What a vote and EXECUTE are about.
    fn mention(&self, message: &ControlMessage) -> Result<Mention, Refusal> {
        let (transition, first) = (message.transition, false);
        if !self.sealed() {
            return Ok(Mention { transition, hash: None, preparer: None, first });
        }
        match Readiness::read(message.raw_arguments())? {
            Readiness::Vote(hash, preparer) => {
                Ok(Mention { transition, hash: Some(hash), preparer: Some(preparer), first })
            }
            Readiness::Promise(..) => Err(Malformed::MissingKey("commit_hash").into()),
        }
    }

    fn on_nack(&mut self, sender: MemberId, message: &ControlMessage) -> Result<(), Refusal> {
        // Deployed peers agree on no form; what is not ours is for the application alone.
        let Ok(Arguments::Nack(_, error)) = message.arguments() else { return Ok(()) };
        let busy = error == coterie_wire::ErrorObject::registered(ErrorNumber::GBP_TRANSITION_IN_PROGRESS);
        match busy {
            true if self.sealed() => self.on_outbid(message.transition),
            true => self.on_locked(sender, message.transition),
            false => Ok(()),
        }
    }

    pub(super) fn known(&self, member: MemberId) -> Result<(), Refusal> {
        if self.roster.has(member) { Ok(()) } else { Err(Refusal::NotAMember(member)) }
    }

    /// Whether a transition may still come: above the last, and not absurdly far. In the sealed profile a frame proves its
    /// epoch, and members that reached it under different numbers must all take the coordinator's next one, even those
    /// that have seen a higher.
    pub(super) fn fresh(&self, transition: TransitionId) -> Result<(), Refusal> {
        self.fresh_within(transition, MAX_SKIP)
    }

    /// The number that somebody says was promised. It may be a lie.
    pub(super) fn fresh_outbid(&self, transition: TransitionId) -> Result<(), Refusal> {
        self.fresh_within(transition, MAX_OUTBID)
    }

    fn fresh_within(&self, transition: TransitionId, most: u32) -> Result<(), Refusal> {
        let lowest = if self.sealed() { 0 } else { self.last.number() };
        let highest = self.last.number().saturating_add(most);
        let number = transition.number();
        if number > lowest && number <= highest { Ok(()) } else { Err(Refusal::WrongTransition(transition)) }
    }

    /// Tells `target` that it asks for something while `transition` is under way here.
    pub(super) fn say_busy(&mut self, target: MemberId, transition: TransitionId) {
        let error = coterie_wire::ErrorObject::registered(ErrorNumber::GBP_TRANSITION_IN_PROGRESS);
        self.say(target, transition, &Arguments::Nack(RequestId::default(), error));
    }

    pub(super) fn trouble(
        &mut self,
        number: ErrorNumber,
        transition: TransitionId,
        member: Option<MemberId>,
    ) {
        self.emit(Event::Trouble { number, transition, member });
    }
}

/// Arguments of another form give no reason.
fn reason(message: &ControlMessage) -> Option<u64> {
    match message.arguments() {
        Ok(Arguments::Abort(reason)) => reason,
        _ => None,
    }
}
