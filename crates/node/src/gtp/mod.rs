//! Text across the boundary: one member's client, and payloads by themselves.

mod parts;
mod values;

use std::collections::BTreeMap;

use coterie_crypto::Entropy as _;
use coterie_crypto::content_key::{CONTENT_KEY_LENGTH, ContentKey};
use coterie_crypto::entropy::OsEntropy;
use coterie_gtp::{
    Draft, History, Incoming, Origin, Piece, Row, TextClient, TextOptions, kept_key, kept_message,
};
use coterie_types::{Epoch, MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::payload::{Chunk, Manifest, MessageFlags, TextMessage};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, elsewhere, guarded};
use crate::arguments::{List, invalid, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::gbp::{NativeFormat, codec, format};
use crate::held::Held;
use crate::values::milliseconds;
use parts::NativeWatermark;
pub(crate) use parts::{NativeCut, after};
use values::{
    NativeAsked, NativeChunk, NativeExpired, NativeOutgoingText, NativeProgress, NativeReceivedText,
    NativeRow, NativeRowChange, NativeTakenOut, NativeTextOptions, asked, changes, chunk, content_type,
    manifest, message, options, unsigned8,
};
pub(crate) use values::{
    NativeHistoryLimits, NativeKept, NativeManifest, NativeMark, NativeTextMessage, key,
};

/// A message that is to be sent.
#[napi(object, object_to_js = false)]
pub struct NativeDraft {
    /// Its number; the next one where none is given.
    pub id: Option<BigInt>,
    /// When it was written.
    pub sent_at: BigInt,
    /// The request that it answers, or begins.
    pub request_id: u32,
    /// Hints.
    pub flags: u32,
    /// What the content is, by its number.
    pub content_type: u32,
    /// The content.
    pub content: Uint8Array,
    /// How it is encoded.
    pub codec: String,
}

/// A payload from the text stream, with what the frame layer knows of it.
#[napi(object, object_to_js = false)]
pub struct NativeIncoming {
    /// The opened payload.
    pub payload: Uint8Array,
    /// Its codec.
    pub codec: Either<String, u32>,
    /// Who sent it, where that is known.
    pub sender: Option<u32>,
    /// The group's epoch.
    pub epoch: BigInt,
}

/// A message whose content the caller keeps.
#[napi(object, object_to_js = false)]
pub struct NativeFetched {
    /// Its place in the history.
    pub position: BigInt,
    /// The message.
    pub message: NativeTextMessage,
}

/// A client, and what its options ask to remove.
#[napi(object, object_from_js = false)]
pub struct NativeRestoredText {
    /// The client.
    pub client: NativeTextClient,
    /// Rows that smaller limits drop.
    pub changes: Vec<NativeRowChange>,
}

/// A step that changed rows, and how far an attachment is after it.
#[napi(object, object_from_js = false)]
pub struct NativeExpecting {
    /// How far it is.
    pub progress: NativeProgress,
    /// Rows to be written in the step.
    pub changes: Vec<NativeRowChange>,
}

/// What ended because nothing came in time.
#[napi(object, object_from_js = false)]
pub struct NativeTextTimeout {
    /// What ended.
    pub expired: Vec<NativeExpired>,
    /// Rows to be written in the step.
    pub changes: Vec<NativeRowChange>,
}

impl NativeIncoming {
    pub(crate) fn origin(&self) -> Origin {
        self.sender.map_or(Origin::Unknown, |sender| Origin::Member(MemberId::new(sender)))
    }
}

/// The text of one group, as one member knows it.
#[napi]
pub struct NativeTextClient {
    client: Held<TextClient>,
}

/// One that knows nothing yet but how it tells messages apart.
fn begun(member: MemberId, options: TextOptions) -> Result<TextClient, NativeFailure> {
    let client = TextClient::new(member, options);
    let client = client.ok_or_else(|| invalid("the history's limits are out of range"))?;
    let mut key = [0; CONTENT_KEY_LENGTH];
    OsEntropy.fill(&mut key).map_err(NativeFailure::from)?;
    Ok(client.keyed(ContentKey::new(key)?))
}

#[napi]
impl NativeTextClient {
    /// Nothing known yet.
    #[napi(catch_unwind, ts_return_type = "NativeTextClient | NativeFailure")]
    pub fn create(given: NativeTextOptions) -> Outcome<NativeTextClient> {
        outcome(guarded(|| {
            let (member, options) = options(given)?;
            Ok(begun(member, options)?.into())
        }))
    }

    /// What `export` wrote.
    #[napi(catch_unwind, ts_return_type = "NativeTextClient | NativeFailure")]
    pub fn import(given: NativeTextOptions, state: Uint8Array) -> Outcome<NativeTextClient> {
        outcome(guarded(|| {
            let (member, options) = options(given)?;
            Ok(TextClient::import(member, options, &state)?.into())
        }))
    }

    /// What rows hold.
    #[napi(catch_unwind, ts_return_type = "NativeRestoredText | NativeFailure")]
    pub fn restore(
        given: NativeTextOptions,
        #[napi(ts_arg_type = "Array<NativeRow>")] rows: List<NativeRow>,
    ) -> Outcome<NativeRestoredText> {
        outcome(guarded(|| {
            let (member, options) = options(given)?;
            let mut rows: Vec<Row> = rows.try_into_vec(|row| Ok((row.key.into(), row.value.into())))?;
            rows.sort();
            if rows.is_empty() {
                return Ok(NativeRestoredText {
                    client: begun(member, options)?.into(),
                    changes: Vec::new(),
                });
            }
            let (client, dropped) = TextClient::restore(member, options, rows)?;
            Ok(NativeRestoredText { client: client.into(), changes: changes(dropped) })
        }))
    }

    /// Makes a message of a draft.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | NativeFailure")]
    pub fn send(&self, given: NativeDraft) -> Outcome<NativeOutgoingText> {
        self.client.with(|client| Ok(client.send(draft(given)?)?.into()))
    }

    /// The message that announces an attachment.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | NativeFailure")]
    pub fn send_manifest(&self, cut: &NativeCut, now: f64) -> Outcome<NativeOutgoingText> {
        self.client.with(|client| Ok(client.send_manifest(&cut.cut, timestamp(now))?.into()))
    }

    /// The message that carries a piece of an attachment.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | NativeFailure")]
    pub fn send_piece(
        &self,
        cut: &NativeCut,
        index: u32,
        data: Uint8Array,
        now: f64,
    ) -> Outcome<NativeOutgoingText> {
        self.client.with(|client| {
            let piece = cut.cut.piece(index, data.into())?;
            Ok(client.send_piece(&piece, timestamp(now))?.into())
        })
    }

    /// Takes a payload in.
    #[napi(catch_unwind, ts_return_type = "NativeReceivedText | NativeFailure")]
    pub fn receive(&self, given: NativeIncoming, now: f64) -> Outcome<NativeReceivedText> {
        self.client.with(|client| {
            let incoming = Incoming {
                payload: &given.payload,
                format: format(&given.codec)?,
                origin: given.origin(),
                epoch: Epoch::new(unsigned(&given.epoch)?),
                now: timestamp(now),
            };
            Ok(client.receive(&incoming)?.into())
        })
    }

    /// Asks a member for what is missing here.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | NativeFailure")]
    pub fn ask(&self, member: u32, request_id: u32, now: f64) -> Outcome<NativeOutgoingText> {
        let (member, request) = (MemberId::new(member), RequestId::new(request_id));
        self.client.with(|client| Ok(client.ask(member, request, timestamp(now))?.into()))
    }

    /// Asks for the next page.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | null | NativeFailure")]
    pub fn ask_on(&self, now: f64) -> Outcome<Option<NativeOutgoingText>> {
        self.client.with(|client| Ok(client.ask_on(timestamp(now))?.map(NativeOutgoingText::from)))
    }

    /// Places of messages that answering takes and whose contents are not in memory.
    #[napi(catch_unwind, ts_return_type = "Array<bigint> | NativeFailure")]
    pub fn wanted_for(&self, request: NativeAsked) -> Outcome<Vec<BigInt>> {
        self.client
            .with(|client| Ok(client.wanted_for(&asked(request)?).into_iter().map(BigInt::from).collect()))
    }

    /// One page of what a member is missing.
    #[napi(catch_unwind, ts_return_type = "NativeOutgoingText | NativeFailure")]
    pub fn answer(
        &self,
        request: NativeAsked,
        #[napi(ts_arg_type = "Array<NativeFetched>")] fetched: List<NativeFetched>,
        now: f64,
    ) -> Outcome<NativeOutgoingText> {
        self.client.with(|client| {
            let fetched = fetched.try_into_vec(|NativeFetched { position, message: given }| {
                Ok((unsigned(&position)?, message(given)?))
            })?;
            let mut fetched: BTreeMap<u64, TextMessage> = fetched.into_iter().collect();
            let answer =
                client.answer(&asked(request)?, timestamp(now), |position| fetched.remove(&position));
            Ok(answer?.into())
        })
    }

    /// Forgets what was received, and in which epoch.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRowChange> | NativeFailure")]
    pub fn reset(&self) -> Outcome<Vec<NativeRowChange>> {
        self.client.with(|client| Ok(changes(client.reset())))
    }

    /// Empties the history.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRowChange> | NativeFailure")]
    pub fn clear_history(&self) -> Outcome<Vec<NativeRowChange>> {
        self.client.with(|client| Ok(changes(client.clear_history())))
    }

    /// Expects an attachment whose manifest did not come from its sender here.
    #[napi(catch_unwind, ts_return_type = "NativeExpecting | NativeFailure")]
    pub fn expect_attachment(
        &self,
        sender: u32,
        given: NativeManifest,
        now: f64,
    ) -> Outcome<NativeExpecting> {
        self.client.with(|client| {
            let (progress, rows) =
                client.expect_attachment(MemberId::new(sender), manifest(&given)?, timestamp(now))?;
            Ok(NativeExpecting { progress: progress.into(), changes: changes(rows) })
        })
    }

    /// Hands out a piece that is held.
    #[napi(catch_unwind, ts_return_type = "NativeTakenOut | null | NativeFailure")]
    pub fn take_out(&self, sender: u32, attachment: BigInt, index: u32) -> Outcome<Option<NativeTakenOut>> {
        self.client
            .with(|client| Ok(client.take_out(key(sender, &attachment)?, index).map(NativeTakenOut::from)))
    }

    /// Hands out any piece that is held.
    #[napi(catch_unwind, ts_return_type = "NativeTakenOut | null | NativeFailure")]
    pub fn take_any_out(&self, sender: Option<u32>) -> Outcome<Option<NativeTakenOut>> {
        let sender = sender.map(MemberId::new);
        self.client.with(|client| Ok(client.take_any_out(sender).map(NativeTakenOut::from)))
    }

    /// Ends an attachment.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRowChange> | NativeFailure")]
    pub fn forget_attachment(&self, sender: u32, attachment: BigInt) -> Outcome<Vec<NativeRowChange>> {
        self.client.with(|client| Ok(changes(client.forget_attachment(key(sender, &attachment)?))))
    }

    /// The whole of an attachment, once it is what was announced; `taken_out` are the pieces that are not held here.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn assemble<'env>(
        &self,
        env: &'env Env,
        sender: u32,
        attachment: BigInt,
        #[napi(ts_arg_type = "Array<NativeChunk>")] taken_out: List<NativeChunk>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let gathered = self.client.with(|client| {
            let key = key(sender, &attachment)?;
            let outside = taken_out.try_into_vec(|chunk| Ok((chunk.index, chunk.data)))?;
            let outside: BTreeMap<u32, Uint8Array> = outside.into_iter().collect();
            let check = client.attachments().check(key)?;
            let piece = |piece: Piece<'_>| match piece {
                Piece::Held(data) => Ok(data.to_vec()),
                Piece::TakenOut(index) => match outside.get(&index) {
                    Some(data) => Ok(data.to_vec()),
                    None => Err(coterie_gtp::AttachmentError::TakenOut(index)),
                },
            };
            let pieces = client.attachments().pieces(key)?.map(piece).collect::<Result<Vec<_>, _>>()?;
            Ok((check, pieces))
        });
        let (mut check, pieces) = match gathered {
            Either::A(gathered) => gathered,
            Either::B(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let work = move || {
            pieces.iter().for_each(|piece| check.update(piece));
            check.finish()?;
            Ok(pieces.concat())
        };
        elsewhere(env, Cancelled::by(cancellation), work, Uint8Array::from)
    }

    /// How far an attachment is.
    #[napi(catch_unwind, ts_return_type = "NativeProgress | null | NativeFailure")]
    pub fn progress(&self, sender: u32, attachment: BigInt) -> Outcome<Option<NativeProgress>> {
        self.client.with(|client| {
            let progress = client.attachments().progress(key(sender, &attachment)?);
            Ok(progress.map(NativeProgress::from))
        })
    }

    /// The manifest of an attachment under way.
    #[napi(catch_unwind, ts_return_type = "NativeManifest | null | NativeFailure")]
    pub fn manifest(&self, sender: u32, attachment: BigInt) -> Outcome<Option<NativeManifest>> {
        self.client.with(|client| {
            let manifest = client.attachments().manifest(key(sender, &attachment)?);
            Ok(manifest.cloned().map(NativeManifest::from))
        })
    }

    /// How far each attachment under way is.
    #[napi(catch_unwind, ts_return_type = "Array<NativeProgress> | NativeFailure")]
    pub fn attachments(&self) -> Outcome<Vec<NativeProgress>> {
        self.client.look(|client| {
            let attachments = client.attachments();
            let progress = attachments.keys().filter_map(|key| attachments.progress(key));
            progress.map(NativeProgress::from).collect()
        })
    }

    /// Bytes of all pieces that are held.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn held_bytes(&self) -> Outcome<u32> {
        self.client.look(|client| u32::try_from(client.attachments().held()).unwrap_or(u32::MAX))
    }

    /// When to call `handle_timeout`, in milliseconds since 1970.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn poll_timeout(&self) -> Outcome<Option<f64>> {
        self.client.look(|client| client.poll_timeout().map(milliseconds))
    }

    /// Ends what has waited too long.
    #[napi(catch_unwind, ts_return_type = "NativeTextTimeout | NativeFailure")]
    pub fn handle_timeout(&self, now: f64) -> Outcome<NativeTextTimeout> {
        self.client.with(|client| {
            let (expired, rows) = client.handle_timeout(timestamp(now));
            let expired = expired.into_iter().map(NativeExpired::from).collect();
            Ok(NativeTextTimeout { expired, changes: changes(rows) })
        })
    }

    /// The highest message of each sender.
    #[napi(catch_unwind, ts_return_type = "Array<NativeMark> | NativeFailure")]
    pub fn watermark(&self) -> Outcome<Vec<NativeMark>> {
        self.client.look(|client| client.watermark().iter().map(NativeMark::from).collect())
    }

    /// Who is being asked for what is missing.
    #[napi(catch_unwind, ts_return_type = "number | null | NativeFailure")]
    pub fn asking(&self) -> Outcome<Option<u32>> {
        self.client.look(|client| client.asking().map(MemberId::number))
    }

    /// Whether members catch up.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn set_resync(&self, agreed: bool) -> Outcome<()> {
        self.client.with(|client| {
            client.set_resync(agreed);
            Ok(())
        })
    }

    /// What this member says from now on is said in this epoch.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn set_epoch(&self, epoch: BigInt) -> Outcome<()> {
        self.client.with(|client| {
            client.set_epoch(Epoch::new(unsigned(&epoch)?));
            Ok(())
        })
    }

    /// A member came in with an epoch.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRowChange> | NativeFailure")]
    pub fn joined(&self, member: u32, epoch: BigInt) -> Outcome<Vec<NativeRowChange>> {
        self.client.with(|client| {
            let change = client.joined(MemberId::new(member), Epoch::new(unsigned(&epoch)?));
            Ok(changes(vec![change.ok_or_else(|| invalid("10,000 members came in and are not out"))?]))
        })
    }

    /// A member is out.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRowChange> | NativeFailure")]
    pub fn left(&self, member: u32) -> Outcome<Vec<NativeRowChange>> {
        self.client.with(|client| Ok(changes(client.left(MemberId::new(member)).into_iter().collect())))
    }

    /// Everything that is known.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn export(&self) -> Outcome<Uint8Array> {
        self.client.look(|client| client.export().into())
    }

    /// The same as rows.
    #[napi(catch_unwind, ts_return_type = "Array<NativeRow> | NativeFailure")]
    pub fn rows(&self) -> Outcome<Vec<NativeRow>> {
        self.client.look(|client| {
            let row = |(key, value): Row| NativeRow { key: key.into(), value: value.into() };
            client.rows().into_iter().map(row).collect()
        })
    }

    /// How many messages are kept, and how many bytes they take.
    #[napi(catch_unwind, ts_return_type = "Array<number> | NativeFailure")]
    pub fn history_size(&self) -> Outcome<Vec<u32>> {
        self.client.look(|client| client.history().map_or_else(|| vec![0, 0], parts::size))
    }

    /// Messages that are kept behind a position, oldest first.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn history_after(&self, position: Option<BigInt>, limit: u32) -> Outcome<Vec<NativeKept>> {
        self.in_history(|history| parts::after(history, position.as_ref(), limit))
    }

    /// The same, of what a watermark does not reach.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn history_since(
        &self,
        seen: &NativeWatermark,
        position: Option<BigInt>,
        limit: u32,
    ) -> Outcome<Vec<NativeKept>> {
        self.in_history(|history| parts::since(history, seen, position.as_ref(), limit))
    }

    /// The same, of one sender's above a number.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn history_since_for_sender(
        &self,
        sender: u32,
        id: BigInt,
        position: Option<BigInt>,
        limit: u32,
    ) -> Outcome<Vec<NativeKept>> {
        self.in_history(|history| parts::since_for_sender(history, (sender, &id), position.as_ref(), limit))
    }

    /// A sender's message, if it is kept.
    #[napi(catch_unwind, ts_return_type = "NativeKept | null | NativeFailure")]
    pub fn history_find(&self, sender: u32, id: BigInt) -> Outcome<Option<NativeKept>> {
        self.in_history(|history| parts::find(history, sender, &id))
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.client.close();
    }

    fn in_history<R: Default>(&self, read: impl FnOnce(&History) -> Result<R, NativeFailure>) -> Outcome<R> {
        self.client.with(|client| client.history().map_or_else(|| Ok(R::default()), read))
    }
}

