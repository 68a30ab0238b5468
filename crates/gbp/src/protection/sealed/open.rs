//! The receiving side of one member.
//!
//! Opening has three parts, so that a caller can put all of them into one step of its store: [`Opener::screen`] is all
//! that can be said without a key, MLS opens the message, [`Opener::accept`] judges what came out. Only
//! [`Opener::record`] changes something, and belongs behind the step. [`Opener::open`] is all of it at once.

use std::collections::VecDeque;
use std::fmt;

use coterie_sframe::{Header as MediaHeader, Session};
use coterie_types::{Duration, Epoch, GroupId, LeafIndex, StreamClass, Timestamp, TransitionId};
use coterie_wire::{Frame, Header, Profile};

use super::message::Head;
use super::seal::number;
use super::{EpochKeys, PrivateMessage, PrivateMessages};
use crate::error::{MlsFailure, OpenError, SetupError};
use crate::limits::{MAX_PAST_EPOCH_AGE, MAX_PAST_EPOCHS, MAX_PREVIOUS_EPOCH};
use crate::protection::replay::Streams;
use crate::protection::{Members, Opened, screen};

/// Opens the frames of every member.
pub struct Opener {
    group: GroupId,
    transition: TransitionId,
    current: Receiving,
    /// The oldest first.
    past: VecDeque<(Receiving, Timestamp)>,
    media: Session,
}

/// One epoch.
struct Receiving {
    epoch: Epoch,
    members: Members,
    streams: Streams,
}

/// A frame of which everything is checked that can be without a key.
#[derive(Clone, Debug)]
pub struct Screened<'a> {
    frame: Frame<'a>,
    authenticated_data: Vec<u8>,
}

impl Screened<'_> {
    /// Its header, of which nothing is authentic yet.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.frame.header
    }

    /// What MLS has to open; for audio, what SFrame has.
    #[must_use]
    pub const fn message(&self) -> &[u8] {
        self.frame.payload
    }
}

impl Opener {
    /// The receiving side of a member of `group` whose epoch has these keys and members.
    ///
    /// # Errors
    /// When the library below fails.
    pub fn new(
        group: GroupId,
        keys: &EpochKeys,
        members: Members,
        transition: TransitionId,
    ) -> Result<Self, SetupError> {
        let current = Receiving::new(keys.epoch(), members);
        let media = Session::new(keys.media()?);
        Ok(Self { group, transition, current, past: VecDeque::new(), media })
    }

    /// Goes on to the epoch of `keys`, which is a later one. Text and signals of the epoch that ends are taken until `grace` has passed, but for
    /// no longer than [`MAX_PAST_EPOCH_AGE`], and of the last [`MAX_PAST_EPOCHS`] epochs; audio for no longer than
    /// [`MAX_PREVIOUS_EPOCH`].
    ///
    /// # Errors
    /// [`SetupError::Epoch`] unless it is a later one, and when the library below fails; then nothing has changed.
    pub fn advance(
        &mut self,
        keys: &EpochKeys,
        members: Members,
        transition: TransitionId,
        now: Timestamp,
        grace: Duration,
    ) -> Result<(), SetupError> {
        if keys.epoch() <= self.current.epoch {
            return Err(SetupError::Epoch { current: self.current.epoch, named: keys.epoch() });
        }
        let media = keys.media()?;
        self.transition = transition;
        self.media.advance(media, now, grace.min(MAX_PREVIOUS_EPOCH));
        let ended = std::mem::replace(&mut self.current, Receiving::new(keys.epoch(), members));
        self.past.push_back((ended, now + grace.min(MAX_PAST_EPOCH_AGE)));
        if self.past.len() > MAX_PAST_EPOCHS {
            self.past.pop_front();
        }
        self.handle_timeout(now);
        Ok(())
    }

