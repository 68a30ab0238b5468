//! What a store keeps of text, and how it is named.
//!
//! Every step answers the rows that it changed, so that whoever has a store writes them in the same transaction and
//! whoever has none drops them. Keys begin with their kind and sort in the order in which they are read back.

use coterie_seen::StateError;
use coterie_types::{MemberId, MessageId};
use coterie_wire::payload::AttachmentId;

use crate::attachment::AttachmentKey;

/// A change to the stored rows, in the order in which it is to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RowChange {
    /// Writes a row.
    Put(Vec<u8>, Vec<u8>),
    /// Removes a row.
    Remove(Vec<u8>),
    /// Removes all rows whose keys begin so.
    RemoveAll(Vec<u8>),
}

/// What a row is about. Its number begins the key and never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RowKey {
    /// The next number of ours, and the epoch that was seen last.
    Own,
    /// What was seen of a sender.
    Mark(MemberId),
    /// One message that was received.
    Seen(MemberId, MessageId),
    /// One message of the history, by its position.
    Kept(u64),
    /// An attachment under way.
    Attachment(MemberId, AttachmentId),
    /// One piece of it that is held. Only in exported states.
    Piece(MemberId, AttachmentId, u32),
    /// One piece that came before its manifest.
    Early(MemberId, AttachmentId, u32),
    /// The epoch in which a member came in.
    Joined(MemberId),
}

impl RowKey {
    const OWN: u8 = 1;
    const MARK: u8 = 2;
    const SEEN: u8 = 3;
    const KEPT: u8 = 4;
    const ATTACHMENT: u8 = 5;
    const PIECE: u8 = 6;
    const EARLY: u8 = 7;
    const JOINED: u8 = 8;

    /// What all messages that were received begin with.
    pub(crate) const ALL_SEEN: [u8; 1] = [Self::SEEN];
    /// What all that was seen of senders begins with.
    pub(crate) const ALL_MARKS: [u8; 1] = [Self::MARK];
    /// What all members that came in begin with.
    pub(crate) const ALL_JOINED: [u8; 1] = [Self::JOINED];
    /// What all messages of the history begin with.
    pub(crate) const ALL_KEPT: [u8; 1] = [Self::KEPT];

    pub(crate) fn bytes(self) -> Vec<u8> {
        let member = |member: MemberId| member.number().to_be_bytes();
        match self {
            Self::Own => vec![Self::OWN],
            Self::Mark(sender) => [&[Self::MARK][..], &member(sender)].concat(),
            Self::Seen(sender, id) => {
                [&[Self::SEEN][..], &member(sender), &id.number().to_be_bytes()].concat()
            }
            Self::Kept(position) => [&[Self::KEPT][..], &position.to_be_bytes()].concat(),
            Self::Attachment(sender, id) => {
                [&[Self::ATTACHMENT][..], &member(sender), &id.number().to_be_bytes()].concat()
            }
            Self::Piece(sender, id, index) => piece(Self::PIECE, (sender, id), &index.to_be_bytes()),
            Self::Early(sender, id, index) => piece(Self::EARLY, (sender, id), &index.to_be_bytes()),
            Self::Joined(joiner) => [&[Self::JOINED][..], &member(joiner)].concat(),
        }
    }

    /// What the keys of all early pieces of an attachment begin with.
    pub(crate) fn all_early(attachment: AttachmentKey) -> Vec<u8> {
        piece(Self::EARLY, attachment, &[])
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let mut fields = Fields(bytes);
        let key = match fields.take::<1>()? {
            [Self::OWN] => Self::Own,
            [Self::MARK] => Self::Mark(fields.member()?),
            [Self::SEEN] => Self::Seen(fields.member()?, MessageId::new(fields.long()?)),
            [Self::KEPT] => Self::Kept(fields.long()?),
            [Self::ATTACHMENT] => Self::Attachment(fields.member()?, AttachmentId::new(fields.long()?)),
            [kind @ (Self::PIECE | Self::EARLY)] => {
                let (sender, id) = (fields.member()?, AttachmentId::new(fields.long()?));
                let of = if kind == Self::PIECE { Self::Piece } else { Self::Early };
                of(sender, id, u32::from_be_bytes(fields.take()?))
            }
            [Self::JOINED] => Self::Joined(fields.member()?),
            _ => return Err(StateError::Contradiction),
        };
        if fields.0.is_empty() { Ok(key) } else { Err(StateError::Contradiction) }
    }
}

fn piece(kind: u8, (sender, id): AttachmentKey, index: &[u8]) -> Vec<u8> {
    [&[kind][..], &sender.number().to_be_bytes(), &id.number().to_be_bytes(), index].concat()
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(StateError::Contradiction)?;
        self.0 = rest;
        Ok(*first)
    }

    fn member(&mut self) -> Result<MemberId, StateError> {
        Ok(MemberId::new(u32::from_be_bytes(self.take()?)))
    }

    fn long(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_be_bytes(self.take()?))
    }
}