impl From<TextClient> for NativeTextClient {
    fn from(client: TextClient) -> Self {
        Self { client: Held::new(client) }
    }
}

pub(crate) fn draft(given: NativeDraft) -> Result<Draft, NativeFailure> {
    Ok(Draft {
        id: given.id.as_ref().map(unsigned).transpose()?.map(MessageId::new),
        sent_at: Timestamp::from_millis(unsigned(&given.sent_at)?),
        request: RequestId::new(given.request_id),
        flags: MessageFlags::new(unsigned8(given.flags)?),
        content_type: content_type(given.content_type)?,
        content: given.content.into(),
        codec: codec(&given.codec)?,
    })
}

/// The payload of a message.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_text(given: NativeTextMessage, codec_name: String) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(message(given)?.encode(codec(&codec_name)?)?.into())))
}

/// The message in a payload.
#[napi(catch_unwind, ts_return_type = "NativeTextMessage | NativeFailure")]
pub fn native_decode_text(payload: Uint8Array, given: NativeFormat) -> Outcome<NativeTextMessage> {
    outcome(guarded(|| Ok(TextMessage::decode(format(&given)?, &payload)?.into())))
}

/// The bytes of a manifest.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_manifest(given: NativeManifest, codec_name: String) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(manifest(&given)?.encode(codec(&codec_name)?)?.into())))
}

