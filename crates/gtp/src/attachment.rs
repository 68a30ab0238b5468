//! Attachments that are being received.
//!
//! Nothing is allocated because a manifest says so: what is held is what came, within bounds by sender and in total.
//! At a bound a piece is refused and nothing changes, so that whoever feeds us stops reading or takes pieces out
//! ([`Attachments::take_out`]) and hands the piece in again. What was taken out is only counted here. Pieces that overtake their
//! manifest wait for it, within bounds of their own.

use std::collections::BTreeMap;

use coterie_seen::StateError;
use coterie_types::{MemberId, Timestamp};
use coterie_wire::payload::{AttachmentId, Chunk, Manifest};

use crate::error::AttachmentError;
use crate::limits::{
    ATTACHMENT_TIMEOUT, DEFAULT_ATTACHMENT, MAX_ATTACHMENTS, MAX_ATTACHMENTS_OF_SENDER, MAX_CHUNKS,
    MAX_EARLY, MAX_EARLY_OF_SENDER, MAX_HELD, MAX_HELD_OF_SENDER, PIECE_OVERHEAD,
};

/// Whose attachment, and which.
pub type AttachmentKey = (MemberId, AttachmentId);

/// Attachments that are being received.
#[derive(Clone, Debug)]
pub struct Attachments {
    largest: u64,
    incoming: BTreeMap<AttachmentKey, Incoming>,
    held: usize,
    early: BTreeMap<(AttachmentKey, u32), Early>,
}

/// A piece whose manifest has not come.
#[derive(Clone, Debug)]
pub(crate) struct Early {
    pub(crate) chunk: Chunk,
    pub(crate) came: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) manifest: Manifest,
    pub(crate) there: Places,
    pub(crate) bytes: u64,
    pub(crate) touched: Timestamp,
    pub(crate) held: BTreeMap<u32, Vec<u8>>,
    room: usize,
}

/// Which pieces came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Places {
    bits: Vec<u8>,
    count: u32,
}

/// How far an attachment is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Which attachment.
    pub key: AttachmentKey,
    /// The piece that came last, if one came.
    pub piece: Option<u32>,
    /// Whether it is the first time that this manifest or piece came.
    pub fresh: bool,
    /// Pieces that are there.
    pub received: u32,
    /// Pieces of the whole.
    pub total: u32,
    /// Bytes that are there.
    pub bytes: u64,
}

/// A piece of a complete attachment, in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// It is held here.
    Held(&'a [u8]),
    /// It was taken out: whoever took it has it.
    TakenOut(u32),
}

/// A piece that was taken out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakenOut {
    /// Of which attachment.
    pub key: AttachmentKey,
    /// Its place.
    pub index: u32,
    /// The piece.
    pub data: Vec<u8>,
}

impl Progress {
    /// Whether every piece is there.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.received == self.total
    }
}

impl Default for Attachments {
    fn default() -> Self {
        Self::new(DEFAULT_ATTACHMENT)
    }
}

impl Attachments {
    /// No attachments, none of which will have more than `largest` bytes.
    #[must_use]
    pub const fn new(largest: u64) -> Self {
        Self { largest, incoming: BTreeMap::new(), held: 0, early: BTreeMap::new() }
    }

    /// Expects the attachment that a manifest describes, and takes its pieces that overtook it, which are held then; those that
    /// do not fit it are dropped. The same manifest again changes nothing.
    ///
    /// # Errors
    /// When it is too large, there is no room, or the sender has announced another attachment under its number.
    pub fn offer(
        &mut self,
        sender: MemberId,
        manifest: Manifest,
        now: Timestamp,
    ) -> Result<Progress, AttachmentError> {
        let key = (sender, manifest.id());
        if let Some(known) = self.incoming.get(&key) {
            let same = known.manifest == manifest;
            return if same { Ok(known.progress(key, None, false)) } else { Err(AttachmentError::Integrity) };
        }
        if manifest.size() > self.largest || manifest.chunks() > MAX_CHUNKS {
            return Err(AttachmentError::TooLarge);
        }
        if self.incoming.len() >= MAX_ATTACHMENTS || self.of(sender).count() >= MAX_ATTACHMENTS_OF_SENDER {
            return Err(AttachmentError::Full);
        }
        self.incoming.insert(key, Incoming::new(manifest, now));
        for Early { chunk, came } in self.drop_early(key) {
            // Refused alone, a piece is dropped alone.
            let _ = self.take(sender, chunk, came);
        }
        let incoming = self.incoming.get(&key).ok_or(AttachmentError::Unknown)?;
        Ok(incoming.progress(key, None, true))
    }

