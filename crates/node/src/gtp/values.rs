//! Values of text in the shape in which they cross the boundary.

use coterie_gtp::{
    Asked, AttachmentKey, CaughtUp, Content, Expired, HistoryLimits, Kept, Outgoing, Progress, Received,
    Replayed, RowChange, Scope, TakenOut, TextOptions, Verdict,
};
use coterie_types::{MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::payload::{AttachmentId, Chunk, ContentType, Digest, Manifest, MessageFlags, TextMessage};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::arguments::{List, invalid, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::NativeFailure;
use crate::gbp::codec_name;

/// A text message.
#[napi(object)]
pub struct NativeTextMessage {
    /// Its number among all that its sender has sent.
    pub id: BigInt,
    /// Who says to have sent it.
    pub sender: u32,
    /// When, by the sender's clock.
    pub sent_at: BigInt,
    /// The request that it answers.
    pub request_id: u32,
    /// Hints.
    pub flags: u32,
    /// What the content is, by its number.
    pub content_type: u32,
    /// The content.
    pub content: Uint8Array,
}

/// What an attachment is.
#[napi(object)]
pub struct NativeManifest {
    /// Which attachment of its sender.
    pub id: BigInt,
    /// The sender's name for it.
    pub filename: String,
    /// The sender's word for its type.
    pub mime_type: String,
    /// Bytes of the whole.
    pub size: BigInt,
    /// Pieces of the whole.
    pub chunks: u32,
    /// SHA-256 of the whole.
    pub digest: Uint8Array,
}

/// A piece of an attachment.
#[napi(object)]
pub struct NativeChunk {
    /// Which attachment of its sender.
    pub id: BigInt,
    /// Its place.
    pub index: u32,
    /// Pieces of the whole.
    pub chunks: u32,
    /// The piece.
    pub data: Uint8Array,
}

/// How much a history keeps.
#[napi(object, object_to_js = false)]
pub struct NativeHistoryLimits {
    /// Messages.
    pub messages: u32,
    /// Bytes of all messages.
    pub bytes: u32,
    /// Whether contents stay in memory.
    pub in_memory: bool,
}

/// What a group agreed on, and what is kept.
#[napi(object, object_to_js = false)]
pub struct NativeTextOptions {
    /// Whose text it is.
    pub member: u32,
    /// Whether numbers count for an epoch only.
    pub by_epoch: bool,
    /// What is kept of messages.
    pub history: Option<NativeHistoryLimits>,
    /// The largest attachment that is taken in.
    pub attachments: Option<BigInt>,
    /// Whether members catch up.
    pub resync: bool,
    /// Types of content that are taken, by number.
    #[napi(ts_type = "Array<number>")]
    pub content_types: Option<List<u32>>,
}

/// A change to the stored rows.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeRowChange {
    /// Writes a row.
    Put {
        /// Its key.
        key: Uint8Array,
        /// What it holds.
        value: Uint8Array,
    },
    /// Removes a row.
    Remove {
        /// Its key.
        key: Uint8Array,
    },
    /// Removes all rows whose keys begin so.
    RemoveAll {
        /// What their keys begin with.
        prefix: Uint8Array,
    },
}

/// A stored row.
#[napi(object)]
pub struct NativeRow {
    /// Its key.
    pub key: Uint8Array,
    /// What it holds.
    pub value: Uint8Array,
}

/// A message that is ready to be sealed.
#[napi(object, object_from_js = false)]
pub struct NativeOutgoingText {
    /// The message.
    pub message: NativeTextMessage,
    /// Its payload.
    pub payload: Uint8Array,
    /// The payload's codec.
    pub codec: String,
    /// Rows to be written in the step that seals it.
    pub changes: Vec<NativeRowChange>,
}

/// A message that was received.
#[napi(object, object_from_js = false)]
pub struct NativeReceivedText {
    /// The message.
    pub message: NativeTextMessage,
    /// How it relates to what was received before.
    #[napi(ts_type = "'new' | 'duplicate' | 'conflicting' | 'corrected'")]
    pub verdict: String,
    /// What it is to us.
    pub content: NativeContent,
    /// Rows to be written in the step that received it.
    pub changes: Vec<NativeRowChange>,
}

/// What a message is to us.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeContent {
    /// Something for the application.
    Message,
    /// A part of an attachment.
    Attachment {
        /// How far it is.
        progress: NativeProgress,
    },
    /// A member asks for what it is missing.
    Asked {
        /// What it asks.
        asked: NativeAsked,
    },
    /// A page of what was missing here.
    CaughtUp {
        /// The messages.
        messages: Vec<NativeReplayed>,
        /// Whether to ask for the next page.
        more: bool,
    },
}

/// A member's request for what it is missing.
#[napi(object)]
pub struct NativeAsked {
    /// Who asks.
    pub from: u32,
    /// What connects the answer with it.
    pub request_id: u32,
    /// How far the member is.
    #[napi(ts_type = "Array<NativeMark>")]
    pub seen: List<NativeMark>,
}

