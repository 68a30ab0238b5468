//! Media frames across the boundary.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use coterie_crypto::Secret;
use coterie_mls::Group;
use coterie_sframe::{
    Dialect, EpochKey, Exporter, Incoming, Media, MediaError, MediaOptions, OpenError, Opened, Outgoing,
    Protection, Sender, SenderOptions, Suite, danger,
};
use coterie_stack::GroupNode;
use coterie_store::CounterKeeper;
use coterie_types::{Code, Duration, Epoch, ErrorCode, LeafIndex};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either, Unknown, spawn_blocking};
use napi_derive::napi;

use crate::answer::{Answer, NativeCancellation, by_itself, guarded};
use crate::arguments::{duration, invalid, timestamp, unsigned, unsigned16};
use crate::bound::{Arguments, Lent, bound, exact, with_room};
use crate::bytes::Uint8Array;
use crate::device::NativeDevice;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::group::NativeGroup;

/// What a session and its peers have agreed on, and how this member uses it.
#[napi(object, object_to_js = false)]
pub struct NativeSframeOptions {
    /// The suite's number in the registry.
    pub suite: u32,
    /// Whether frames are those of RFC 9605 to the letter.
    pub is_rfc9605: bool,
    /// Whether tags that can be guessed are accepted.
    pub short_tags: bool,
    /// The exporter's label, where it is not the dialect's own.
    pub label: Option<String>,
    /// For how long frames of the previous epoch are taken, in milliseconds.
    pub grace: f64,
    /// Whether the session goes on with its group.
    pub follows: bool,
}

impl NativeSframeOptions {
    fn protection(&self) -> Result<Protection, NativeFailure> {
        let suite = Suite::from_number(unsigned16(self.suite)?).ok_or_else(|| invalid("no such suite"))?;
        let dialect = if self.is_rfc9605 { Dialect::Rfc9605 } else { Dialect::Gbp };
        let short = self.short_tags && suite.has_short_tags();
        Ok(if short { danger::short_tags(suite, dialect) } else { Protection::new(suite, dialect)? })
    }
}

/// Media that go on with their group, told by whichever thread the group moves on.
#[derive(Default)]
pub(crate) struct Followers(Mutex<Vec<Follower>>);

struct Follower {
    media: Weak<Media>,
    protection: Protection,
    label: Option<String>,
}

impl Followers {
    fn add(&self, follower: Follower) {
        let mut followers = self.lock();
        followers.retain(|follower| follower.media.strong_count() > 0);
        followers.push(follower);
    }

    /// The group is in another epoch.
    pub(crate) fn follow(&self, group: &mut impl Keys) {
        for Follower { media, protection, label } in &*self.lock() {
            let Some(media) = media.upgrade() else { continue };
            let key = epoch_key(group, *protection, label.as_deref());
            // What has no key of this epoch cannot go on: it says so when it is used.
            if key.and_then(|key| Ok(media.follow(key)?)).is_err() {
                media.remove();
            }
        }
    }

