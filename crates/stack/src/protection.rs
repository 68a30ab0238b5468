//! How this member's frames are sealed and opened, in whichever profile the group has.
//!
//! Keys and numbers follow the engine's epoch, headers the node's. Numbers are reserved in the step that sets keys up and
//! topped up in the step that seals; the rows are this module's.

use std::sync::Arc;

use coterie_crypto::Secret;
use coterie_crypto::counters::{CounterId, CounterRecord, Reservation};
use coterie_gbp::limits::{MAX_PAST_EPOCH_AGE, MAX_PREVIOUS_EPOCH, RESERVATION};
use coterie_gbp::node::Roster;
use coterie_gbp::protection::interop::{self, ClassKeys, Place};
use coterie_gbp::protection::sealed::{self, EpochKeys, PrivateMessage, PrivateMessages};
use coterie_gbp::protection::{Members, Opened, Outgoing};
use coterie_gbp::{MlsFailure, OpenError};
use coterie_mls::{MlsError, Received, Together};
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId, StreamClass, Timestamp, TransitionId};
use coterie_wire::Profile;

use crate::error::StackError;
use crate::rows::{NUMBERS, RowSpace};

/// Both directions of one member's frames.
pub(crate) struct Protection {
    /// The engine's epoch whose keys are in use.
    keyed: Epoch,
    sides: Sides,
}

enum Sides {
    Sealed(Box<(sealed::Sealer, sealed::Opener)>),
    Interop(Box<(interop::Sealer, interop::Opener)>),
}

/// Where the node stands.
#[derive(Clone, Copy)]
pub(crate) struct Stand<'a> {
    pub(crate) me: MemberId,
    /// What headers say.
    pub(crate) epoch: Epoch,
    pub(crate) transition: TransitionId,
    pub(crate) roster: &'a Roster,
}

/// The engine of a step as frames of the sealed profile need it.
struct Engine<'x, 'a, 'b>(&'x mut Together<'a, 'b>, Timestamp);

/// Why a frame was not opened.
pub(crate) type OpenFailure = MlsFailure<OpenError, MlsError>;

impl PrivateMessages for Engine<'_, '_, '_> {
    type Error = MlsError;

    fn seal(&mut self, plaintext: &[u8], authenticated_data: &[u8]) -> Result<Vec<u8>, MlsError> {
        self.0.encrypt(plaintext, authenticated_data)
    }

    fn open(&mut self, message: &[u8]) -> Result<PrivateMessage, MlsError> {
        match self.0.open(message, self.1)? {
            Received::Message { sender, plaintext, associated_data, .. } => {
                Ok(PrivateMessage { sender: sender.leaf, plaintext, authenticated_data: associated_data })
            }
            _ => Err(MlsError::Malformed("an application message")),
        }
    }
}

impl Protection {
    /// Both sides in the engine's present epoch, with numbers reserved.
    pub(crate) fn new(
        profile: Profile,
        stand: Stand<'_>,
        together: &mut Together<'_, '_>,
        space: &RowSpace,
    ) -> Result<Self, StackError> {
        let (group, keyed, leaf) = (together.id()?, together.epoch(), together.own_leaf());
        let sides = match profile {
            Profile::Sealed => {
                let keys = epoch_keys(together)?;
                let opener =
                    sealed::Opener::new(group.clone(), &keys, members(stand.roster)?, stand.transition)?;
                Sides::Sealed(Box::new((sealed_sealer(group, &keys, stand, leaf)?, opener)))
            }
            Profile::Interop => {
                let keys = class_keys(together)?;
                let (epoch, transition) = (stand.epoch, stand.transition);
                let opener = interop::Opener::new(group.clone(), epoch, transition, Arc::clone(&keys))?;
                // A joiner that waits for EXECUTE already writes what its engine's epoch is.
                let place = place(together)?;
                let sealer = interop::Sealer::new(group, keyed, transition, keys, place)?;
                Sides::Interop(Box::new((sealer, opener)))
            }
        };
        let mut protection = Self { keyed, sides };
        protection.reserve_all(together, space)?;
        Ok(protection)
    }

