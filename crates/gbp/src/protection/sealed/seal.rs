//! The sending side of one member in one epoch.

use std::fmt;
use std::sync::Arc;

use coterie_crypto::counters::{CounterId, CounterRecord, Counters, Reservation};
use coterie_sframe::{Encryptor, SealError as MediaError};
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId, Sequence, StreamClass, TransitionId};
use coterie_wire::{Frame, Header, Profile};

use super::{EpochKeys, PrivateMessages};
use crate::error::{MlsFailure, SealError, SetupError};
use crate::limits::LOW_WATER;
use crate::protection::Outgoing;
use crate::protection::sealing::not_taken;

/// Numbers of one class and epoch: from 1 to the last that a frame can have.
const NUMBERS: u128 = u32::MAX as u128;

/// Seals frames for one epoch. The next one has a sealer of its own.
pub struct Sealer {
    group: GroupId,
    epoch: Epoch,
    transition: TransitionId,
    member: MemberId,
    control: Arc<Counters>,
    text: Arc<Counters>,
    signal: Arc<Counters>,
    audio: Encryptor,
}

/// A frame that has its number and waits for MLS.
#[derive(Debug)]
#[must_use = "its number is used already"]
pub struct Draft {
    header: Header,
}

impl Sealer {
    /// The sending side of `member`, who sits at `leaf`, in the epoch of `keys`. It seals nothing before numbers are
    /// reserved.
    ///
    /// `context` is zero but for who has restored a backup, as [`coterie_sframe::EpochKey::encryptor`] explains.
    ///
    /// # Errors
    /// When the leaf is above 65,535, or the library below fails.
    pub fn new(
        group: GroupId,
        keys: &EpochKeys,
        transition: TransitionId,
        member: MemberId,
        leaf: LeafIndex,
        context: u32,
    ) -> Result<Self, SetupError> {
        let numbers = |class| {
            let id = keys.counter_id(class, leaf)?;
            Ok::<_, SetupError>(Arc::new(Counters::new(id, NUMBERS, LOW_WATER)))
        };
        Ok(Self {
            group,
            epoch: keys.epoch(),
            transition,
            member,
            control: numbers(StreamClass::Control)?,
            text: numbers(StreamClass::Text)?,
            signal: numbers(StreamClass::Signal)?,
            audio: keys.media()?.encryptor(leaf, context)?,
        })
    }

    /// The name under which the record of a class's numbers is stored. It is another one in every epoch; a record can be
    /// deleted once its epoch is over.
    #[must_use]
    pub fn counter_id(&self, class: StreamClass) -> CounterId {
        self.counters(class).map_or_else(|| self.audio.counter_id(), |counters| counters.id())
    }

