//! A member's media in one group: opens what all send, seals what this member sends.
//!
//! It follows its group: whoever drives the group hands in every epoch's key as soon as the group is there. Senders go
//! on under the new key at once. How long frames of the epoch before are taken counts from the next call that knows the
//! time, because the step that changes an epoch has no clock.
//!
//! Calls may come from several threads: the group is worked on by one and frames by another.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use coterie_store::CounterKeeper;
use coterie_types::{Duration, Epoch, Timestamp};

use crate::encryptor::Encryptor;
use crate::error::MediaError;
use crate::key::EpochKey;
use crate::sender::{Sender, SenderOptions};
use crate::session::Session;
use crate::suite::Suite;

/// Epochs that may come between two calls that know the time and count: the present one and the one before.
const HELD_EPOCHS: usize = 2;

/// Where a member's keys come from, and for how long they are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaOptions {
    /// For how long frames of the previous epoch are taken: [`crate::limits::MAX_PREVIOUS_EPOCH`] at most.
    pub grace: Duration,
    /// Whether the keys were not made by a group in the same store, so that the store may not know what they sealed.
    pub is_foreign: bool,
    /// Whether the group was put back with its store: it opens and does not seal.
    pub is_restored: bool,
}

/// A member's media.
pub struct Media {
    keeper: Arc<CounterKeeper>,
    options: MediaOptions,
    suite: Suite,
    state: Mutex<Result<State, MediaError>>,
}

struct State {
    session: Session,
    /// Keys of epochs that began since the last call that knew the time.
    coming: Vec<EpochKey>,
    senders: Vec<Weak<Sender>>,
    /// Why nothing is sent any more.
    silent: Option<MediaError>,
}

impl Media {
    /// Media that begin in the epoch of `key`, with counters of `keeper`.
    #[must_use]
    pub fn new(keeper: Arc<CounterKeeper>, key: EpochKey, options: MediaOptions) -> Self {
        let suite = key.protection.suite();
        let silent = options.is_restored.then_some(MediaError::Restored);
        let state = State { session: Session::new(key), coming: Vec::new(), senders: Vec::new(), silent };
        Self { keeper, options, suite, state: Mutex::new(Ok(state)) }
    }

    /// A sender, which follows from epoch to epoch. Blocks on the store until its first counters are reserved.
    ///
    /// # Errors
    /// [`MediaError::Restored`], [`MediaError::Removed`], [`MediaError::Closed`];
    /// [`MediaError::CountersUnknown`] for a foreign key whose past the store cannot know and no first counter; what
    /// setting up and reserving meet.
    pub fn sender(&self, options: SenderOptions) -> Result<Arc<Sender>, MediaError> {
        let is_known = options.first_counter.is_some() || self.keeper.vouches_for_foreign_keys();
        if self.options.is_foreign && !is_known {
            return Err(MediaError::CountersUnknown);
        }
        let sender = {
            let mut state = self.lock();
            let state = state.as_mut().map_err(|why| why.clone())?;
            if let Some(why) = &state.silent {
                return Err(why.clone());
            }
            let sender = Arc::new(Sender::new(Arc::clone(&self.keeper), state.key(), options)?);
            state.senders.retain(|sender| sender.strong_count() > 0);
            state.senders.push(Arc::downgrade(&sender));
            sender
        };
        sender.reserve()?;
        Ok(sender)
    }

    /// Goes on to the epoch of `key`. Blocks on the store until its senders have counters there.
    ///
    /// # Errors
    /// When a sender's key cannot be derived; that sender stays in the epoch before.
    pub fn follow(&self, key: EpochKey) -> Result<(), MediaError> {
        let ready: Vec<(Arc<Sender>, Encryptor)> = {
            let mut state = self.lock();
            let Ok(state) = state.as_mut() else { return Ok(()) };
            let senders = state.senders.iter().filter_map(Weak::upgrade);
            let ready = senders
                .map(|sender| sender.derive(&key).map(|encryptor| (sender, encryptor)))
                .collect::<Result<_, _>>()?;
            if state.coming.len() >= HELD_EPOCHS {
                state.coming.remove(0);
            }
            state.coming.push(key);
            ready
        };
        ready.into_iter().for_each(|(sender, encryptor)| sender.go_on(encryptor));
        Ok(())
    }

    /// The group goes on without this member: late frames are still opened, and nothing is sealed.
    pub fn remove(&self) {
        let mut state = self.lock();
        let Ok(state) = state.as_mut() else { return };
        state.silence(&MediaError::Removed);
    }

    /// Wipes every key. What was made of it ends with it.
    pub fn close(&self) {
        let mut state = self.lock();
        if let Ok(state) = state.as_mut() {
            state.silence(&MediaError::Closed);
        }
        *state = Err(MediaError::Closed);
    }

    /// Runs `work` on the session as it is at `now`.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn receive<T>(&self, now: Timestamp, work: impl FnOnce(&mut Session) -> T) -> Result<T, MediaError> {
        let mut state = self.lock();
        let state = state.as_mut().map_err(|why| why.clone())?;
        let State { session, coming, .. } = state;
        for key in coming.drain(..) {
            session.advance(key, now, self.options.grace);
        }
        session.handle_timeout(now);
        Ok(work(session))
    }

    /// The newest epoch whose keys are there.
    ///
    /// # Errors
    /// [`MediaError::Closed`].
    pub fn epoch(&self) -> Result<Epoch, MediaError> {
        self.lock().as_ref().map(|state| state.key().epoch()).map_err(Clone::clone)
    }

    /// Whether no call waits for a disk.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.keeper.is_volatile()
    }

    /// The suite of all its keys.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    fn lock(&self) -> MutexGuard<'_, Result<State, MediaError>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The newest epoch's.
    fn key(&self) -> &EpochKey {
        self.coming.last().unwrap_or_else(|| self.session.key())
    }

    fn silence(&mut self, why: &MediaError) {
        self.silent = Some(why.clone());
        for sender in self.senders.drain(..).filter_map(|sender| sender.upgrade()) {
            sender.end(why.clone());
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("suite", &self.suite).finish_non_exhaustive()
    }
}