    /// Takes a piece. One whose place is taken changes nothing: the first stays. One whose manifest has not come waits for it,
    /// and counts as nothing received until then.
    ///
    /// # Errors
    /// When it does not fit, or there is no room; then it may be handed in again.
    pub fn take(
        &mut self,
        sender: MemberId,
        chunk: Chunk,
        now: Timestamp,
    ) -> Result<Progress, AttachmentError> {
        let key = (sender, chunk.id());
        let room = self.room(sender);
        let Some(incoming) = self.incoming.get_mut(&key) else { return self.take_early(key, chunk, now) };
        let cost = cost(chunk.data());
        let (index, bytes) = (chunk.index(), incoming.check(&chunk)?);
        if incoming.there.contains(index) {
            return Ok(incoming.progress(key, Some(index), false));
        }
        if cost > room {
            return Err(AttachmentError::Full);
        }
        incoming.there.insert(index);
        incoming.hold(index, chunk.into_data());
        incoming.bytes = bytes;
        incoming.touched = now;
        self.held = self.held.saturating_add(cost);
        Ok(incoming.progress(key, Some(index), true))
    }

    fn take_early(
        &mut self,
        key: AttachmentKey,
        chunk: Chunk,
        now: Timestamp,
    ) -> Result<Progress, AttachmentError> {
        let (index, total) = (chunk.index(), chunk.chunks());
        if index >= total || total > MAX_CHUNKS {
            return Err(AttachmentError::Integrity);
        }
        let fresh = !self.early.contains_key(&(key, index));
        if fresh && cost(chunk.data()) > self.early_room(key.0) {
            return Err(AttachmentError::Full);
        }
        self.early.entry((key, index)).or_insert(Early { chunk, came: now });
        Ok(Progress { key, piece: Some(index), fresh, received: 0, total, bytes: 0 })
    }

    fn early_room(&self, sender: MemberId) -> usize {
        let costs = |of: Option<MemberId>| {
            let pieces = self.early.iter().filter(move |((key, _), _)| of.is_none_or(|of| key.0 == of));
            pieces.map(|(_, early)| cost(early.chunk.data())).fold(0, usize::saturating_add)
        };
        let of_sender = MAX_EARLY_OF_SENDER.saturating_sub(costs(Some(sender)));
        MAX_EARLY.saturating_sub(costs(None)).min(of_sender)
    }