    /// Promises the next `count` numbers of `class` behind `stored`, the record that the caller's store holds for
    /// [`Self::counter_id`] now. Reading, storing the new record and [`Reservation::stored`] are one step of the
    /// caller's, in which nobody else writes the record.
    ///
    /// # Errors
    /// [`SetupError::Numbers`] or, for audio, [`SetupError::Media`].
    pub fn reserve(
        &self,
        class: StreamClass,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, SetupError> {
        match self.counters(class) {
            Some(counters) => {
                counters.reserve(stored, count).map_err(|error| SetupError::Numbers(class, error))
            }
            None => Ok(self.audio.reserve(stored, count)?),
        }
    }

    /// Whether it is time to reserve more numbers of `class`, so that no frame waits for the store.
    #[must_use]
    pub fn wants_reservation(&self, class: StreamClass) -> bool {
        self.counters(class).map_or_else(|| self.audio.wants_reservation(), |counters| counters.runs_low())
    }

    /// The epoch that frames are sealed for.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Seals a frame.
    ///
    /// # Errors
    /// Every [`SealError`], or MLS's own. A number may have been used.
    pub fn seal<M: PrivateMessages>(
        &mut self,
        frame: Outgoing<'_>,
        mls: &mut M,
    ) -> Result<Vec<u8>, MlsFailure<SealError, M::Error>> {
        if frame.class == StreamClass::Audio {
            return self.seal_audio(frame).map_err(MlsFailure::Refused);
        }
        let draft = self.draft(frame).map_err(MlsFailure::Refused)?;
        let message =
            mls.seal(&frame.plaintext.whole(), &draft.authenticated_data()).map_err(MlsFailure::Mls)?;
        draft.finish(&message).map_err(MlsFailure::Refused)
    }

    /// Takes the number of a frame that is not audio. Its plaintext is sealed by MLS with [`Draft::authenticated_data`],
    /// in a step that can also store what [`Draft::finish`] makes of it.
    ///
    /// # Errors
    /// [`SealError::Class`], [`SealError::Stream`], [`SealError::NotReserved`] or [`SealError::Exhausted`]; no number was
    /// used.
    pub fn draft(&mut self, frame: Outgoing<'_>) -> Result<Draft, SealError> {
        let counters = self.counters(frame.class).ok_or(SealError::Class(frame.class))?;
        self.check_stream(&frame)?;
        let count = counters.take(1).map_err(|error| not_taken(frame.class, error))?;
        let sequence = number(count).ok_or(SealError::Exhausted(frame.class))?;
        Ok(Draft { header: self.header(&frame, sequence) })
    }

    /// Seals an audio frame, for which MLS is not needed.
    ///
    /// # Errors
    /// [`SealError::Class`] for other frames, and every [`SealError`].
    pub fn seal_audio(&mut self, frame: Outgoing<'_>) -> Result<Vec<u8>, SealError> {
        if frame.class != StreamClass::Audio {
            return Err(SealError::Class(frame.class));
        }
        self.check_stream(&frame)?;
        let counted = self.audio.begin().map_err(|error| match error {
            MediaError::NotReserved => SealError::NotReserved(frame.class),
            MediaError::Exhausted(_) => SealError::Exhausted(frame.class),
            error => error.into(),
        })?;
        let sequence = number(counted.counter()).ok_or(SealError::Exhausted(frame.class))?;
        let header = self.header(&frame, sequence);
        let payload = counted.encrypt(&frame.plaintext.whole(), &header.authenticated_data())?;
        Ok(Frame { header, payload: &payload }.encode()?)
    }

    fn header(&self, frame: &Outgoing<'_>, sequence: Sequence) -> Header {
        Header {
            profile: Profile::Sealed,
            group: self.group.clone(),
            epoch: self.epoch,
            transition: self.transition,
            class: frame.class,
            stream: frame.stream,
            flags: frame.flags,
            sequence,
            format: frame.format,
        }
    }

    fn check_stream(&self, frame: &Outgoing<'_>) -> Result<(), SealError> {
        let is_own = frame.stream.member(frame.class) == Some(self.member);
        if is_own { Ok(()) } else { Err(SealError::Stream(frame.stream)) }
    }

    /// The numbers of a class, whose frames are MLS messages; audio is counted by SFrame.
    const fn counters(&self, class: StreamClass) -> Option<&Arc<Counters>> {
        match class {
            StreamClass::Control => Some(&self.control),
            StreamClass::Text => Some(&self.text),
            StreamClass::Signal => Some(&self.signal),
            StreamClass::Audio => None,
        }
    }
}

impl Draft {
    /// The frame's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What MLS authenticates with the plaintext.
    #[must_use]
    pub fn authenticated_data(&self) -> Vec<u8> {
        self.header.authenticated_data()
    }

    /// The frame around the sealed message.
    ///
    /// # Errors
    /// When it would be longer than a frame can be.
    pub fn finish(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(Frame { header: self.header.clone(), payload: message }.encode()?)
    }
}

/// The number of a count: counts begin with zero.
pub(super) fn number(count: u64) -> Option<Sequence> {
    Sequence::new(u32::try_from(count.checked_add(1)?).ok()?)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("group", &self.group)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
