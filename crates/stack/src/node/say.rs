//! What a member can say: text, attachments and signals.

use coterie_gsp::{Order, RoleSpec};
use coterie_gtp::{AttachmentKey, Cut, Draft};
use coterie_types::{MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::payload::{Chunk, Role};

use super::GroupNode;
use crate::error::StackError;

impl GroupNode {
    /// Says something; answers its number.
    ///
    /// # Errors
    /// When this member takes no part, may not send text, or the message is too long.
    pub fn send_text(
        &mut self,
        target: MemberId,
        draft: Draft,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_text(target, draft))
    }

    /// Announces an attachment, whose pieces follow by [`Self::send_piece`].
    ///
    /// # Errors
    /// As [`Self::send_text`].
    pub fn send_manifest(
        &mut self,
        target: MemberId,
        cut: &Cut,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_manifest(target, cut))
    }

    /// Sends a piece of an attachment.
    ///
    /// # Errors
    /// As [`Self::send_text`].
    pub fn send_piece(
        &mut self,
        target: MemberId,
        piece: &Chunk,
        now: Timestamp,
    ) -> Result<MessageId, StackError> {
        self.step(now, |step| step.send_piece(target, piece))
    }

    /// The data of an attachment that is complete, compared with its digest.
    ///
    /// # Errors
    /// When it is not known or not complete, or not what was announced.
    pub fn attachment(&mut self, key: AttachmentKey, now: Timestamp) -> Result<Vec<u8>, StackError> {
        self.step(now, |step| step.read_attachment(key))
    }

    /// Forgets an attachment with all its pieces, complete or not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_attachment(&mut self, key: AttachmentKey, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.forget_attachment(key))
    }

    /// Asks a member for messages that are missing here. `request` is a random number.
    ///
    /// # Errors
    /// When members do not all know how, or somebody is being asked already.
    pub fn catch_up(
        &mut self,
        member: MemberId,
        request: RequestId,
        now: Timestamp,
    ) -> Result<(), StackError> {
        self.step(now, |step| step.ask(member, request))
    }

    /// Gives a signal; answers its request id.
    ///
    /// # Errors
    /// When this member takes no part, or the others would refuse it.
    pub fn give(&mut self, target: MemberId, order: Order, now: Timestamp) -> Result<RequestId, StackError> {
        self.step(now, |step| step.give(target, order))
    }

    /// Defines a role here. Every member does so by itself; joiners are told.
    ///
    /// # Errors
    /// When its name is too long, or there are too many.
    pub fn define_role(&mut self, role: RoleSpec, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.signals.roles_mut().define(role)?;
            (step.signals_changed, step.core.touched) = (true, true);
            Ok(())
        })
    }

    /// Gives a member a role here, without a signal: how a group begins.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn assign_role(&mut self, member: MemberId, role: Role, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.signals.roles_mut().assign(member, role)?;
            (step.signals_changed, step.core.touched) = (true, true);
            Ok(())
        })
    }
}
