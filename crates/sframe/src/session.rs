//! The receiving side of one member.
//!
//! A session follows its group: it holds the keys of the present epoch and, for a while that the caller's clock
//! measures, those of the one before. Each key id has a replay window of its own.
//!
//! Nothing is remembered before a frame has authenticated: keys for unheard-of key ids are derived, tried and dropped,
//! so that a forger neither fills the memory nor uses up a counter. The one exception counts failures under short
//! tags, which would be guessed otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use coterie_types::{Duration, Epoch, LeafIndex, Timestamp};

use crate::error::OpenError;
use crate::header::{Header, KeyId};
use crate::key::{EpochKey, FrameKey};
use crate::limits::{MAX_FORGERIES, MAX_KEY_IDS, MAX_PREVIOUS_EPOCH};
use crate::window::Window;

/// Opens the frames of every member of a group.
pub struct Session {
    current: Receiving,
    previous: Option<(Receiving, Timestamp)>,
}

/// A frame as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming<'frame> {
    /// Header, ciphertext and tag.
    pub payload: &'frame [u8],
    /// What was authenticated with it and not sent.
    pub metadata: &'frame [u8],
}

/// What is known of a frame that authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Under which key. Every member of the group could have derived it.
    pub key_id: KeyId,
    /// The leaf whose key it is.
    pub leaf: LeafIndex,
    /// The epoch of the keys that opened it.
    pub epoch: Epoch,
    /// The frame's number under its key.
    pub counter: u64,
    /// Where the plaintext lies in the buffer that was given.
    pub plaintext: Range<usize>,
}

impl Session {
    /// A session that begins with `key`.
    #[must_use]
    pub fn new(key: EpochKey) -> Self {
        Self { current: Receiving::new(key), previous: None }
    }

    /// Goes on to the epoch of `key`. Frames of the epoch that ends are still taken until `grace` has passed, but for
    /// no longer than [`MAX_PREVIOUS_EPOCH`]; any epoch before that is forgotten. A key that is held already changes
    /// nothing: what was received under it would be taken once more.
    pub fn advance(&mut self, key: EpochKey, now: Timestamp, grace: Duration) {
        let held = self.previous.iter().map(|(previous, _)| previous).chain([&self.current]);
        if held.into_iter().any(|epoch| epoch.key == key) {
            return;
        }
        let until = now + grace.min(MAX_PREVIOUS_EPOCH);
        let ended = std::mem::replace(&mut self.current, Receiving::new(key));
        // An epoch whose key ids look like the present one's could not be told apart from it.
        let is_other = KeyId::low_bits(ended.key.epoch()) != KeyId::low_bits(self.current.key.epoch());
        self.previous = (is_other && until > now).then_some((ended, until));
    }