    /// This member is not in the group any more.
    pub(crate) fn remove(&self) {
        self.lock()
            .drain(..)
            .filter_map(|follower| follower.media.upgrade())
            .for_each(|media| media.remove());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Follower>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has keys for media: a group, or a node that owns one.
pub(crate) trait Keys {
    /// The epoch whose keys it has.
    fn epoch(&self) -> Epoch;
    /// One of them.
    fn export(&mut self, exporter: &Exporter) -> Result<Vec<u8>, NativeFailure>;
    /// Whether it was put back with its store.
    fn is_restored(&mut self) -> Result<bool, NativeFailure>;
    /// The counters of its device.
    fn counters(&self) -> &Arc<CounterKeeper>;
}

impl Keys for Group {
    fn epoch(&self) -> Epoch {
        self.epoch()
    }

    fn export(&mut self, Exporter { label, context, length }: &Exporter) -> Result<Vec<u8>, NativeFailure> {
        Ok(self.export_secret(label, context, *length)?)
    }

    fn is_restored(&mut self) -> Result<bool, NativeFailure> {
        Ok(Group::is_restored(self)?)
    }

    fn counters(&self) -> &Arc<CounterKeeper> {
        self.counters()
    }
}

impl Keys for GroupNode {
    fn epoch(&self) -> Epoch {
        self.keyed_epoch()
    }

    fn export(&mut self, Exporter { label, context, length }: &Exporter) -> Result<Vec<u8>, NativeFailure> {
        Ok(self.export_secret(label, context, *length)?)
    }

    fn is_restored(&mut self) -> Result<bool, NativeFailure> {
        Ok(GroupNode::is_restored(self)?)
    }

    fn counters(&self) -> &Arc<CounterKeeper> {
        self.counters()
    }
}

/// What is asked of a session, read.
pub(crate) struct Wanted {
    protection: Protection,
    label: Option<String>,
    grace: Duration,
    follows: bool,
}

impl Wanted {
    pub(crate) fn parse(options: NativeSframeOptions) -> Result<Self, NativeFailure> {
        let protection = options.protection()?;
        let NativeSframeOptions { label, grace, follows, .. } = options;
        Ok(Self { protection, label, grace: duration(grace), follows })
    }

    /// Media in the present epoch of `group`, whose `followers` are told when it is in another.
    pub(crate) fn begin(
        self,
        group: &mut impl Keys,
        followers: &Followers,
    ) -> Result<Arc<Media>, NativeFailure> {
        let Self { protection, label, grace, follows } = self;
        let key = epoch_key(group, protection, label.as_deref())?;
        let options = MediaOptions { grace, is_foreign: false, is_restored: group.is_restored()? };
        let media = Arc::new(Media::new(Arc::clone(group.counters()), key, options));
        if follows {
            followers.add(Follower { media: Arc::downgrade(&media), protection, label });
        }
        Ok(media)
    }
}

fn epoch_key(
    group: &mut impl Keys,
    protection: Protection,
    label: Option<&str>,
) -> Result<EpochKey, NativeFailure> {
    let epoch = group.epoch();
    let base_key = group.export(&protection.exporter(label, epoch))?;
    Ok(EpochKey::new(protection, epoch, &Secret::new(base_key))?)
}

#[napi]
impl NativeGroup {
    /// Begins a session of this group's media.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSframeSession | NativeFailure | Promise<NativeSframeSession | NativeFailure>"
    )]
    pub fn sframe_session<'env>(
        &self,
        env: &'env Env,
        options: NativeSframeOptions,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeSframeSession>> {
        let wanted = match Wanted::parse(options) {
            Ok(wanted) => wanted,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let view = Arc::clone(&self.view);
        let work = move |group: &mut Group| wanted.begin(group, &view.followers);
        self.quickly(env, true, cancellation, work, NativeSframeSession::new)
    }
}

#[napi]
impl NativeDevice {
    /// Begins a session under a base key of the caller's.
    #[napi(catch_unwind, ts_return_type = "NativeSframeSession | NativeFailure")]
    pub fn sframe_session(
        &self,
        base_key: Uint8Array,
        epoch: BigInt,
        options: NativeSframeOptions,
    ) -> Outcome<NativeSframeSession> {
        outcome(guarded(|| {
            let epoch = Epoch::new(unsigned(&epoch)?);
            let base_key = Secret::new(base_key.into());
            let key = EpochKey::new(options.protection()?, epoch, &base_key)?;
            let grace = duration(options.grace);
            let options = MediaOptions { grace, is_foreign: true, is_restored: false };
            let media = Media::new(Arc::clone(self.device.counters()), key, options);
            Ok(NativeSframeSession { media: Arc::new(media) })
        }))
    }
}

/// A member's media.
#[napi]
pub struct NativeSframeSession {
    media: Arc<Media>,
}

impl NativeSframeSession {
    pub(crate) fn new(media: Arc<Media>) -> Self {
        Self { media }
    }
}

#[napi]
impl NativeSframeSession {
    /// The newest epoch whose keys are there.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn epoch(&self) -> Outcome<BigInt> {
        outcome(self.media.epoch().map(|epoch| epoch.number().into()))
    }