    /// The engine has gone on, and the node will only after something was sealed for a joiner that waits.
    pub(crate) fn rekey(
        &mut self,
        together: &mut Together<'_, '_>,
        space: &RowSpace,
    ) -> Result<(), StackError> {
        self.keyed = together.epoch();
        if let Sides::Interop(sides) = &mut self.sides {
            sides.0.rekey(class_keys(together)?, place(together)?)?;
        }
        self.renew(together, space)
    }

    /// The node has gone on to the engine's epoch.
    pub(crate) fn advance(
        &mut self,
        stand: Stand<'_>,
        now: Timestamp,
        together: &mut Together<'_, '_>,
        space: &RowSpace,
    ) -> Result<(), StackError> {
        let Stand { epoch, transition, .. } = stand;
        let fresh = self.keyed != together.epoch();
        self.keyed = together.epoch();
        match &mut self.sides {
            Sides::Sealed(sides) => {
                let keys = epoch_keys(together)?;
                let (group, leaf) = (together.id()?, together.own_leaf());
                sides.0 = sealed_sealer(group, &keys, stand, leaf)?;
                sides.1.advance(&keys, members(stand.roster)?, transition, now, MAX_PAST_EPOCH_AGE)?;
            }
            Sides::Interop(sides) => {
                let keys = class_keys(together)?;
                sides.1.advance(epoch, transition, Arc::clone(&keys), now, MAX_PREVIOUS_EPOCH);
                sides.0.transition(epoch, transition);
                if !fresh {
                    return Ok(());
                }
                sides.0.rekey(keys, place(together)?)?;
            }
        }
        self.renew(together, space)
    }

    /// Takes frames of an epoch that ended before this was made.
    pub(crate) fn recall(&mut self, epoch: Epoch, members: Members, until: Timestamp) {
        if let Sides::Sealed(sides) = &mut self.sides {
            sides.1.recall(epoch, members, until);
        }
    }

    /// Seals a frame.
    pub(crate) fn seal(
        &mut self,
        frame: Outgoing<'_>,
        now: Timestamp,
        together: &mut Together<'_, '_>,
        space: &RowSpace,
    ) -> Result<Vec<u8>, StackError> {
        if together.is_restored() {
            return Err(MlsError::Restored.into());
        }
        if self.wants_reservation(frame.class) {
            self.reserve(frame.class, together, space)?;
        }
        match &mut self.sides {
            Sides::Sealed(sides) => Ok(sides.0.seal(frame, &mut Engine(together, now))?),
            Sides::Interop(sides) => Ok(sides.0.seal(frame)?),
        }
    }

    /// Seals a frame of audio, for which the engine is not needed.
    pub(crate) fn seal_audio(&mut self, frame: Outgoing<'_>) -> Result<Vec<u8>, StackError> {
        match &mut self.sides {
            Sides::Sealed(sides) => Ok(sides.0.seal_audio(frame)?),
            Sides::Interop(sides) => Ok(sides.0.seal(frame)?),
        }
    }

    /// Opens a frame of audio, for which the engine is not needed.
    pub(crate) fn open_audio(
        &mut self,
        frame: &[u8],
        now: Timestamp,
    ) -> Result<(Opened, Vec<u8>), OpenError> {
        match &mut self.sides {
            Sides::Sealed(sides) => {
                let screened = sides.1.screen(frame, now)?;
                sides.1.open_audio(&screened, now)
            }
            Sides::Interop(sides) => sides.1.open(frame, now),
        }
    }

