//! Stored rows and saved states: how they are written, and how they are read back.

use coterie_crypto::content_key::{CONTENT_KEY_LENGTH, ContentKey};
use coterie_seen::{Seen, StateError};
use coterie_types::{Epoch, MemberId, MessageId, Timestamp};
use coterie_wire::cbor::{Reader, Writer};
use coterie_wire::payload::{AttachmentId, Chunk, Manifest, TextMessage};
use coterie_wire::{Codec, Malformed, PayloadFormat};

use crate::attachment::{AttachmentKey, Early, Incoming, Places};
use crate::client::{Known, TextClient, TextOptions};
use crate::fingerprint::Fingerprints;
use crate::history::Heard;
use crate::limits::MAX_STATE;
use crate::row::{RowChange, RowKey};
use crate::watermark::{Mark, Watermark};

/// The version of saved states.
const VERSION: u64 = 1;

/// A stored row.
pub type Row = (Vec<u8>, Vec<u8>);

impl TextClient {
    /// Everything that is known, without pieces of attachments that were taken out. Not a secret of others, but all that
    /// was said, and the key by which repetitions are told from conflicts: it is to be kept like the messages themselves.
    ///
    /// A state is for going on, not for going back: who imports one that is older than his last message numbers the next ones
    /// like those that he sent since, and the others refuse them as [`Verdict::Conflicting`](crate::Verdict::Conflicting).
    /// Write the state, or better the rows of each step, before its payload leaves. Who has to go back to an older one
    /// all the same gives his first message afterwards a number of his own ([`Draft::id`](crate::Draft::id)) above all that
    /// he may have used; later ones follow it.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let rows = self.rows();
        let mut writer = Writer::default();
        writer.array(2).unsigned(VERSION).array(rows.len());
        for (key, value) in rows {
            writer.array(2).bytes(&key).bytes(&value);
        }
        writer.finish()
    }

    /// What [`Self::export`] wrote, which says what to do where it may not be the last one.
    ///
    /// # Errors
    /// When it is no such state, of another version, or contradicts itself.
    pub fn import(member: MemberId, options: TextOptions, state: &[u8]) -> Result<Self, StateError> {
        if state.len() > MAX_STATE {
            return Err(Malformed::TooLong.into());
        }
        let mut reader = Reader::new(state);
        reader.tuple(2)?;
        let version = reader.unsigned()?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let mut rows = Vec::new();
        for _ in 0..reader.array(state.len())? {
            reader.tuple(2)?;
            rows.push((reader.bytes()?.to_vec(), reader.bytes()?.to_vec()));
        }
        reader.finish()?;
        Self::restore(member, options, rows).map(|(client, _)| client)
    }

    /// What the rows hold, in the order of their keys; and changes that smaller limits than before ask for. All pieces of
    /// attachments count as taken out.
    ///
    /// # Errors
    /// When a row is not one of ours, or they contradict each other.
    pub fn restore(
        member: MemberId,
        options: TextOptions,
        rows: impl IntoIterator<Item = Row>,
    ) -> Result<(Self, Vec<RowChange>), StateError> {
        let mut client = Self::new(member, options).ok_or(StateError::Contradiction)?;
        let mut last: Option<Vec<u8>> = None;
        for (key, value) in rows {
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(StateError::Contradiction);
            }
            client.put_row(RowKey::read(&key)?, &value)?;
            last = Some(key);
        }
        let dropped = client.history.as_mut().map(crate::history::History::trim).unwrap_or_default();
        let changes = dropped.into_iter().map(|position| RowChange::Remove(RowKey::Kept(position).bytes()));
        Ok((client, changes.collect()))
    }

    /// Every row, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut changes = vec![self.own_row()];
        changes.extend(self.marks.iter().filter_map(|(sender, _)| mark_row(sender, &self.marks)));
        changes.extend(self.seen.iter().filter_map(|(sender, id, ..)| seen_row(sender, id, &self.seen)));
        changes.extend(self.joiners.iter().map(|(member, epoch)| joined_row(*member, *epoch)));
        for kept in self.history.iter().flat_map(crate::history::History::iter) {
            changes.extend(kept.message.and_then(|message| kept_row(kept.position, message, kept.heard())));
        }
        for (key, incoming) in self.attachments.entries() {
            changes.push(attachment_row(*key, incoming));
            let piece = |index| RowKey::Piece(key.0, key.1, index).bytes();
            let pieces = incoming.held.iter();
            changes.extend(pieces.map(|(index, data)| RowChange::Put(piece(*index), data.clone())));
        }
        changes.extend(self.attachments.early().map(|((key, _), early)| early_row(*key, early)));
        let mut rows: Vec<Row> = changes.into_iter().filter_map(RowChange::into_row).collect();
        rows.sort();
        rows
    }

    fn put_row(&mut self, key: RowKey, value: &[u8]) -> Result<(), StateError> {
        let mut reader = Reader::new(value);
        let put = match key {
            RowKey::Piece(sender, id, index) => {
                return self.attachments.put_piece((sender, id), index, value);
            }
            RowKey::Own => {
                let key;
                (self.next, self.epoch, key) = read_own(&mut reader)?;
                self.fingerprints = match key {
                    None => Fingerprints::default(),
                    Some(key) => {
                        Fingerprints::keyed(ContentKey::new(key).map_err(|_| StateError::Contradiction)?)
                    }
                };
                true
            }
            RowKey::Mark(sender) => {
                reader.tuple(2)?;
                let [highest, whole] = [reader.unsigned()?, reader.unsigned()?].map(MessageId::new);
                self.marks.put(sender, Mark { highest, whole })
            }
            RowKey::Seen(sender, id) => {
                reader.tuple(3)?;
                let (place, fingerprint, relayed) = (reader.unsigned()?, reader.bytes()?, reader.boolean()?);
                let fingerprint = fingerprint.try_into().map_err(|_| Malformed::OutOfRange)?;
                self.seen.insert_at(place, sender, id, Known { fingerprint, relayed })
            }
            RowKey::Kept(position) => {
                let (message, heard) = read_kept(&mut reader)?;
                self.history.as_mut().is_none_or(|history| history.put(position, &message, heard))
            }
            RowKey::Joined(member) => self.put_joiner(member, Epoch::new(reader.unsigned()?)),
            RowKey::Attachment(sender, id) => {
                let incoming = read_attachment(&mut reader)?;
                if incoming.manifest.id() != id {
                    return Err(StateError::Contradiction);
                }
                self.attachments.put(sender, incoming)?;
                true
            }
            RowKey::Early(sender, id, index) => {
                let (chunk, came) = read_early(&mut reader, id, index)?;
                self.attachments.put_early((sender, chunk), came)?;
                true
            }
        };
        reader.finish()?;
        if put { Ok(()) } else { Err(StateError::Contradiction) }
    }
}

