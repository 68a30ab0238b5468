//! The sending side of one member, from epoch to epoch, over a store.
//!
//! What is promised: a counter is used only after a record that says so is durable, and all senders of one key in one
//! device take theirs from one set. Frames do not wait for the store as long as somebody calls [`Sender::reserve`] on
//! another thread whenever [`Sender::wants_reservation`]; where nobody came in time, sealing itself reserves, and more
//! at once from then on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_store::CounterKeeper;
use coterie_types::LeafIndex;

use crate::encryptor::{Encryptor, Outgoing};
use crate::error::{MediaError, SealError};
use crate::header::KeyId;
use crate::key::EpochKey;
use crate::limits::{LARGE_RESERVATION, LOW_WATER, RESERVATION};

/// Whose frames a sender seals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SenderOptions {
    /// The member's leaf.
    pub leaf: LeafIndex,
    /// Zero but after a restored backup: see [`EpochKey::encryptor`].
    pub context: u32,
    /// Every counter before this one is given up.
    pub first_counter: Option<u64>,
}

/// Seals one member's frames.
pub struct Sender {
    keeper: Arc<CounterKeeper>,
    options: SenderOptions,
    current: Mutex<Current>,
    /// Whether somebody was told to reserve and has not done so.
    is_told: AtomicBool,
}

struct Current {
    /// Or why there is none any more.
    encryptor: Result<Encryptor, MediaError>,
    /// How many counters are reserved at once.
    block: u64,
}

impl Sender {
    pub(crate) fn new(
        keeper: Arc<CounterKeeper>,
        key: &EpochKey,
        options: SenderOptions,
    ) -> Result<Self, MediaError> {
        let encryptor = derive(&keeper, key, options)?;
        if let Some(first) = options.first_counter {
            encryptor.counters().skip_below(first);
        }
        let current = Mutex::new(Current { encryptor: Ok(encryptor), block: RESERVATION });
        Ok(Self { keeper, options, current, is_told: AtomicBool::new(false) })
    }

    /// Seals a frame into the front of `out` and answers its length. `out` has [`Self::overhead`] bytes more than the
    /// plaintext. Blocks on the store only where no counter is left.
    ///
    /// # Errors
    /// [`SealError`] and what reserving meets; none of the frame's counters was used.
    pub fn encrypt_into(
        &self,
        plaintext: &[u8],
        metadata: &[u8],
        out: &mut [u8],
    ) -> Result<usize, MediaError> {
        self.seal(1, |encryptor| encryptor.encrypt_into(plaintext, metadata, out))
    }

    /// Seals `frames` one behind the other into `out`: see [`Encryptor::encrypt_all`].
    ///
    /// # Errors
    /// As [`Self::encrypt_into`]. Either all frames are sealed or no counter is used.
    pub fn encrypt_all(
        &self,
        frames: &[Outgoing<'_>],
        out: &mut [u8],
        lengths: &mut [usize],
    ) -> Result<usize, MediaError> {
        let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        self.seal(count, |encryptor| encryptor.encrypt_all(frames, out, lengths))
    }

    /// Reserves counters if few are left. Blocks the thread on the store.
    ///
    /// # Errors
    /// When the store fails or there are no more counters.
    pub fn reserve(&self) -> Result<(), MediaError> {
        let (encryptor, block) = {
            let current = self.lock();
            (current.encryptor.clone()?, current.block)
        };
        self.is_told.store(false, Ordering::Release);
        reserve(&self.keeper, &encryptor, LOW_WATER, block)
    }

    /// Whether it is time for [`Self::reserve`] on another thread. Says so once, until that was called. A store that
    /// writes nothing is never waited for.
    #[must_use]
    pub fn wants_reservation(&self) -> bool {
        if self.keeper.is_volatile() {
            return false;
        }
        let is_low = self.lock().encryptor.as_ref().is_ok_and(Encryptor::wants_reservation);
        is_low && !self.is_told.swap(true, Ordering::AcqRel)
    }

    /// The leaf whose frames it seals.
    #[must_use]
    pub fn leaf(&self) -> LeafIndex {
        self.options.leaf
    }

    /// The key id in every frame's header.
    ///
    /// # Errors
    /// When it has ended.
    pub fn key_id(&self) -> Result<KeyId, MediaError> {
        self.read(Encryptor::key_id)
    }

    /// The counter of the next frame; none before counters are reserved.
    ///
    /// # Errors
    /// When it has ended.
    pub fn counter(&self) -> Result<Option<u64>, MediaError> {
        self.read(Encryptor::counter)
    }

    /// How many frames can be sealed before the store is asked.
    ///
    /// # Errors
    /// When it has ended.
    pub fn remaining(&self) -> Result<u64, MediaError> {
        self.read(Encryptor::remaining)
    }

    /// What sealing adds to a plaintext at most.
    ///
    /// # Errors
    /// When it has ended.
    pub fn overhead(&self) -> Result<usize, MediaError> {
        self.read(Encryptor::overhead)
    }

    /// The same sender under `key`, not in use yet.
    pub(crate) fn derive(&self, key: &EpochKey) -> Result<Encryptor, MediaError> {
        derive(&self.keeper, key, self.options)
    }

    /// Goes on with `encryptor`. If the store fails now, it is asked again when a frame is sealed.
    pub(crate) fn go_on(&self, encryptor: Encryptor) {
        let _ = reserve(&self.keeper, &encryptor, LOW_WATER, RESERVATION);
        let mut current = self.lock();
        if current.encryptor.is_ok() {
            *current = Current { encryptor: Ok(encryptor), block: RESERVATION };
        }
    }

    /// Seals nothing any more and wipes the key.
    pub(crate) fn end(&self, why: MediaError) {
        self.lock().encryptor = Err(why);
    }

    /// Seals nothing any more and wipes the key.
    pub fn close(&self) {
        self.end(MediaError::Closed);
    }

    fn seal<T>(
        &self,
        count: u64,
        mut seal: impl FnMut(&Encryptor) -> Result<T, SealError>,
    ) -> Result<T, MediaError> {
        let mut current = self.lock();
        let Current { encryptor, block } = &mut *current;
        let encryptor = encryptor.as_ref().map_err(Clone::clone)?;
        match seal(encryptor) {
            Err(SealError::NotReserved) => {
                reserve(&self.keeper, encryptor, count, *block)?;
                *block = block.saturating_mul(2).min(LARGE_RESERVATION);
                Ok(seal(encryptor)?)
            }
            sealed => Ok(sealed?),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Encryptor) -> T) -> Result<T, MediaError> {
        self.lock().encryptor.as_ref().map(read).map_err(Clone::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("leaf", &self.options.leaf).finish_non_exhaustive()
    }
}

fn derive(keeper: &CounterKeeper, key: &EpochKey, options: SenderOptions) -> Result<Encryptor, MediaError> {
    let counters = |id| keeper.counters(id, Encryptor::unreserved);
    Ok(key.encryptor_with(options.leaf, options.context, counters)?)
}

fn reserve(keeper: &CounterKeeper, encryptor: &Encryptor, needed: u64, count: u64) -> Result<(), MediaError> {
    let reserved = keeper.reserve(encryptor.counters(), needed, count);
    reserved.map_err(|error| MediaError::of(error, encryptor.key_id()))
}