    /// Forgets past epochs whose time is over.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.past.retain(|(_, until)| *until > now);
        self.media.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.past.iter().map(|(_, until)| *until).chain(self.media.poll_timeout()).min()
    }

    /// Everything that can be said of a frame without a key, in the protocol's order. Changes nothing.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn screen<'a>(&self, frame: &'a [u8], now: Timestamp) -> Result<Screened<'a>, OpenError> {
        let envelope = screen::envelope(frame, Profile::Sealed, &self.group)?;
        let receiving = self.receiving(envelope.epoch(), now)?;
        let is_late = receiving.epoch != self.current.epoch;
        let frame = screen::frame(envelope, self.transition, is_late, &receiving.streams)?;
        let authenticated_data = frame.header.authenticated_data();
        let screened = Screened { frame, authenticated_data };
        self.check_bound(&screened, receiving)?;
        Ok(screened)
    }

    /// Judges what MLS has opened. Changes nothing.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] when it is another message than the frame's, [`OpenError::Sender`] when the stream is
    /// not its sender's, [`OpenError::Replay`] and [`OpenError::Epoch`] when it came, or its epoch ended, meanwhile.
    pub fn accept(&self, screened: &Screened<'_>, message: &PrivateMessage) -> Result<Opened, OpenError> {
        let Screened { frame, authenticated_data } = screened;
        if frame.header.class == StreamClass::Audio || message.authenticated_data != *authenticated_data {
            return Err(OpenError::NotAuthentic);
        }
        let receiving = self.epoch_of(frame.header.epoch).ok_or(OpenError::Epoch(frame.header.epoch))?;
        let (stream, signer) = (frame.header.stream, Some(message.sender));
        let foreign = |_| OpenError::Sender { stream, signer };
        receiving.check_sender(&frame.header, message.sender).map_err(foreign)?;
        receiving.streams.check(&frame.header)?;
        Ok(Opened::new(frame, Some(message.sender), 0..message.plaintext.len()))
    }

    /// Remembers a frame that was accepted and whose step is stored.
    pub fn record(&mut self, opened: &Opened) {
        let Opened { epoch, class, stream, sequence, .. } = *opened;
        let past = self.past.iter_mut().map(|(receiving, _)| receiving);
        let receiving = std::iter::once(&mut self.current).chain(past).find(|one| one.epoch == epoch);
        if let Some(receiving) = receiving
            && class != StreamClass::Audio
        {
            receiving.streams.record(class, stream, sequence);
        }
    }

    /// Opens a frame at once: [`Self::screen`], MLS, [`Self::accept`], [`Self::record`]; or, for audio,
    /// [`Self::open_audio`].
    ///
    /// # Errors
    /// Every [`OpenError`], or MLS's own; nothing was changed, unless MLS opened a message of a member who sent it on
    /// somebody else's stream.
    pub fn open<M: PrivateMessages>(
        &mut self,
        frame: &[u8],
        mls: &mut M,
        now: Timestamp,
    ) -> Result<(Opened, Vec<u8>), MlsFailure<OpenError, M::Error>> {
        let screened = self.screen(frame, now).map_err(MlsFailure::Refused)?;
        if screened.header().class == StreamClass::Audio {
            return self.open_audio(&screened, now).map_err(MlsFailure::Refused);
        }
        let message = mls.open(screened.message()).map_err(MlsFailure::Mls)?;
        let opened = self.accept(&screened, &message).map_err(MlsFailure::Refused)?;
        self.record(&opened);
        Ok((opened, message.plaintext))
    }

    /// Opens an audio frame. SFrame remembers it.
    ///
    /// # Errors
    /// [`OpenError::NotAuthentic`] for other frames, and what SFrame refuses; nothing was changed.
    pub fn open_audio(
        &mut self,
        screened: &Screened<'_>,
        now: Timestamp,
    ) -> Result<(Opened, Vec<u8>), OpenError> {
        let Screened { frame, authenticated_data } = screened;
        if frame.header.class != StreamClass::Audio {
            return Err(OpenError::NotAuthentic);
        }
        let (_, plaintext) = self.media.decrypt(frame.payload, authenticated_data, now)?;
        Ok((Opened::new(frame, None, 0..plaintext.len()), plaintext))
    }

    /// Takes text and signals of an epoch that ended before this was made, after a restart: MLS still holds its keys, and opens
    /// no message of it twice. Epochs are recalled from the oldest to the latest.
    pub fn recall(&mut self, epoch: Epoch, members: Members, until: Timestamp) {
        if epoch < self.current.epoch {
            self.past.push_back((Receiving::new(epoch, members), until));
            if self.past.len() > MAX_PAST_EPOCHS {
                self.past.pop_front();
            }
        }
    }

    /// The present epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.current.epoch
    }

    /// How many streams are remembered, over all epochs.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let past = self.past.iter().map(|(receiving, _)| receiving);
        let streams = past.chain([&self.current]).map(|receiving| receiving.streams.remembered());
        streams.fold(self.media.remembered(), usize::saturating_add)
    }

    /// Whether the payload is of this header, by what it says in the clear. That it says so is authenticated later.
    fn check_bound(&self, screened: &Screened<'_>, receiving: &Receiving) -> Result<(), OpenError> {
        let Screened { frame, authenticated_data } = screened;
        let header = &frame.header;
        if header.class == StreamClass::Audio {
            let (media, _) = MediaHeader::read(frame.payload).ok_or(OpenError::NotAuthentic)?;
            if number(media.counter) != Some(header.sequence) {
                return Err(OpenError::NotAuthentic);
            }
            return receiving.check_sender(header, media.key_id.leaf());
        }
        let head = Head::read(frame.payload).ok_or(OpenError::NotAuthentic)?;
        let is_bound = head.group == self.group.as_bytes()
            && head.epoch == header.epoch
            && head.authenticated_data == authenticated_data;
        if is_bound { Ok(()) } else { Err(OpenError::NotAuthentic) }
    }

    fn receiving(&self, epoch: Epoch, now: Timestamp) -> Result<&Receiving, OpenError> {
        if epoch == self.current.epoch {
            return Ok(&self.current);
        }
        let past = self.past.iter().find(|(receiving, until)| receiving.epoch == epoch && now < *until);
        past.map(|(receiving, _)| receiving).ok_or(OpenError::Epoch(epoch))
    }

    fn epoch_of(&self, epoch: Epoch) -> Option<&Receiving> {
        let past = self.past.iter().map(|(receiving, _)| receiving);
        std::iter::once(&self.current).chain(past).find(|receiving| receiving.epoch == epoch)
    }
}

impl Receiving {
    fn new(epoch: Epoch, members: Members) -> Self {
        // A stream is one member's, so this bound refuses nobody who is heard at all.
        let most = members.count().saturating_mul(StreamClass::ALL.len());
        Self { epoch, members, streams: Streams::new(most) }
    }

    /// Whether the frame's stream is that of the member at `leaf`.
    fn check_sender(&self, header: &Header, leaf: LeafIndex) -> Result<(), OpenError> {
        let owner = header.stream.member(header.class);
        if owner.is_some() && owner == self.members.at(leaf) {
            return Ok(());
        }
        Err(OpenError::Sender { stream: header.stream, signer: None })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("group", &self.group)
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
