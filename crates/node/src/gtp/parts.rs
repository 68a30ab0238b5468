//! Parts of text that can be used alone: histories, watermarks and cuts.

use coterie_gtp::{Cut, History, HistoryLimits, Label, Watermark, digest_of};
use coterie_types::{MemberId, MessageId};
use coterie_wire::payload::{AttachmentId, Digest};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use super::values::{
    NativeHistoryLimits, NativeKept, NativeManifest, NativeMark, NativeTextMessage, digest, message,
};
use crate::answer::{Answer, Cancelled, NativeCancellation, elsewhere, guarded};
use crate::arguments::{invalid, unsigned};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::held::Held;

/// What came of a message that was pushed.
#[napi(object, object_from_js = false)]
pub struct NativePushed {
    /// Its place.
    pub position: BigInt,
    /// Places of those that gave way.
    pub dropped: Vec<BigInt>,
}

/// Where a piece lies in the data.
#[napi(object, object_from_js = false)]
pub struct NativeRange {
    /// Where it begins.
    pub start: BigInt,
    /// Where it ends.
    pub end: BigInt,
}

/// What an attachment is to be cut into.
#[napi(object, object_to_js = false)]
pub struct NativeCutOptions {
    /// Which attachment of its sender.
    pub id: BigInt,
    /// Its name.
    pub filename: String,
    /// Its type.
    pub mime_type: String,
    /// Bytes in a piece.
    pub length: u32,
}

/// A bounded log of messages.
#[napi]
pub struct NativeHistory {
    history: Held<History>,
}

/// How far each sender's messages have been seen.
#[napi]
pub struct NativeWatermark {
    watermark: Held<Watermark>,
}

/// An attachment cut into pieces. It holds none of the data.
#[napi]
pub struct NativeCut {
    pub(crate) cut: Cut,
}

#[napi]
impl NativeHistory {
    /// An empty history.
    #[napi(catch_unwind, ts_return_type = "NativeHistory | NativeFailure")]
    pub fn create(limits: NativeHistoryLimits) -> Outcome<NativeHistory> {
        let history = History::new(HistoryLimits::from(limits));
        let history = history.ok_or_else(|| invalid("the history's limits are out of range"));
        outcome(history.map(|history| Self { history: Held::new(history) }))
    }

    /// Appends a message, unless its sender's number is there.
    #[napi(catch_unwind, ts_return_type = "NativePushed | null | NativeFailure")]
    pub fn push(&self, given: NativeTextMessage) -> Outcome<Option<NativePushed>> {
        self.history.with(|history| {
            Ok(history.push(&message(given)?).map(|pushed| NativePushed {
                position: pushed.position.into(),
                dropped: pushed.dropped.into_iter().map(BigInt::from).collect(),
            }))
        })
    }

    /// Takes out the message at a position.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn remove(&self, position: BigInt) -> Outcome<bool> {
        self.history.with(|history| Ok(history.remove(unsigned(&position)?)))
    }

    /// Forgets everything.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn clear(&self) -> Outcome<()> {
        self.history.with(|history| {
            history.clear();
            Ok(())
        })
    }

    /// How many messages are kept, and how many bytes they take.
    #[napi(catch_unwind, ts_return_type = "Array<number> | NativeFailure")]
    pub fn size(&self) -> Outcome<Vec<u32>> {
        self.history.look(size)
    }

    /// Messages behind a position, oldest first.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn after(&self, position: Option<BigInt>, limit: u32) -> Outcome<Vec<NativeKept>> {
        self.history.with(|history| after(history, position.as_ref(), limit))
    }

    /// The same, of what a watermark does not reach.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn since(
        &self,
        seen: &NativeWatermark,
        position: Option<BigInt>,
        limit: u32,
    ) -> Outcome<Vec<NativeKept>> {
        self.history.with(|history| since(history, seen, position.as_ref(), limit))
    }

    /// The same, of one sender's above a number.
    #[napi(catch_unwind, ts_return_type = "Array<NativeKept> | NativeFailure")]
    pub fn since_for_sender(
        &self,
        sender: u32,
        id: BigInt,
        position: Option<BigInt>,
        limit: u32,
    ) -> Outcome<Vec<NativeKept>> {
        self.history.with(|history| since_for_sender(history, (sender, &id), position.as_ref(), limit))
    }

    /// A sender's message.
    #[napi(catch_unwind, ts_return_type = "NativeKept | null | NativeFailure")]
    pub fn find(&self, sender: u32, id: BigInt) -> Outcome<Option<NativeKept>> {
        self.history.with(|history| find(history, sender, &id))
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.history.close();
    }
}

#[napi]
impl NativeWatermark {
    /// Nothing seen yet.
    #[napi(catch_unwind, constructor)]
    #[allow(clippy::new_without_default, reason = "only JavaScript makes one")]
    pub fn new() -> Self {
        Self { watermark: Held::new(Watermark::default()) }
    }