/// How far a sender's messages were seen.
#[napi(object)]
pub struct NativeMark {
    /// Whose.
    pub sender: u32,
    /// The highest of them.
    pub id: BigInt,
}

/// A message that another member passed on.
#[napi(object, object_from_js = false)]
pub struct NativeReplayed {
    /// The message.
    pub message: NativeTextMessage,
    /// How it relates to what was received before.
    #[napi(ts_type = "'new' | 'duplicate' | 'conflicting' | 'corrected'")]
    pub verdict: String,
}

/// One message of a history.
#[napi(object, object_from_js = false)]
pub struct NativeKept {
    /// Its place.
    pub position: BigInt,
    /// Who sent it.
    pub sender: u32,
    /// Its number among the sender's.
    pub id: BigInt,
    /// Whether another member passed it on.
    pub relayed: bool,
    /// The message, where contents stay in memory.
    pub message: Option<NativeTextMessage>,
}

/// How far an attachment is.
#[napi(object, object_from_js = false)]
pub struct NativeProgress {
    /// Whose.
    pub sender: u32,
    /// Which.
    pub attachment: BigInt,
    /// The piece that came last.
    pub piece: Option<u32>,
    /// Whether it came for the first time.
    pub fresh: bool,
    /// Pieces that are there.
    pub received: u32,
    /// Pieces of the whole.
    pub total: u32,
    /// Bytes that are there.
    pub bytes: BigInt,
    /// Whether every piece is there.
    pub complete: bool,
}

/// A piece that was taken out.
#[napi(object, object_from_js = false)]
pub struct NativeTakenOut {
    /// Whose attachment.
    pub sender: u32,
    /// Which.
    pub attachment: BigInt,
    /// The piece's place.
    pub index: u32,
    /// The piece.
    pub data: Uint8Array,
}

/// What ended because nothing came in time.
#[napi(discriminant = "type", discriminant_case = "kebab-case", object_from_js = false)]
pub enum NativeExpired {
    /// A member did not answer.
    Asking {
        /// Who.
        member: u32,
    },
    /// An attachment's pieces stayed away.
    Attachment {
        /// Whose.
        sender: u32,
        /// Which.
        attachment: BigInt,
    },
}

impl From<TextMessage> for NativeTextMessage {
    fn from(message: TextMessage) -> Self {
        let TextMessage { id, sender, sent_at, request, flags, content_type, content } = message;
        Self {
            id: id.number().into(),
            sender: sender.number(),
            sent_at: sent_at.as_millis().into(),
            request_id: request.number(),
            flags: flags.bits().into(),
            content_type: content_type.number().into(),
            content: content.into(),
        }
    }
}

pub(crate) fn message(given: NativeTextMessage) -> Result<TextMessage, NativeFailure> {
    Ok(TextMessage {
        id: MessageId::new(unsigned(&given.id)?),
        sender: MemberId::new(given.sender),
        sent_at: Timestamp::from_millis(unsigned(&given.sent_at)?),
        request: RequestId::new(given.request_id),
        flags: MessageFlags::new(unsigned8(given.flags)?),
        content_type: content_type(given.content_type)?,
        content: given.content.into(),
    })
}

pub(super) fn content_type(number: u32) -> Result<ContentType, NativeFailure> {
    unsigned8(number).map(ContentType::from_number)
}

pub(super) fn unsigned8(number: u32) -> Result<u8, NativeFailure> {
    u8::try_from(number).map_err(|_| invalid("the number must be from 0 to 255"))
}

impl From<Manifest> for NativeManifest {
    fn from(manifest: Manifest) -> Self {
        Self {
            id: manifest.id().number().into(),
            filename: manifest.filename().to_owned(),
            mime_type: manifest.mime_type().to_owned(),
            size: manifest.size().into(),
            chunks: manifest.chunks(),
            digest: manifest.digest().as_slice().into(),
        }
    }
}

pub(super) fn manifest(given: &NativeManifest) -> Result<Manifest, NativeFailure> {
    let extent = (unsigned(&given.size)?, given.chunks);
    let id = AttachmentId::new(unsigned(&given.id)?);
    Ok(Manifest::new(id, &given.filename, &given.mime_type, extent, digest(&given.digest)?)?)
}

pub(super) fn digest(given: &[u8]) -> Result<Digest, NativeFailure> {
    Digest::try_from(given).map_err(|_| invalid("a digest has 32 bytes"))
}

impl From<Chunk> for NativeChunk {
    fn from(chunk: Chunk) -> Self {
        let (id, index, chunks) = (chunk.id().number().into(), chunk.index(), chunk.chunks());
        Self { id, index, chunks, data: chunk.into_data().into() }
    }
}

pub(super) fn chunk(given: NativeChunk) -> Result<Chunk, NativeFailure> {
    let NativeChunk { id, index, chunks, data } = given;
    Ok(Chunk::new(AttachmentId::new(unsigned(&id)?), index, chunks, data.into())?)
}

impl From<NativeHistoryLimits> for HistoryLimits {
    fn from(limits: NativeHistoryLimits) -> Self {
        let whole = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { messages: whole(limits.messages), bytes: whole(limits.bytes), in_memory: limits.in_memory }
    }
}