/// The message in a stored row of the history.
///
/// # Errors
/// When the bytes are no such row.
pub fn kept_message(value: &[u8]) -> Result<TextMessage, StateError> {
    let mut reader = Reader::new(value);
    let (message, _) = read_kept(&mut reader)?;
    reader.finish()?;
    Ok(message)
}

/// The key of the stored row at a position of the history.
#[must_use]
pub fn kept_key(position: u64) -> Vec<u8> {
    RowKey::Kept(position).bytes()
}

impl RowChange {
    fn into_row(self) -> Option<Row> {
        match self {
            Self::Put(key, value) => Some((key, value)),
            Self::Remove(_) | Self::RemoveAll(_) => None,
        }
    }
}

/// The number of our next message, the epoch that was taken note of last, and the key of the fingerprints.
type OwnRow = (Option<MessageId>, Option<Epoch>, Option<[u8; CONTENT_KEY_LENGTH]>);

/// Zero stands for no number: it is nobody's next.
pub(crate) fn own_row(
    next: Option<MessageId>,
    epoch: Option<Epoch>,
    key: Option<&[u8; CONTENT_KEY_LENGTH]>,
) -> RowChange {
    let mut writer = Writer::default();
    writer.array(if key.is_some() { 3 } else { 2 });
    writer.unsigned(next.map_or(0, MessageId::number)).optional_unsigned(epoch.map(Epoch::number));
    if let Some(key) = key {
        writer.bytes(key);
    }
    RowChange::Put(RowKey::Own.bytes(), writer.finish())
}

fn read_own(reader: &mut Reader<'_>) -> Result<OwnRow, StateError> {
    let has_key = match reader.array(3)? {
        2 => false,
        3 => true,
        _ => return Err(StateError::Contradiction),
    };
    let next = reader.unsigned::<u64>()?;
    let epoch = reader.optional_unsigned()?.map(Epoch::new);
    let key = if has_key { Some(reader.bytes()?) } else { None };
    let key = key.map(<[u8; CONTENT_KEY_LENGTH]>::try_from).transpose();
    Ok(((next != 0).then_some(MessageId::new(next)), epoch, key.map_err(|_| Malformed::OutOfRange)?))
}

