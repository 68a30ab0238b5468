//! The sending side of one member in one epoch.
//!
//! Clones are handles of the same key and share its counters. A refused call uses no counter.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use coterie_crypto::counters::{CounterId, CounterRecord, Counters, END, Reservation, TakeError};

use crate::error::{SealError, SetupError};
use crate::header::KeyId;
use crate::key::FrameKey;
use crate::limits::LOW_WATER;

/// Seals frames under one key.
#[derive(Clone)]
pub struct Encryptor {
    key: Arc<FrameKey>,
    counters: Arc<Counters>,
}

/// A counter that is used up, for one frame.
#[derive(Debug)]
#[must_use = "its counter is used already"]
pub struct Counted<'encryptor> {
    encryptor: &'encryptor Encryptor,
    counter: u64,
}

/// A frame to seal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'frame> {
    /// What is encrypted.
    pub plaintext: &'frame [u8],
    /// What is authenticated with it and not sent.
    pub metadata: &'frame [u8],
}

impl Encryptor {
    pub(crate) fn new(key: FrameKey, counters: Arc<Counters>) -> Self {
        Self { key: Arc::new(key), counters }
    }

    /// The counters of a key, none of which are reserved.
    pub(crate) fn unreserved(id: CounterId) -> Counters {
        Counters::new(id, END, LOW_WATER)
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Promises the next `count` counters behind `stored`, the record that the caller's store holds for
    /// [`Self::counter_id`] now. Reading, storing the new record and [`Reservation::stored`] are one step of the
    /// caller's, in which nobody else writes the record.
    ///
    /// # Errors
    /// [`SetupError::WrongRecord`], [`SetupError::ReservationSize`], [`SetupError::ReservationPending`] or
    /// [`SetupError::Exhausted`].
    pub fn reserve(&self, stored: Option<CounterRecord>, count: u64) -> Result<Reservation, SetupError> {
        self.counters.reserve(stored, count).map_err(|error| SetupError::of(error, self.key_id()))
    }

    /// Takes the counter of one frame, for a caller whose metadata says it.
    ///
    /// # Errors
    /// [`SealError::NotReserved`] or [`SealError::Exhausted`].
    pub fn begin(&self) -> Result<Counted<'_>, SealError> {
        Ok(Counted { encryptor: self, counter: self.take(1)? })
    }

    /// Seals a frame into a new buffer of the right size.
    ///
    /// # Errors
    /// [`SealError::NotReserved`] or [`SealError::Exhausted`].
    pub fn encrypt(&self, plaintext: &[u8], metadata: &[u8]) -> Result<Vec<u8>, SealError> {
        self.begin()?.encrypt(plaintext, metadata)
    }

    /// Seals a frame into the front of `out` and answers its length. `out` has [`Self::overhead`] bytes more than the
    /// plaintext.
    ///
    /// # Errors
    /// As [`Self::encrypt`], and [`SealError::BufferTooSmall`].
    pub fn encrypt_into(
        &self,
        plaintext: &[u8],
        metadata: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        self.check_room(self.sealed_length(plaintext.len()), out)?;
        let counter = self.take(1)?;
        self.seal(counter, Outgoing { plaintext, metadata }, out)
    }

    /// Seals the plaintext that lies at `plaintext` in `buffer` and answers where the frame is now: it begins before
    /// the plaintext and ends behind it, by [`Self::overhead`] bytes together, of which up to
    /// [`crate::limits::MAX_HEADER`] come before.
    ///
    /// # Errors
    /// As [`Self::encrypt`], and [`SealError::BufferTooSmall`] where there is no room on either side.
    pub fn encrypt_in_place(
        &self,
        buffer: &mut [u8],
        plaintext: Range<usize>,
        metadata: &[u8],
    ) -> Result<Range<usize>, SealError> {
        let tag_length = self.key.tag_length();
        let before = self.overhead().saturating_sub(tag_length);
        let end = plaintext.end.saturating_add(tag_length);
        if plaintext.start < before || plaintext.start > plaintext.end || end > buffer.len() {
            let length = plaintext.len();
            return Err(SealError::BufferTooSmall { needed: self.sealed_length(length) });
        }
        let counter = self.take(1)?;
        let header = self.key.header(counter);
        let start = plaintext.start.saturating_sub(header.as_bytes().len());
        let frame = buffer.get_mut(start..end).ok_or(SealError::BufferTooSmall { needed: end })?;
        self.seal_frame(counter, header.as_bytes(), metadata, frame)?;
        Ok(start..end)
    }