    /// Wipes the previous epoch's keys if their time is over.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.previous.take_if(|(_, until)| *until <= now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.previous.as_ref().map(|(_, until)| *until)
    }

    /// Opens `payload` into a new buffer that holds exactly the plaintext.
    ///
    /// # Errors
    /// Every [`OpenError`] but [`OpenError::BufferTooSmall`]; nothing was changed.
    pub fn decrypt(
        &mut self,
        payload: &[u8],
        metadata: &[u8],
        now: Timestamp,
    ) -> Result<(Opened, Vec<u8>), OpenError> {
        let mut plaintext = vec![0; payload.len()];
        let opened = self.decrypt_into(payload, metadata, &mut plaintext, now)?;
        plaintext.truncate(opened.plaintext.end);
        plaintext.shrink_to_fit();
        Ok((opened, plaintext))
    }

    /// Opens `payload` into the front of `out`.
    ///
    /// # Errors
    /// Every [`OpenError`]; nothing was changed but what lies in `out`.
    pub fn decrypt_into(
        &mut self,
        payload: &[u8],
        metadata: &[u8],
        out: &mut [u8],
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        let (receiving, header, length) = self.screen(payload, now)?;
        let (head, sealed) = payload.split_at_checked(length).ok_or(OpenError::Header)?;
        let needed = receiving.plaintext_length(sealed)?;
        if out.len() < needed {
            return Err(OpenError::BufferTooSmall { needed });
        }
        let opened =
            receiving.open(header, |key| key.open_into(header.counter, head, metadata, sealed, out))?;
        Ok(receiving.opened(header, 0..opened))
    }

    /// Opens `payload` where it lies. A frame that fails is of no further use: its bytes may have been wiped.
    ///
    /// # Errors
    /// Every [`OpenError`] but [`OpenError::BufferTooSmall`].
    pub fn decrypt_in_place(
        &mut self,
        payload: &mut [u8],
        metadata: &[u8],
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        let (receiving, header, length) = self.screen(payload, now)?;
        let (head, sealed) = payload.split_at_mut_checked(length).ok_or(OpenError::Header)?;
        receiving.plaintext_length(sealed)?;
        let opened =
            receiving.open(header, |key| key.open_in_place(header.counter, head, metadata, sealed))?;
        Ok(receiving.opened(header, length..length.saturating_add(opened)))
    }

    /// Opens `frames` one behind the other into `out` and puts what came of each into `results`, which is emptied
    /// first. One that is refused takes no room and does not stop the others.
    pub fn decrypt_all(
        &mut self,
        frames: &[Incoming<'_>],
        out: &mut [u8],
        results: &mut Vec<Result<Opened, OpenError>>,
        now: Timestamp,
    ) {
        results.clear();
        let mut start = 0_usize;
        for frame in frames {
            let rest = out.get_mut(start..).unwrap_or_default();
            let opened = self.decrypt_into(frame.payload, frame.metadata, rest, now);
            results.push(opened.map(|opened| {
                let end = start.saturating_add(opened.plaintext.end);
                let plaintext = start..end;
                start = end;
                Opened { plaintext, ..opened }
            }));
        }
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.current.key.epoch()
    }

    pub(crate) fn key(&self) -> &EpochKey {
        &self.current.key
    }

    /// How many senders are remembered, over both epochs.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |(receiving, _)| receiving.senders.len());
        self.current.senders.len().saturating_add(previous)
    }

    /// Everything that can be said without a key.
    fn screen(
        &mut self,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<(&mut Receiving, Header, usize), OpenError> {
        let (header, length) = Header::read(payload).ok_or(OpenError::Header)?;
        let receiving = self.receiving(header.key_id, now)?;
        receiving.screen(header)?;
        Ok((receiving, header, length))
    }

    fn receiving(&mut self, key_id: KeyId, now: Timestamp) -> Result<&mut Receiving, OpenError> {
        if key_id.is_of(self.current.key.epoch()) {
            return Ok(&mut self.current);
        }
        match &mut self.previous {
            Some((previous, until)) if now < *until && key_id.is_of(previous.key.epoch()) => Ok(previous),
            _ => Err(OpenError::UnknownKeyId(key_id)),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

/// One epoch.
struct Receiving {
    key: EpochKey,
    senders: BTreeMap<KeyId, Box<Sender>>,
    forgeries: u32,
}

/// One key id that a frame has authenticated under.
struct Sender {
    key: FrameKey,
    window: Window,
}

impl Receiving {
    fn new(key: EpochKey) -> Self {
        Self { key, senders: BTreeMap::new(), forgeries: 0 }
    }

    fn screen(&self, header: Header) -> Result<(), OpenError> {
        if self.forgeries >= MAX_FORGERIES {
            return Err(OpenError::TooManyForgeries);
        }
        let Header { key_id, counter } = header;
        match self.senders.get(&key_id) {
            Some(sender) if !sender.window.is_open(counter) => Err(OpenError::Replay { key_id, counter }),
            _ => Ok(()),
        }
    }

    fn plaintext_length(&self, sealed: &[u8]) -> Result<usize, OpenError> {
        sealed.len().checked_sub(self.key.protection.suite().tag_length()).ok_or(OpenError::Header)
    }

    /// Tries the key of `header` and remembers the frame if it is authentic.
    fn open(
        &mut self,
        header: Header,
        open: impl FnOnce(&FrameKey) -> Result<usize, coterie_crypto::CryptoError>,
    ) -> Result<usize, OpenError> {
        if let Some(sender) = self.senders.get_mut(&header.key_id) {
            return match open(&sender.key) {
                Ok(length) => {
                    sender.window.record(header.counter);
                    Ok(length)
                }
                Err(error) => Err(self.failed(error.into())),
            };
        }
        let key = self.key.frame_key(header.key_id)?;
        let length = open(&key).map_err(|error| self.failed(error.into()))?;
        if self.senders.len() >= MAX_KEY_IDS {
            return Err(OpenError::TooManyKeyIds);
        }
        let mut window = Window::new();
        window.record(header.counter);
        self.senders.insert(header.key_id, Box::new(Sender { key, window }));
        Ok(length)
    }

    fn failed(&mut self, error: OpenError) -> OpenError {
        if error == OpenError::NotAuthentic && self.key.protection.suite().has_short_tags() {
            self.forgeries = self.forgeries.saturating_add(1);
        }
        error
    }

    fn opened(&self, header: Header, plaintext: Range<usize>) -> Opened {
        let Header { key_id, counter } = header;
        Opened { key_id, leaf: key_id.leaf(), epoch: self.key.epoch(), counter, plaintext }
    }
}