pub(super) fn options(given: NativeTextOptions) -> Result<(MemberId, TextOptions), NativeFailure> {
    let types = given.content_types.map(|types| types.try_into_vec(content_type)).transpose()?;
    let options = TextOptions {
        scope: if given.by_epoch { Scope::Epoch } else { Scope::Group },
        history: given.history.map(HistoryLimits::from),
        attachments: given.attachments.as_ref().map(unsigned).transpose()?,
        resync: given.resync,
        content_types: types,
    };
    Ok((MemberId::new(given.member), options))
}

impl From<RowChange> for NativeRowChange {
    fn from(change: RowChange) -> Self {
        match change {
            RowChange::Put(key, value) => Self::Put { key: key.into(), value: value.into() },
            RowChange::Remove(key) => Self::Remove { key: key.into() },
            RowChange::RemoveAll(prefix) => Self::RemoveAll { prefix: prefix.into() },
        }
    }
}

pub(super) fn changes(changes: Vec<RowChange>) -> Vec<NativeRowChange> {
    changes.into_iter().map(NativeRowChange::from).collect()
}

impl From<Outgoing> for NativeOutgoingText {
    fn from(outgoing: Outgoing) -> Self {
        let payload = outgoing.payload().into();
        Self {
            message: outgoing.message.into(),
            payload,
            codec: codec_name(outgoing.codec),
            changes: changes(outgoing.changes),
        }
    }
}

impl From<Received> for NativeReceivedText {
    fn from(received: Received) -> Self {
        Self {
            message: received.message.into(),
            verdict: verdict(received.verdict),
            content: received.content.into(),
            changes: changes(received.changes),
        }
    }
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::New => "new",
        Verdict::Duplicate => "duplicate",
        Verdict::Conflicting => "conflicting",
        Verdict::Corrected => "corrected",
    }
    .to_owned()
}

impl From<Content> for NativeContent {
    fn from(content: Content) -> Self {
        match content {
            Content::Message => Self::Message,
            Content::Attachment(progress) => Self::Attachment { progress: progress.into() },
            Content::Asked(asked) => Self::Asked { asked: asked.into() },
            Content::CaughtUp(CaughtUp { messages, more, .. }) => {
                Self::CaughtUp { messages: messages.into_iter().map(NativeReplayed::from).collect(), more }
            }
        }
    }
}

impl From<Asked> for NativeAsked {
    fn from(asked: Asked) -> Self {
        let Asked { from, request, seen } = asked;
        let seen: Vec<NativeMark> = seen.into_iter().map(NativeMark::from).collect();
        Self { from: from.number(), request_id: request.number(), seen: seen.into() }
    }
}

pub(super) fn asked(given: NativeAsked) -> Result<Asked, NativeFailure> {
    let seen = given.seen.try_into_vec(|NativeMark { sender, id }| {
        Ok((MemberId::new(sender), MessageId::new(unsigned(&id)?)))
    })?;
    let (from, request) = (MemberId::new(given.from), RequestId::new(given.request_id));
    Ok(Asked { from, request, seen: seen.into_iter().collect() })
}

impl From<(MemberId, MessageId)> for NativeMark {
    fn from((sender, id): (MemberId, MessageId)) -> Self {
        Self { sender: sender.number(), id: id.number().into() }
    }
}

impl From<Replayed> for NativeReplayed {
    fn from(replayed: Replayed) -> Self {
        Self { message: replayed.message.into(), verdict: verdict(replayed.verdict) }
    }
}

impl From<Kept<'_>> for NativeKept {
    fn from(kept: Kept<'_>) -> Self {
        Self {
            position: kept.position.into(),
            sender: kept.sender.number(),
            id: kept.id.number().into(),
            relayed: kept.relayed,
            message: kept.message.cloned().map(NativeTextMessage::from),
        }
    }
}

impl From<Progress> for NativeProgress {
    fn from(progress: Progress) -> Self {
        let complete = progress.is_complete();
        let Progress { key: (sender, attachment), piece, fresh, received, total, bytes } = progress;
        let (sender, attachment) = (sender.number(), attachment.number().into());
        Self { sender, attachment, piece, fresh, received, total, bytes: bytes.into(), complete }
    }
}

impl From<TakenOut> for NativeTakenOut {
    fn from(taken: TakenOut) -> Self {
        let TakenOut { key: (sender, attachment), index, data } = taken;
        Self { sender: sender.number(), attachment: attachment.number().into(), index, data: data.into() }
    }
}

impl From<Expired> for NativeExpired {
    fn from(expired: Expired) -> Self {
        match expired {
            Expired::Asking(member) => Self::Asking { member: member.number() },
            Expired::Attachment((sender, attachment)) => {
                Self::Attachment { sender: sender.number(), attachment: attachment.number().into() }
            }
        }
    }
}

pub(crate) fn key(sender: u32, attachment: &BigInt) -> Result<AttachmentKey, NativeFailure> {
    Ok((MemberId::new(sender), AttachmentId::new(unsigned(attachment)?)))
}
