//! What this member says.

use coterie_gbp::protection::Plaintext;
use coterie_gsp::Order;
use coterie_gtp::{Asked, AttachmentKey, Cut, Draft, RowChange, kept_message};
use coterie_types::{MemberId, MessageId, RequestId, StreamClass};
use coterie_wire::payload::Chunk;

use crate::error::StackError;
use crate::event::Event;
use crate::limits::MAX_SAID;
use crate::receive::{flags_of, pieces_of};
use crate::rows;
use crate::step::Step;

impl Step<'_, '_, '_> {
    /// Refuses where this member may not send.
    fn may_send(&self, class: StreamClass) -> Result<(), StackError> {
        if !self.core.node.takes_part() {
            return Err(StackError::NotActive);
        }
        let allowed = self.core.signals.may_send(self.core.own.me, class);
        if allowed { Ok(()) } else { Err(StackError::NotAllowed(class)) }
    }

    pub(crate) fn send_text(&mut self, target: MemberId, draft: Draft) -> Result<MessageId, StackError> {
        self.may_send(StreamClass::Text)?;
        check_length(draft.content.len())?;
        let outgoing = self.core.text.send(draft)?;
        self.say_text(target, outgoing)
    }

    /// Says several things, or nothing where one of them is refused.
    pub(crate) fn send_texts(
        &mut self,
        target: MemberId,
        drafts: Vec<Draft>,
    ) -> Result<Vec<MessageId>, StackError> {
        self.may_send(StreamClass::Text)?;
        drafts.iter().try_for_each(|draft| check_length(draft.content.len()))?;
        let all = self.core.text.send_all(drafts)?;
        all.into_iter().map(|outgoing| self.say_text(target, outgoing)).collect()
    }

    /// Announces an attachment.
    pub(crate) fn send_manifest(&mut self, target: MemberId, cut: &Cut) -> Result<MessageId, StackError> {
        self.may_send(StreamClass::Text)?;
        let outgoing = self.core.text.send_manifest(cut, self.now)?;
        self.say_text(target, outgoing)
    }

    pub(crate) fn send_piece(&mut self, target: MemberId, piece: &Chunk) -> Result<MessageId, StackError> {
        self.may_send(StreamClass::Text)?;
        let outgoing = self.core.text.send_piece(piece, self.now)?;
        self.say_text(target, outgoing)
    }

    fn say_text(
        &mut self,
        target: MemberId,
        mut outgoing: coterie_gtp::Outgoing,
    ) -> Result<MessageId, StackError> {
        self.core.touched = true;
        self.write_text(std::mem::take(&mut outgoing.changes))?;
        let class = StreamClass::Text;
        let (head, body) = outgoing.parts();
        self.send((target, class), flags_of(class), outgoing.codec, Plaintext::new(head, body))?;
        Ok(outgoing.message.id)
    }

    pub(crate) fn write_text(&mut self, changes: Vec<RowChange>) -> Result<(), StackError> {
        changes.into_iter().try_for_each(|change| match change {
            RowChange::Put(key, value) => self.put(rows::TEXT, &key, value),
            RowChange::Remove(key) => self.delete(rows::TEXT, &key),
            RowChange::RemoveAll(prefix) => self.delete_all(rows::TEXT, &prefix),
        })
    }

    /// Asks a member for what is missing here.
    pub(crate) fn ask(&mut self, member: MemberId, request: RequestId) -> Result<(), StackError> {
        self.may_send(StreamClass::Text)?;
        if !self.core.roster.has(member) || member == self.core.own.me {
            return Err(StackError::NotAMember(member));
        }
        let outgoing = self.core.text.ask(member, request, self.now)?;
        self.say_text(member, outgoing).map(drop)
    }

    pub(crate) fn ask_on(&mut self, member: MemberId) -> Result<(), StackError> {
        match self.core.text.ask_on(self.now)? {
            Some(outgoing) => self.say_text(member, outgoing).map(drop),
            None => Ok(()),
        }
    }

    /// Answers a member that asks for what it missed.
    pub(crate) fn answer_missing(&mut self, asked: &Asked) -> Result<(), StackError> {
        if self.may_send(StreamClass::Text).is_err() {
            return Ok(());
        }
        let (space, stored) = (&self.core.space, self.together.rows());
        let fetch = |position| {
            let row = stored.get(&space.key(rows::TEXT, &coterie_gtp::kept_key(position))).ok()??;
            kept_message(&row).ok()
        };
        let outgoing = self.core.text.answer(asked, self.now, fetch)?;
        self.say_text(asked.from, outgoing).map(drop)
    }

    pub(crate) fn give(&mut self, target: MemberId, order: Order) -> Result<RequestId, StackError> {
        self.may_send(StreamClass::Signal)?;
        check_length(order.arguments.as_ref().map_or(0, Vec::len))?;
        let outgoing = self.core.signals.give(order, self.core.node.epoch(), self.now)?;
        (self.core.touched, self.signals_changed) = (true, true);
        self.core.follow_mutes();
        let class = StreamClass::Signal;
        self.send((target, class), flags_of(class), outgoing.codec, outgoing.payload.as_slice().into())?;
        Ok(outgoing.message.request)
    }

    /// The data of an attachment all of whose pieces are here, checked.
    pub(crate) fn read_attachment(&mut self, key: AttachmentKey) -> Result<Vec<u8>, StackError> {
        let mut check = self.core.text.attachments().check(key)?;
        let pieces = self.core.space.key(rows::PIECE, &pieces_of(key));
        let (mut data, mut after) = (Vec::new(), Vec::new());
        loop {
            // One at a time: each may be as large as a frame.
            let found = self.together.rows().scan_after(&pieces, &after, 1)?;
            let Some((key, piece)) = found.into_iter().next() else { break };
            check.update(&piece);
            data.extend_from_slice(&piece);
            after = key;
        }
        check.finish()?;
        Ok(data)
    }

    pub(crate) fn forget_attachment(&mut self, key: AttachmentKey) -> Result<(), StackError> {
        self.core.touched = true;
        let changes = self.core.text.forget_attachment(key);
        self.write_text(changes)?;
        self.delete_all(rows::PIECE, &pieces_of(key))
    }

    /// What time brings.
    pub(crate) fn wake(&mut self) -> Result<(), StackError> {
        self.core.node.handle_timeout(self.now);
        self.carry_out()?;
        let (expired, changes) = self.core.text.handle_timeout(self.now);
        self.write_text(changes)?;
        for expired in expired {
            match expired {
                coterie_gtp::Expired::Asking(member) => self.tell(Event::NotCaughtUp(member)),
                coterie_gtp::Expired::Attachment(key) => {
                    self.delete_all(rows::PIECE, &pieces_of(key))?;
                    self.tell(Event::AttachmentExpired(key));
                }
            }
        }
        for finished in self.core.signals.handle_timeout(self.now) {
            self.signals_changed = true;
            self.tell(Event::SignalEnded(finished));
        }
        Ok(())
    }
}

/// Refuses what no frame has room for, before any of it is taken note of.
fn check_length(content: usize) -> Result<(), StackError> {
    if content > MAX_SAID { Err(StackError::TooLarge(content)) } else { Ok(()) }
}