    /// Lets go of the pieces of an attachment that came before its manifest.
    pub(crate) fn drop_early(&mut self, key: AttachmentKey) -> Vec<Early> {
        let places: Vec<_> = self.early_of(key).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.early.remove(&place)).collect()
    }

    pub(crate) fn early_of(
        &self,
        key: AttachmentKey,
    ) -> impl Iterator<Item = (&(AttachmentKey, u32), &Early)> {
        self.early.range((key, 0)..=(key, u32::MAX))
    }

    pub(crate) fn early(&self) -> impl Iterator<Item = (&(AttachmentKey, u32), &Early)> {
        self.early.iter()
    }

    /// Ends what has waited too long for its manifest.
    pub(crate) fn expire_early(&mut self, now: Timestamp) -> Vec<(AttachmentKey, u32)> {
        let over = |early: &Early| early.came + ATTACHMENT_TIMEOUT <= now;
        let late: Vec<_> =
            self.early.iter().filter(|(_, early)| over(early)).map(|(place, _)| *place).collect();
        late.into_iter().filter(|place| self.early.remove(place).is_some()).collect()
    }

    /// Hands out a piece that is held, to be kept by the caller.
    pub fn take_out(&mut self, key: AttachmentKey, index: u32) -> Option<TakenOut> {
        let incoming = self.incoming.get_mut(&key)?;
        let data = incoming.held.remove(&index)?;
        incoming.room = incoming.room.saturating_sub(cost(&data));
        self.held = self.held.saturating_sub(cost(&data));
        Some(TakenOut { key, index, data })
    }

    /// Hands out any piece that is held of this sender, or of anybody.
    pub fn take_any_out(&mut self, sender: Option<MemberId>) -> Option<TakenOut> {
        let mut candidates = self.incoming.iter().filter(|(key, _)| sender.is_none_or(|who| key.0 == who));
        let found = candidates.find_map(|(key, one)| Some((*key, *one.held.keys().next()?)));
        found.and_then(|(key, index)| self.take_out(key, index))
    }

    /// The pieces of a complete attachment, in order.
    ///
    /// # Errors
    /// When there is no such attachment, or pieces are missing.
    pub fn pieces(&self, key: AttachmentKey) -> Result<impl Iterator<Item = Piece<'_>>, AttachmentError> {
        let incoming = self.incoming.get(&key).ok_or(AttachmentError::Unknown)?;
        let progress = incoming.progress(key, None, false);
        if !progress.is_complete() {
            let Progress { received, total, .. } = progress;
            return Err(AttachmentError::Incomplete { received, total });
        }
        Ok((0..progress.total).map(|index| match incoming.held.get(&index) {
            Some(data) => Piece::Held(data),
            None => Piece::TakenOut(index),
        }))
    }

    /// The whole of an attachment, all of whose pieces are held here, once it has the announced size and digest.
    ///
    /// # Errors
    /// When pieces are missing or were taken out, or the whole is not what was announced.
    pub fn assemble(&self, key: AttachmentKey) -> Result<Vec<u8>, AttachmentError> {
        let mut check = self.check(key)?;
        let mut whole = Vec::new();
        for piece in self.pieces(key)? {
            match piece {
                Piece::Held(data) => {
                    check.update(data);
                    whole.extend_from_slice(data);
                }
                Piece::TakenOut(index) => return Err(AttachmentError::TakenOut(index)),
            }
        }
        check.finish()?;
        Ok(whole)
    }

    /// What compares pieces, handed in order, with what was announced.
    ///
    /// # Errors
    /// When there is no such attachment.
    pub fn check(&self, key: AttachmentKey) -> Result<crate::IntegrityCheck, AttachmentError> {
        let incoming = self.incoming.get(&key).ok_or(AttachmentError::Unknown)?;
        Ok(crate::IntegrityCheck::new(&incoming.manifest))
    }

    /// Ends an attachment, complete or not; false where there is none.
    pub fn forget(&mut self, key: AttachmentKey) -> bool {
        let Some(gone) = self.incoming.remove(&key) else { return false };
        self.held = self.held.saturating_sub(gone.room);
        true
    }

    /// When the next attachment ends for lack of pieces.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let early = self.early.values().map(|early| early.came);
        let touched = self.incoming.values().map(|one| one.touched);
        touched.chain(early).min().map(|moment| moment + ATTACHMENT_TIMEOUT)
    }

    /// Ends what has waited too long.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<AttachmentKey> {
        let over = |one: &Incoming| one.touched + ATTACHMENT_TIMEOUT <= now;
        let late: Vec<_> = self.incoming.iter().filter(|(_, one)| over(one)).map(|(key, _)| *key).collect();
        late.into_iter().filter(|key| self.forget(*key)).collect()
    }

    /// The manifest of an attachment under way.
    #[must_use]
    pub fn manifest(&self, key: AttachmentKey) -> Option<&Manifest> {
        self.incoming.get(&key).map(|one| &one.manifest)
    }

    /// How far an attachment is.
    #[must_use]
    pub fn progress(&self, key: AttachmentKey) -> Option<Progress> {
        self.incoming.get(&key).map(|one| one.progress(key, None, false))
    }

    /// What is under way.
    pub fn keys(&self) -> impl Iterator<Item = AttachmentKey> {
        self.incoming.keys().copied()
    }

    /// Bytes of all pieces that are held, and what holding them takes beside.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// The same of one sender.
    #[must_use]
    pub fn held_of(&self, sender: MemberId) -> usize {
        self.of(sender).map(|one| one.room).fold(0, usize::saturating_add)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&AttachmentKey, &Incoming)> {
        self.incoming.iter()
    }

    pub(crate) fn entry(&self, key: AttachmentKey) -> Option<&Incoming> {
        self.incoming.get(&key)
    }

    /// Puts back an attachment, without the pieces that were held.
    pub(crate) fn put(&mut self, sender: MemberId, incoming: Incoming) -> Result<(), StateError> {
        let key = (sender, incoming.manifest.id());
        let room =
            self.incoming.len() < MAX_ATTACHMENTS && self.of(sender).count() < MAX_ATTACHMENTS_OF_SENDER;
        if !room || !incoming.is_possible() || self.incoming.contains_key(&key) {
            return Err(StateError::Contradiction);
        }
        self.incoming.insert(key, incoming);
        Ok(())
    }

    /// Puts back a piece that was held.
    pub(crate) fn put_piece(
        &mut self,
        key: AttachmentKey,
        index: u32,
        data: &[u8],
    ) -> Result<(), StateError> {
        let room = self.room(key.0);
        let incoming = self.incoming.get_mut(&key).ok_or(StateError::Contradiction)?;
        let within = incoming.held_data().saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        let known = incoming.there.contains(index) && !incoming.held.contains_key(&index);
        if !known || data.is_empty() || cost(data) > room || within > incoming.bytes {
            return Err(StateError::Contradiction);
        }
        incoming.hold(index, data.to_vec());
        self.held = self.held.saturating_add(cost(data));
        Ok(())
    }

    /// Puts back a piece that came before its manifest.
    pub(crate) fn put_early(
        &mut self,
        (sender, chunk): (MemberId, Chunk),
        came: Timestamp,
    ) -> Result<(), StateError> {
        let key = (sender, chunk.id());
        let taken = !self.incoming.contains_key(&key) && self.take_early(key, chunk, came).is_ok();
        if taken { Ok(()) } else { Err(StateError::Contradiction) }
    }

    fn of(&self, sender: MemberId) -> impl Iterator<Item = &Incoming> {
        let first = (sender, AttachmentId::new(0));
        let last = (sender, AttachmentId::new(u64::MAX));
        self.incoming.range(first..=last).map(|(_, one)| one)
    }

    fn room(&self, sender: MemberId) -> usize {
        let of_sender = MAX_HELD_OF_SENDER.saturating_sub(self.held_of(sender));
        MAX_HELD.saturating_sub(self.held).min(of_sender)
    }
}