/// The manifest in bytes.
#[napi(catch_unwind, ts_return_type = "NativeManifest | NativeFailure")]
pub fn native_decode_manifest(bytes: Uint8Array, given: NativeFormat) -> Outcome<NativeManifest> {
    outcome(guarded(|| Ok(Manifest::decode(format(&given)?, &bytes)?.into())))
}

/// The bytes of a piece.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_encode_chunk(given: NativeChunk, codec_name: String) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(chunk(given)?.encode(codec(&codec_name)?)?.into())))
}

/// The piece in bytes.
#[napi(catch_unwind, ts_return_type = "NativeChunk | NativeFailure")]
pub fn native_decode_chunk(bytes: Uint8Array, given: NativeFormat) -> Outcome<NativeChunk> {
    outcome(guarded(|| Ok(Chunk::decode(format(&given)?, &bytes)?.into())))
}

/// The key of the stored row at a position of the history.
#[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
pub fn native_kept_key(position: BigInt) -> Outcome<Uint8Array> {
    outcome(guarded(|| Ok(kept_key(unsigned(&position)?).into())))
}

/// The message in a stored row of the history.
#[napi(catch_unwind, ts_return_type = "NativeTextMessage | NativeFailure")]
pub fn native_kept_message(value: Uint8Array) -> Outcome<NativeTextMessage> {
    outcome(guarded(|| Ok(kept_message(&value)?.into())))
}