    /// Seals `frames` one behind the other into `out`, under counters in a row, and answers how many bytes that took.
    /// `lengths` receives the length of each. `out` has [`Self::overhead`] bytes for each frame and their plaintexts.
    ///
    /// # Errors
    /// As [`Self::encrypt_into`]. Either all frames are sealed or no counter is used.
    pub fn encrypt_all(
        &self,
        frames: &[Outgoing<'_>],
        out: &mut [u8],
        lengths: &mut [usize],
    ) -> Result<usize, SealError> {
        if lengths.len() < frames.len() {
            return Err(SealError::BufferTooSmall { needed: frames.len() });
        }
        let needed = frames
            .iter()
            .fold(0_usize, |sum, frame| sum.saturating_add(self.sealed_length(frame.plaintext.len())));
        self.check_room(needed, out)?;
        let first = self.take(frames.len())?;
        let mut rest = out;
        let mut written = 0_usize;
        for ((frame, place), counter) in frames.iter().zip(lengths).zip(first..=u64::MAX) {
            let length = self.seal(counter, *frame, rest)?;
            *place = length;
            written = written.saturating_add(length);
            rest = rest.get_mut(length..).unwrap_or_default();
        }
        Ok(written)
    }

    /// The name under which the record of this key's counters is stored.
    #[must_use]
    pub fn counter_id(&self) -> CounterId {
        self.counters.id()
    }

    /// The key id in every frame's header.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }

    /// The counter of the next frame; none before counters are reserved, or when they are used up.
    #[must_use]
    pub fn counter(&self) -> Option<u64> {
        self.counters.next()
    }

    /// How many frames can be sealed before more counters must be reserved.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.counters.remaining()
    }

    /// Whether it is time to reserve more, so that no frame waits for the store.
    #[must_use]
    pub fn wants_reservation(&self) -> bool {
        self.counters.runs_low()
    }

    /// What sealing adds to a plaintext at most, under this key.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.key.overhead()
    }

    fn take(&self, count: usize) -> Result<u64, SealError> {
        self.counters.take(count).map_err(|error| match error {
            TakeError::NotReserved => SealError::NotReserved,
            TakeError::Exhausted => SealError::Exhausted(self.key_id()),
        })
    }

    fn sealed_length(&self, plaintext: usize) -> usize {
        plaintext.saturating_add(self.overhead())
    }

    fn check_room(&self, needed: usize, out: &[u8]) -> Result<(), SealError> {
        if out.len() < needed { Err(SealError::BufferTooSmall { needed }) } else { Ok(()) }
    }

    /// Writes the frame to the front of `out`.
    fn seal(&self, counter: u64, frame: Outgoing<'_>, out: &mut [u8]) -> Result<usize, SealError> {
        let header = self.key.header(counter);
        let header = header.as_bytes();
        let body = header.len()..header.len().saturating_add(frame.plaintext.len());
        let length = body.end.saturating_add(self.key.tag_length());
        let too_small = || SealError::BufferTooSmall { needed: length };
        let out = out.get_mut(..length).ok_or_else(too_small)?;
        out.get_mut(body).ok_or_else(too_small)?.copy_from_slice(frame.plaintext);
        self.seal_frame(counter, header, frame.metadata, out)?;
        Ok(length)
    }

    /// Completes a frame whose plaintext lies between the places of header and tag.
    fn seal_frame(
        &self,
        counter: u64,
        header: &[u8],
        metadata: &[u8],
        frame: &mut [u8],
    ) -> Result<(), SealError> {
        let needed = frame.len();
        let too_small = || SealError::BufferTooSmall { needed };
        let (front, rest) = frame.split_at_mut_checked(header.len()).ok_or_else(too_small)?;
        let body = rest.len().checked_sub(self.key.tag_length()).ok_or_else(too_small)?;
        let (body, tag) = rest.split_at_mut_checked(body).ok_or_else(too_small)?;
        front.copy_from_slice(header);
        Ok(self.key.seal(counter, header, metadata, body, tag)?)
    }
}

impl Counted<'_> {
    /// The counter.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Seals a frame under it into a new buffer of the right size.
    ///
    /// # Errors
    /// When the library below fails.
    pub fn encrypt(self, plaintext: &[u8], metadata: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut payload = vec![0; self.encryptor.sealed_length(plaintext.len())];
        let length = self.encryptor.seal(self.counter, Outgoing { plaintext, metadata }, &mut payload)?;
        payload.truncate(length);
        Ok(payload)
    }
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryptor").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}