impl Incoming {
    fn new(manifest: Manifest, now: Timestamp) -> Self {
        let there = Places::none(manifest.chunks());
        Self::restored(manifest, there, 0, now)
    }

    /// An attachment none of whose pieces is held.
    pub(crate) const fn restored(manifest: Manifest, there: Places, bytes: u64, touched: Timestamp) -> Self {
        Self { manifest, there, bytes, touched, held: BTreeMap::new(), room: 0 }
    }

    /// The bytes that are there with this piece, if it fits: the others need at least one byte each.
    fn check(&self, chunk: &Chunk) -> Result<u64, AttachmentError> {
        let (size, total) = (self.manifest.size(), self.manifest.chunks());
        if chunk.chunks() != total || chunk.index() >= total {
            return Err(AttachmentError::Integrity);
        }
        if self.there.contains(chunk.index()) {
            return Ok(self.bytes);
        }
        let length = u64::try_from(chunk.data().len()).unwrap_or(u64::MAX);
        let bytes = self.bytes.saturating_add(length);
        let missing = u64::from(total.saturating_sub(self.there.count).saturating_sub(1));
        let fits = if missing == 0 { bytes == size } else { bytes.saturating_add(missing) <= size };
        if fits { Ok(bytes) } else { Err(AttachmentError::Integrity) }
    }

    /// Whether the pieces that are said to be there can have so many bytes.
    fn is_possible(&self) -> bool {
        let (size, total, count) = (self.manifest.size(), self.manifest.chunks(), self.there.count);
        let missing = u64::from(total.saturating_sub(count));
        let bytes = match count {
            0 => self.bytes == 0,
            _ if missing == 0 => self.bytes == size,
            _ => u64::from(count) <= self.bytes && self.bytes.saturating_add(missing) <= size,
        };
        total <= MAX_CHUNKS && self.there.fits(total) && bytes
    }

    fn progress(&self, key: AttachmentKey, piece: Option<u32>, fresh: bool) -> Progress {
        let (received, total) = (self.there.count, self.manifest.chunks());
        Progress { key, piece, fresh, received, total, bytes: self.bytes }
    }

    fn hold(&mut self, index: u32, data: Vec<u8>) {
        self.room = self.room.saturating_add(cost(&data));
        self.held.insert(index, data);
    }

    /// Bytes of the pieces that are held, without what they cost beside.
    fn held_data(&self) -> u64 {
        let beside = self.held.len().saturating_mul(PIECE_OVERHEAD);
        u64::try_from(self.room.saturating_sub(beside)).unwrap_or(u64::MAX)
    }
}

/// What holding a piece takes: many small ones cost more than their bytes.
const fn cost(data: &[u8]) -> usize {
    data.len().saturating_add(PIECE_OVERHEAD)
}

impl Places {
    fn none(total: u32) -> Self {
        let length = usize::try_from(total.div_ceil(8)).unwrap_or_default();
        Self { bits: vec![0; length], count: 0 }
    }

    /// The places that these bits name.
    pub(crate) fn from_bits(bits: &[u8]) -> Self {
        let count = bits.iter().map(|byte| byte.count_ones()).fold(0, u32::saturating_add);
        Self { bits: bits.to_vec(), count }
    }

    pub(crate) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether none of them is at `total` or behind it, and there is a bit for each.
    fn fits(&self, total: u32) -> bool {
        let length = usize::try_from(total.div_ceil(8)).unwrap_or(usize::MAX);
        let beyond = total..total.saturating_add(8);
        self.bits.len() == length && !beyond.into_iter().any(|index| self.contains(index))
    }

    fn contains(&self, index: u32) -> bool {
        let (byte, mask) = Self::bit(index);
        self.bits.get(byte).is_some_and(|bits| bits & mask != 0)
    }

    fn insert(&mut self, index: u32) {
        let (byte, mask) = Self::bit(index);
        if let Some(bits) = self.bits.get_mut(byte).filter(|bits| **bits & mask == 0) {
            *bits |= mask;
            self.count = self.count.saturating_add(1);
        }
    }

    fn bit(index: u32) -> (usize, u8) {
        let byte = usize::try_from(index >> 3).unwrap_or(usize::MAX);
        (byte, 1_u8.rotate_left(index & 7))
    }
}