    /// What seals frames of one leaf.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSframeEncryptor | NativeFailure | Promise<NativeSframeEncryptor | NativeFailure>"
    )]
    pub fn encryptor<'env>(
        &self,
        env: &'env Env,
        leaf: u32,
        context: u32,
        first_counter: Option<BigInt>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeSframeEncryptor>> {
        let first_counter = match first_counter.as_ref().map(unsigned).transpose() {
            Ok(first_counter) => first_counter,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let options = SenderOptions { leaf: LeafIndex::new(leaf), context, first_counter };
        let media = Arc::clone(&self.media);
        let quick = media.is_volatile();
        let work = move || Ok(media.sender(options)?);
        by_itself(env, quick, cancellation, work, NativeSframeEncryptor::new)
    }

    /// What opens one frame.
    #[napi(
        catch_unwind,
        ts_return_type = "(payload: Uint8Array, out: Uint8Array, now: number, report?: BigUint64Array, metadata?: Uint8Array) => number | NativeFailure"
    )]
    pub fn opener<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        bound(env, Arc::clone(&self.media), open)
    }

    /// What opens several frames.
    #[napi(
        catch_unwind,
        ts_return_type = "(payloads: Uint8Array, lengths: Uint32Array, out: Uint8Array, outLengths: Uint32Array, leaves: Int32Array, now: number, report?: BigUint64Array, metadata?: Uint8Array, metadataLengths?: Uint32Array) => number | NativeFailure"
    )]
    pub fn batch_opener<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        bound(env, Arc::clone(&self.media), open_all)
    }

    /// Wipes the keys of the previous epoch if their time is over.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn forget_past(&self, now: f64) -> Outcome<()> {
        outcome(self.media.receive(timestamp(now), |_| ()))
    }

    /// Wipes every key.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.media.close();
    }
}

/// The sending side of one leaf.
#[napi]
pub struct NativeSframeEncryptor {
    sender: Arc<Sender>,
}

impl NativeSframeEncryptor {
    fn new(sender: Arc<Sender>) -> Self {
        Self { sender }
    }
}

#[napi]
impl NativeSframeEncryptor {
    /// Whose frames it seals.
    #[napi(getter)]
    pub fn leaf(&self) -> u32 {
        self.sender.leaf().number()
    }

    /// The key id in every frame's header.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn key_id(&self) -> Outcome<BigInt> {
        outcome(self.sender.key_id().map(|key_id| key_id.number().into()))
    }

    /// The next frame's counter.
    #[napi(catch_unwind, ts_return_type = "bigint | null | NativeFailure")]
    pub fn counter(&self) -> Outcome<Option<BigInt>> {
        outcome(self.sender.counter().map(|counter| counter.map(BigInt::from)))
    }

    /// How many frames can be sealed before the store is asked.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn remaining(&self) -> Outcome<BigInt> {
        outcome(self.sender.remaining().map(BigInt::from))
    }

    /// What sealing adds at most.
    #[napi(catch_unwind, ts_return_type = "number | NativeFailure")]
    pub fn overhead(&self) -> Outcome<u32> {
        outcome(self.sender.overhead().map(|overhead| u32::try_from(overhead).unwrap_or(u32::MAX)))
    }

    /// What seals one frame.
    #[napi(
        catch_unwind,
        ts_return_type = "(plaintext: Uint8Array, out: Uint8Array, metadata?: Uint8Array) => number | NativeFailure"
    )]
    pub fn sealer<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        bound(env, Arc::clone(&self.sender), seal)
    }

    /// What seals several frames.
    #[napi(
        catch_unwind,
        ts_return_type = "(plaintexts: Uint8Array, lengths: Uint32Array, out: Uint8Array, outLengths: Uint32Array, metadata?: Uint8Array, metadataLengths?: Uint32Array) => number | NativeFailure"
    )]
    pub fn batch_sealer<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        bound(env, Arc::clone(&self.sender), seal_all)
    }

    /// Wipes the key.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.sender.close();
    }
}

