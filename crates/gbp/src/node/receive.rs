//! Control messages of others.

use coterie_types::{Epoch, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{ErrorNumber, Malformed};

use super::facts::Mention;
use super::limits::MAX_SKIP;
use super::roster::Hash;
use super::{Event, Node, Refusal};

/// What READY and EXECUTE name: their commit, and who announced it.
const KEYS: &[&str] = &["commit_hash", "preparer_id"];

/// The arguments of READY and EXECUTE in the sealed profile. Peers of the interop profile send none.
pub(super) fn commit_arguments(hash: Hash, preparer: MemberId) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.map(KEYS.len()).text("commit_hash").bytes(&hash).text("preparer_id").unsigned(preparer.number());
    writer.finish()
}

fn commit_named(arguments: &[u8]) -> Result<(Hash, MemberId), Malformed> {
    let (mut reader, mut hash, mut preparer) = (Reader::new(arguments), Hash::default(), 0);
    reader.record(KEYS, KEYS.len(), |key, reader| {
        match key {
            "commit_hash" => hash = reader.bytes()?.try_into().map_err(|_| Malformed::OutOfRange)?,
            _ => preparer = reader.unsigned()?,
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok((hash, MemberId::new(preparer)))
}

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
        if self.coordinator == Some(member) && member != self.me {
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
            Opcode::Prepare => self.on_prepare(sender, transition, message.raw_arguments(), now),
            Opcode::Ready => self.on_ready(sender, self.mention(message)?, now),
            Opcode::Execute => self.on_execute(sender, self.mention(message)?, now),
            Opcode::Abort => self.on_abort(sender, transition, reason(message), now),
            Opcode::DigestRequest => self.on_digest_request(sender, message.request, now),
            Opcode::DigestResponse => self.on_digest_response(sender, message),
            Opcode::ReportInvalidCommit => self.on_invalid_commit(sender, message, now),
            Opcode::Capabilities => self.on_capabilities(sender, message, now),
            // Its use is that it was sent in this epoch at all.
            Opcode::Ack => Ok(()),
            Opcode::Nack => self.on_nack(sender, message, now),
        }
    }

    /// What READY and EXECUTE are about.
    fn mention(&self, message: &ControlMessage) -> Result<Mention, Refusal> {
        let named = if self.sealed() { Some(commit_named(message.raw_arguments())?) } else { None };
        let (hash, preparer) = (named.map(|(hash, _)| hash), named.map(|(_, preparer)| preparer));
        Ok(Mention { transition: message.transition, hash, preparer })
    }

    fn on_nack(&mut self, sender: MemberId, message: &ControlMessage, now: Timestamp) -> Result<(), Refusal> {
        // Deployed peers agree on no form; what is not ours is for the application alone.
        let Ok(Arguments::Nack(_, error)) = message.arguments() else { return Ok(()) };
        let busy = error == coterie_wire::ErrorObject::registered(ErrorNumber::GBP_TRANSITION_IN_PROGRESS);
        if busy { self.on_locked(sender, message.transition, now) } else { Ok(()) }
    }

    pub(super) fn known(&self, member: MemberId) -> Result<(), Refusal> {
        if self.roster.has(member) { Ok(()) } else { Err(Refusal::NotAMember(member)) }
    }

    /// Whether a transition may still come: above the last, and not absurdly far. In the sealed profile a frame proves its
    /// epoch, and members that reached it under different numbers must all take the coordinator's next one, even those
    /// that have seen a higher.
    pub(super) fn fresh(&self, transition: TransitionId) -> Result<(), Refusal> {
        let lowest = if self.sealed() { 0 } else { self.last.number() };
        let highest = self.last.number().saturating_add(MAX_SKIP);
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