    /// Takes note of a message; whether it is the highest of its sender.
    #[napi(catch_unwind, ts_return_type = "boolean | NativeFailure")]
    pub fn observe(&self, sender: u32, id: BigInt) -> Outcome<bool> {
        self.watermark.with(|marks| Ok(marks.observe(MemberId::new(sender), MessageId::new(unsigned(&id)?))))
    }

    /// The highest message of a sender.
    #[napi(catch_unwind, ts_return_type = "bigint | null | NativeFailure")]
    pub fn last_seen(&self, sender: u32) -> Outcome<Option<BigInt>> {
        self.watermark
            .look(|marks| marks.last_seen(MemberId::new(sender)).map(|id| BigInt::from(id.number())))
    }

    /// The highest message of each sender.
    #[napi(catch_unwind, ts_return_type = "Array<NativeMark> | NativeFailure")]
    pub fn entries(&self) -> Outcome<Vec<NativeMark>> {
        self.watermark.look(|marks| marks.iter().map(NativeMark::from).collect())
    }

    /// How many senders are known.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn size(&self) -> Outcome<u32> {
        self.watermark.look(|marks| u32::try_from(marks.len()).unwrap_or(u32::MAX))
    }

    /// Forgets everything.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn clear(&self) -> Outcome<()> {
        self.watermark.with(|marks| {
            marks.clear();
            Ok(())
        })
    }

    /// Lets go of everything.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.watermark.close();
    }
}

#[napi]
impl NativeCut {
    /// An attachment of this size and digest.
    #[napi(catch_unwind, ts_return_type = "NativeCut | NativeFailure")]
    pub fn create(options: NativeCutOptions, size: BigInt, sum: Uint8Array) -> Outcome<NativeCut> {
        outcome(guarded(|| cut(&options, unsigned(&size)?, digest(&sum)?)))
    }

    /// The same of data that is at hand.
    #[napi(catch_unwind, ts_return_type = "NativeCut | NativeFailure | Promise<NativeCut | NativeFailure>")]
    pub fn of<'env>(
        env: &'env Env,
        options: NativeCutOptions,
        data: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeCut>> {
        let work = move || {
            let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
            cut(&options, size, digest_of(&data))
        };
        elsewhere(env, Cancelled::by(cancellation), work, |cut| cut)
    }

    /// What is sent first.
    #[napi(catch_unwind)]
    pub fn manifest(&self) -> NativeManifest {
        self.cut.manifest().clone().into()
    }

    /// Where a piece lies in the data.
    #[napi(catch_unwind)]
    pub fn range(&self, index: u32) -> Option<NativeRange> {
        let range = self.cut.range(index)?;
        Some(NativeRange { start: range.start.into(), end: range.end.into() })
    }
}

fn value<T>(found: Outcome<T>) -> Result<T, NativeFailure> {
    match found {
        Either::A(value) => Ok(value),
        Either::B(failure) => Err(failure),
    }
}

fn cut(options: &NativeCutOptions, size: u64, sum: Digest) -> Result<NativeCut, NativeFailure> {
    let label = Label { filename: &options.filename, mime_type: &options.mime_type };
    let id = AttachmentId::new(unsigned(&options.id)?);
    Ok(NativeCut { cut: Cut::new(id, label, (size, sum), options.length)? })
}

pub(super) fn size(history: &History) -> Vec<u32> {
    [history.len(), history.bytes()].map(|size| u32::try_from(size).unwrap_or(u32::MAX)).to_vec()
}

pub(crate) fn after(
    history: &History,
    position: Option<&BigInt>,
    limit: u32,
) -> Result<Vec<NativeKept>, NativeFailure> {
    let position = position.map(unsigned).transpose()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(history.after(position).take(limit).map(NativeKept::from).collect())
}

/// Of what comes behind a position, that which the watermark does not reach.
pub(super) fn since(
    history: &History,
    seen: &NativeWatermark,
    position: Option<&BigInt>,
    limit: u32,
) -> Result<Vec<NativeKept>, NativeFailure> {
    let position = position.map(unsigned).transpose()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = seen.watermark.look(|marks| {
        let behind = history.since(marks).filter(|kept| position.is_none_or(|place| kept.position > place));
        behind.take(limit).map(NativeKept::from).collect()
    });
    value(found)
}

/// Of what comes behind a position, a sender's messages above a number.
pub(super) fn since_for_sender(
    history: &History,
    (sender, id): (u32, &BigInt),
    position: Option<&BigInt>,
    limit: u32,
) -> Result<Vec<NativeKept>, NativeFailure> {
    let position = position.map(unsigned).transpose()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = history.since_for_sender(MemberId::new(sender), MessageId::new(unsigned(id)?));
    let behind = found.filter(|kept| position.is_none_or(|place| kept.position > place));
    Ok(behind.take(limit).map(NativeKept::from).collect())
}

pub(super) fn find(history: &History, sender: u32, id: &BigInt) -> Result<Option<NativeKept>, NativeFailure> {
    let kept = history.find(MemberId::new(sender), MessageId::new(unsigned(id)?));
    Ok(kept.map(NativeKept::from))
}