/// Why frames of a batch are refused: the first stands as -1 among the leaves, the second as -2, and so on.
const REFUSALS: [Code; 7] = [
    Code::INTERNAL,
    Code::SFRAME_MALFORMED,
    Code::SFRAME_UNKNOWN_KEY_ID,
    Code::SFRAME_REPLAY,
    Code::SFRAME_NOT_AUTHENTIC,
    Code::SFRAME_TOO_MANY_SENDERS,
    Code::SFRAME_TOO_MANY_FORGERIES,
];

/// What the refusals among a batch's leaves mean, in the order of their numbers.
#[napi]
pub fn sframe_refusals() -> Vec<NativeFailure> {
    REFUSALS.into_iter().map(NativeFailure::of).collect()
}

fn seal(sender: &Arc<Sender>, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let plaintext = arguments.array(0, "plaintext")?;
    let out = arguments.array(1, "out")?;
    let metadata = arguments.optional_array(2, "metadata")?.unwrap_or(Lent::none());
    let sealed = with_room(plaintext, metadata, out, |plaintext, metadata, out| {
        sender.encrypt_into(plaintext, metadata, out)
    });
    top_up(sender);
    Ok(exact(sealed?))
}

fn seal_all(sender: &Arc<Sender>, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let plaintexts = arguments.array(0, "plaintexts")?;
    let lengths = arguments.array::<u32>(1, "lengths")?.to_vec();
    let out = arguments.array(2, "out")?;
    let out_lengths = arguments.array::<u32>(3, "outLengths")?;
    let metadata = Metadata::read(arguments, 4, lengths.len())?;
    if out_lengths.len() < lengths.len() {
        return Err(invalid("outLengths must have a place for each frame"));
    }
    let mut written = vec![0; lengths.len()];
    let sealed = with_room(plaintexts, metadata.bytes, out, |plaintexts, bytes, out| {
        let plaintexts = parts(plaintexts, &lengths, "lengths")?;
        let metadata = metadata.split(bytes)?;
        let frames: Vec<Outgoing<'_>> =
            plaintexts.zip(metadata).map(|(plaintext, metadata)| Outgoing { plaintext, metadata }).collect();
        Ok::<_, NativeFailure>(sender.encrypt_all(&frames, out, &mut written)?)
    });
    top_up(sender);
    let sealed = sealed?;
    for (index, length) in written.into_iter().enumerate() {
        out_lengths.put(index, u32::try_from(length).unwrap_or(u32::MAX));
    }
    Ok(exact(sealed))
}

/// Lets another thread ask the store before a frame has to.
fn top_up(sender: &Arc<Sender>) {
    if sender.wants_reservation() {
        let sender = Arc::clone(sender);
        // A failure is met again, and reported, by the frame that finds no counter.
        spawn_blocking(move || drop(sender.reserve()));
    }
}

fn open(media: &Arc<Media>, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let payload = arguments.array(0, "payload")?;
    let out = arguments.array(1, "out")?;
    let now = timestamp(arguments.number(2, "now")?);
    let report = arguments.optional_array(3, "report")?.unwrap_or(Lent::none());
    let metadata = arguments.optional_array(4, "metadata")?.unwrap_or(Lent::none());
    let opened = with_room(payload, metadata, out, |payload, metadata, out| {
        media.receive(now, |session| session.decrypt_into(payload, metadata, out, now))
    });
    let opened = opened?.map_err(MediaError::from)?;
    describe(&opened, report, 0);
    Ok(result(&opened))
}