    /// Opens a frame.
    pub(crate) fn open(
        &mut self,
        frame: &[u8],
        now: Timestamp,
        together: &mut Together<'_, '_>,
    ) -> Result<(Opened, Vec<u8>), OpenFailure> {
        match &mut self.sides {
            Sides::Sealed(sides) => sides.1.open(frame, &mut Engine(together, now), now),
            Sides::Interop(sides) => sides.1.open(frame, now).map_err(MlsFailure::Refused),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if let Sides::Interop(sides) = &mut self.sides {
            sides.1.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        match &self.sides {
            Sides::Interop(sides) => sides.1.poll_timeout(),
            Sides::Sealed(_) => None,
        }
    }

    /// Whether it is time to reserve more numbers.
    pub(crate) fn wants_reservation(&self, class: StreamClass) -> bool {
        match &self.sides {
            Sides::Sealed(sides) => sides.0.wants_reservation(class),
            Sides::Interop(sides) => sides.0.wants_reservation(class),
        }
    }

    /// Reserves more numbers. They may be used in the same step, because nothing leaves before it is stored.
    pub(crate) fn reserve(
        &mut self,
        class: StreamClass,
        together: &mut Together<'_, '_>,
        space: &RowSpace,
    ) -> Result<(), StackError> {
        let id = self.counter_id(class)?;
        let key = space.key(NUMBERS, id.as_bytes());
        let mut rows = together.rows();
        let stored = rows.get(&key)?.map(|row| CounterRecord::from_bytes(&row)).transpose();
        let stored = stored.map_err(|_| StackError::BadState)?;
        let reservation = self.promise(class, stored)?;
        rows.put(&key, reservation.record().to_bytes().to_vec())?;
        reservation.stored();
        Ok(())
    }

    /// Reserves under new keys. What was recorded of the old ones is over.
    fn renew(&mut self, together: &mut Together<'_, '_>, space: &RowSpace) -> Result<(), StackError> {
        together.rows().delete_prefix(&space.key(NUMBERS, &[]))?;
        self.reserve_all(together, space)
    }

    fn reserve_all(&mut self, together: &mut Together<'_, '_>, space: &RowSpace) -> Result<(), StackError> {
        StreamClass::ALL.into_iter().try_for_each(|class| self.reserve(class, together, space))
    }

    fn counter_id(&self, class: StreamClass) -> Result<CounterId, StackError> {
        match &self.sides {
            Sides::Sealed(sides) => Ok(sides.0.counter_id(class)),
            Sides::Interop(sides) => Ok(sides.0.counter_id(class)?),
        }
    }

    fn promise(&self, class: StreamClass, stored: Option<CounterRecord>) -> Result<Reservation, StackError> {
        match &self.sides {
            Sides::Sealed(sides) => Ok(sides.0.reserve(class, stored, RESERVATION)?),
            Sides::Interop(sides) => Ok(sides.0.reserve(class, stored, RESERVATION)?),
        }
    }
}

/// The leaves of a roster.
pub(crate) fn members(roster: &Roster) -> Result<Members, StackError> {
    Ok(Members::new(roster.iter().map(|(member, leaf)| (leaf, member)))?)
}

fn sealed_sealer(
    group: GroupId,
    keys: &EpochKeys,
    stand: Stand<'_>,
    leaf: LeafIndex,
) -> Result<sealed::Sealer, StackError> {
    Ok(sealed::Sealer::new(group, keys, stand.transition, stand.me, leaf, 0)?)
}

fn epoch_keys(together: &Together<'_, '_>) -> Result<EpochKeys, StackError> {
    EpochKeys::derive(together.epoch(), exporter(together))
}

fn class_keys(together: &Together<'_, '_>) -> Result<Arc<ClassKeys>, StackError> {
    ClassKeys::derive(exporter(together)).map(Arc::new)
}

fn exporter<'x>(
    together: &'x Together<'_, '_>,
) -> impl FnMut(&str, &[u8], usize) -> Result<Secret, StackError> + 'x {
    |label, context, length| Ok(Secret::new(together.export_secret(label, context, length)?))
}

/// This member's part of the numbers: the tree is as wide as its highest leaf says.
fn place(together: &Together<'_, '_>) -> Result<Place, StackError> {
    let own = together.own_leaf();
    let highest = together.members()?.iter().map(|member| member.leaf).max().unwrap_or(own);
    Ok(Place::new(own, highest)?)
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protection").field("keyed", &self.keyed).finish_non_exhaustive()
    }
}