pub(crate) fn mark_row(sender: MemberId, marks: &Watermark) -> Option<RowChange> {
    let mark = marks.mark(sender)?;
    let mut writer = Writer::default();
    writer.array(2).unsigned(mark.highest.number()).unsigned(mark.whole.number());
    Some(RowChange::Put(RowKey::Mark(sender).bytes(), writer.finish()))
}

pub(crate) fn seen_row(sender: MemberId, id: MessageId, seen: &Seen<MessageId, Known>) -> Option<RowChange> {
    let (known, place) = (seen.get(sender, id)?, seen.place(sender, id)?);
    let mut writer = Writer::default();
    writer.array(3).unsigned(place).bytes(&known.fingerprint).boolean(known.relayed);
    Some(RowChange::Put(RowKey::Seen(sender, id).bytes(), writer.finish()))
}

/// Nothing for a message that cannot be encoded: it was decoded or encoded before, so there is none.
pub(crate) fn kept_row(position: u64, message: &TextMessage, heard: Heard) -> Option<RowChange> {
    let Heard { relayed, epoch } = heard;
    let mut writer = Writer::default();
    writer.array(if epoch.is_some() { 3 } else { 2 });
    writer.boolean(relayed).bytes(&message.encode(Codec::Cbor).ok()?);
    if let Some(epoch) = epoch {
        writer.unsigned(epoch.number());
    }
    Some(RowChange::Put(RowKey::Kept(position).bytes(), writer.finish()))
}

fn read_kept(reader: &mut Reader<'_>) -> Result<(TextMessage, Heard), StateError> {
    let has_epoch = match reader.array(3)? {
        2 => false,
        3 => true,
        _ => return Err(StateError::Contradiction),
    };
    let relayed = reader.boolean()?;
    let message = TextMessage::decode(PayloadFormat::from(Codec::Cbor), reader.bytes()?);
    let epoch = if has_epoch { Some(Epoch::new(reader.unsigned()?)) } else { None };
    Ok((message.map_err(|_| StateError::Contradiction)?, Heard { relayed, epoch }))
}

pub(crate) fn joined_row(member: MemberId, epoch: Epoch) -> RowChange {
    let mut writer = Writer::default();
    writer.unsigned(epoch.number());
    RowChange::Put(RowKey::Joined(member).bytes(), writer.finish())
}

pub(crate) fn attachment_row(key: AttachmentKey, incoming: &Incoming) -> RowChange {
    let manifest = incoming.manifest.encode(Codec::Cbor).unwrap_or_default();
    let mut writer = Writer::default();
    writer.array(4).bytes(&manifest).bytes(incoming.there.bits());
    writer.unsigned(incoming.bytes).unsigned(incoming.touched.as_millis());
    RowChange::Put(RowKey::Attachment(key.0, key.1).bytes(), writer.finish())
}

pub(crate) fn early_row(key: AttachmentKey, early: &Early) -> RowChange {
    let Early { chunk, came } = early;
    let mut writer = Writer::default();
    writer.array(3).unsigned(chunk.chunks()).unsigned(came.as_millis()).bytes(chunk.data());
    RowChange::Put(RowKey::Early(key.0, key.1, chunk.index()).bytes(), writer.finish())
}

fn read_early(
    reader: &mut Reader<'_>,
    id: AttachmentId,
    index: u32,
) -> Result<(Chunk, Timestamp), StateError> {
    reader.tuple(3)?;
    let (chunks, came) = (reader.unsigned()?, Timestamp::from_millis(reader.unsigned()?));
    let chunk = Chunk::new(id, index, chunks, reader.bytes()?.to_vec());
    Ok((chunk.map_err(|_| StateError::Contradiction)?, came))
}

fn read_attachment(reader: &mut Reader<'_>) -> Result<Incoming, StateError> {
    reader.tuple(4)?;
    let manifest = Manifest::decode(PayloadFormat::from(Codec::Cbor), reader.bytes()?);
    let manifest = manifest.map_err(|_| StateError::Contradiction)?;
    let there = Places::from_bits(reader.bytes()?);
    let (bytes, touched) = (reader.unsigned()?, Timestamp::from_millis(reader.unsigned()?));
    Ok(Incoming::restored(manifest, there, bytes, touched))
}