fn open_all(media: &Arc<Media>, arguments: &Arguments) -> Result<f64, NativeFailure> {
    let payloads = arguments.array(0, "payloads")?;
    let lengths = arguments.array::<u32>(1, "lengths")?.to_vec();
    let out = arguments.array(2, "out")?;
    let out_lengths = arguments.array::<u32>(3, "outLengths")?;
    let leaves = arguments.array::<i32>(4, "leaves")?;
    let now = timestamp(arguments.number(5, "now")?);
    let report = arguments.optional_array(6, "report")?.unwrap_or(Lent::none());
    let metadata = Metadata::read(arguments, 7, lengths.len())?;
    if out.len() < payloads.len() {
        return Err(invalid("out must have as many bytes as payloads"));
    }
    if out_lengths.len().min(leaves.len()) < lengths.len() {
        return Err(invalid("outLengths and leaves must have a place for each frame"));
    }
    let mut opened = Vec::with_capacity(lengths.len());
    with_room(payloads, metadata.bytes, out, |payloads, bytes, out| {
        let payloads = parts(payloads, &lengths, "lengths")?;
        let metadata = metadata.split(bytes)?;
        let frames: Vec<Incoming<'_>> =
            payloads.zip(metadata).map(|(payload, metadata)| Incoming { payload, metadata }).collect();
        Ok::<_, NativeFailure>(
            media.receive(now, |session| session.decrypt_all(&frames, out, &mut opened, now))?,
        )
    })?;
    for (index, opened) in opened.iter().enumerate() {
        let length = opened.as_ref().map_or(0, |opened| opened.plaintext.len());
        out_lengths.put(index, u32::try_from(length).unwrap_or(u32::MAX));
        leaves.put(index, opened.as_ref().map_or_else(refusal, leaf));
        if let Ok(opened) = opened {
            describe(opened, report, index);
        }
    }
    Ok(exact(opened.iter().filter(|opened| opened.is_ok()).count()))
}

/// What is authenticated with each frame of a batch: one for all, or one for each behind the other.
struct Metadata {
    bytes: Lent<u8>,
    lengths: Option<Vec<u32>>,
    frames: usize,
}

impl Metadata {
    fn read(arguments: &Arguments, index: usize, frames: usize) -> Result<Self, NativeFailure> {
        let bytes = arguments.optional_array(index, "metadata")?.unwrap_or(Lent::none());
        let lengths = arguments.optional_array::<u32>(index.saturating_add(1), "metadataLengths")?;
        let lengths = lengths.map(Lent::to_vec);
        if lengths.as_ref().is_some_and(|lengths| lengths.len() != frames) {
            return Err(invalid("metadataLengths must have one for each frame"));
        }
        Ok(Self { bytes, lengths, frames })
    }

    fn split<'bytes>(
        &'bytes self,
        bytes: &'bytes [u8],
    ) -> Result<impl Iterator<Item = &'bytes [u8]>, NativeFailure> {
        let each = self.lengths.as_deref().map(|lengths| parts(bytes, lengths, "metadataLengths"));
        let shared = if each.is_some() { 0 } else { self.frames };
        let each = each.transpose()?.into_iter().flatten();
        Ok(each.chain(std::iter::repeat_n(bytes, shared)))
    }
}

/// The parts of `bytes`, which they make up.
fn parts<'bytes>(
    bytes: &'bytes [u8],
    lengths: &'bytes [u32],
    name: &str,
) -> Result<impl Iterator<Item = &'bytes [u8]>, NativeFailure> {
    let sum = lengths.iter().fold(0_u64, |sum, length| sum.saturating_add(u64::from(*length)));
    if u64::try_from(bytes.len()) != Ok(sum) {
        return Err(invalid(&format!("{name} must add up to the bytes that they divide")));
    }
    let mut rest = bytes;
    Ok(lengths.iter().map(move |length| {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        part
    }))
}

/// The plaintext's length, and the leaf above it.
fn result(opened: &Opened) -> f64 {
    let length = exact(opened.plaintext.len());
    f64::from(opened.leaf.number()).mul_add(4_294_967_296.0, length)
}

/// A leaf has 16 bits in a key id.
fn leaf(opened: &Opened) -> i32 {
    i32::try_from(opened.leaf.number()).unwrap_or(i32::MAX)
}

fn refusal(error: &OpenError) -> i32 {
    let code = error.code().as_str();
    let numbered = REFUSALS.iter().zip(1..).find(|(refusal, _)| refusal.as_str() == code);
    numbered.map_or(-1, |(_, number): (_, i32)| number.saturating_neg())
}

/// Key id, counter and epoch, for who wants to know.
fn describe(opened: &Opened, report: Lent<u64>, index: usize) {
    let start = index.saturating_mul(3);
    let said = [opened.key_id.number(), opened.counter, opened.epoch.number()];
    for (place, number) in (start..).zip(said) {
        report.put(place, number);
    }
}
