//! The sending side of one member.
//!
//! Two things move on: the MLS epoch, which has keys and numbers ([`Sealer::rekey`]), and the node's, which stands in
//! headers ([`Sealer::transition`]). They agree but for a moment in which nothing or one EXECUTE is sealed.

use std::fmt;
use std::sync::Arc;

use coterie_crypto::CryptoError;
use coterie_crypto::aead::{AeadKey, TAG_LENGTH};
use coterie_crypto::counters::{CounterId, CounterRecord, Reservation};
use coterie_types::{Epoch, GroupId, Sequence, StreamClass, StreamId, TransitionId};
use coterie_wire::{Flags, Header, PayloadFormat, Profile, Template};

use super::keys::{ClassKeys, nonce};
use super::numbers::{Numbers, Place};
use crate::error::{SealError, SetupError};
use crate::protection::{Outgoing, Plaintext, place};

/// Seals frames under the class keys.
///
/// Hold one for each group that the device is a member of, not one for each node: a second one would reserve numbers
/// behind the first, and peers refuse what comes in another order than it is numbered.
pub struct Sealer {
    group: GroupId,
    epoch: Epoch,
    transition: TransitionId,
    keys: Arc<ClassKeys>,
    place: Place,
    classes: [Class; StreamClass::ALL.len()],
}

/// What is kept for each class.
struct Class {
    numbers: Numbers,
    /// Whether a frame of this node epoch may have been sealed.
    begun: bool,
    template: Option<Cached>,
}

/// The template of the stream that was sealed for last.
struct Cached {
    of: (StreamId, Flags, PayloadFormat),
    template: Template,
}

impl Sealer {
    /// The sending side of the member with this part of the numbers, in the epoch of `keys`. It seals nothing before
    /// numbers are reserved.
    ///
    /// # Errors
    /// [`SetupError::Length`] unless the group id has 16 bytes.
    pub fn new(
        group: GroupId,
        epoch: Epoch,
        transition: TransitionId,
        keys: Arc<ClassKeys>,
        place: Place,
    ) -> Result<Self, SetupError> {
        if group.as_bytes().len() != Header::INTEROP_GROUP {
            return Err(SetupError::Length("the group id"));
        }
        let class = |class| {
            let numbers = Numbers::new(&keys, class, place, 0)?;
            Ok::<_, SetupError>(Class { numbers, begun: true, template: None })
        };
        let [control, audio, text, signal] = StreamClass::ALL;
        let classes = [class(control)?, class(audio)?, class(text)?, class(signal)?];
        Ok(Self { group, epoch, transition, keys, place, classes })
    }

    /// Goes on to another epoch of MLS and of the node at once, as everybody does but who admits a waiting joiner.
    ///
    /// # Errors
    /// Only when the library below fails; the epoch of the node has changed then.
    pub fn advance(
        &mut self,
        epoch: Epoch,
        transition: TransitionId,
        keys: Arc<ClassKeys>,
        place: Place,
    ) -> Result<(), SetupError> {
        self.transition(epoch, transition);
        self.rekey(keys, place)
    }

    /// Goes on to the keys of another MLS epoch, in which the member has this part of the numbers. Numbers of the same
    /// node epoch go on above those that were reserved. So that a restart does not forget where, the caller reserves in
    /// the step that stores the new epoch, and before this where it has just restarted.
    ///
    /// # Errors
    /// Only when the library below fails; then nothing has changed.
    pub fn rekey(&mut self, keys: Arc<ClassKeys>, place: Place) -> Result<(), SetupError> {
        let [control, audio, text, signal] = &self.classes;
        let same = self.keys.is(&keys);
        let numbers = |class: &Class| {
            let above = if class.begun || same { class.numbers.highest() } else { 0 };
            Numbers::new(&keys, class.numbers.class(), place, above)
        };
        let renewed = [numbers(control)?, numbers(audio)?, numbers(text)?, numbers(signal)?];
        for (class, numbers) in self.classes.iter_mut().zip(renewed) {
            class.numbers = numbers;
        }
        (self.keys, self.place) = (keys, place);
        Ok(())
    }

    /// Goes on to another epoch of the node, whose peers take any number.
    pub fn transition(&mut self, epoch: Epoch, transition: TransitionId) {
        let is_new = epoch != self.epoch;
        (self.epoch, self.transition) = (epoch, transition);
        for class in &mut self.classes {
            class.template = None;
            class.begun &= !is_new;
        }
    }

    /// The name under which the record of a class's numbers is stored. It changes with the keys; a record can be deleted
    /// once its epoch is over.
    ///
    /// # Errors
    /// Never; the signature admits that a table is looked at.
    pub fn counter_id(&self, class: StreamClass) -> Result<CounterId, SetupError> {
        Ok(self.class(class)?.numbers.id())
    }

    /// Promises the next `count` numbers of `class` behind `stored`, the record that the caller's store holds for
    /// [`Self::counter_id`] now, or fewer in a large group. Reading, storing the new record and
    /// [`Reservation::stored`] are one step of the caller's, in which nobody else writes the record.
    ///
    /// # Errors
    /// [`SetupError::Numbers`].
    pub fn reserve(
        &self,
        class: StreamClass,
        stored: Option<CounterRecord>,
        count: u64,
    ) -> Result<Reservation, SetupError> {
        self.class(class)?.numbers.reserve(stored, count)
    }

    /// Whether it is time to reserve more numbers of `class`, so that no frame waits for the store.
    #[must_use]
    pub fn wants_reservation(&self, class: StreamClass) -> bool {
        self.class(class).is_ok_and(|class| class.numbers.runs_low())
    }

    /// How many frames of `class` this member can still seal in this MLS epoch. Before that is nothing, the epoch must
    /// change.
    #[must_use]
    pub fn numbers_left(&self, class: StreamClass) -> u64 {
        self.class(class).map_or(0, |class| class.numbers.left())
    }

    /// How many can be sealed before numbers must be reserved.
    #[must_use]
    pub fn remaining(&self, class: StreamClass) -> u64 {
        self.class(class).map_or(0, |class| class.numbers.remaining())
    }

    /// The epoch that headers say.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The member's part of the numbers.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Seals a frame into a new buffer of the right size.
    ///
    /// # Errors
    /// Every [`SealError`] but [`SealError::BufferTooSmall`].
    pub fn seal(&mut self, frame: Outgoing<'_>) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0; self.sealed_length(&frame)?];
        let length = self.seal_into(frame, &mut out)?;
        out.truncate(length);
        Ok(out)
    }

    /// Seals a frame into the front of `out` and answers its length.
    ///
    /// # Errors
    /// Every [`SealError`]. No number was used, unless it says so.
    pub fn seal_into(&mut self, frame: Outgoing<'_>, out: &mut [u8]) -> Result<usize, SealError> {
        let length = self.sealed_length(&frame)?;
        let too_small = SealError::BufferTooSmall { needed: length };
        let Some(out) = out.get_mut(..length) else { return Err(too_small) };
        let class = self.classes.get_mut(place(frame.class)).ok_or(NO_CLASS)?;
        let sequence = class.numbers.take()?;
        class.begun = true;
        let cached = class.template.as_ref().ok_or(CryptoError::Internal("a template was cached"))?;
        let key = self.keys.key(frame.class)?;
        write(&cached.template, key, sequence, frame.plaintext, out)?.ok_or(too_small)?;
        Ok(length)
    }

    /// How long the next frame with this payload will be.
    ///
    /// # Errors
    /// When it would be longer than a frame can be.
    pub fn sealed_length(&mut self, frame: &Outgoing<'_>) -> Result<usize, SealError> {
        let sealed = frame.plaintext.len().saturating_add(TAG_LENGTH);
        Ok(self.template(frame)?.length(ANY_OF_OURS, sealed)?)
    }

    /// The template for frames like this one, made at most once for as long as a class keeps to one stream.
    fn template(&mut self, frame: &Outgoing<'_>) -> Result<&Template, SealError> {
        let of = (frame.stream, frame.flags, frame.format);
        let (group, epoch, transition) = (&self.group, self.epoch, self.transition);
        let class = self.classes.get_mut(place(frame.class)).ok_or(NO_CLASS)?;
        if class.template.as_ref().is_none_or(|cached| cached.of != of) {
            let template = Template::new(&Header {
                profile: Profile::Interop,
                group: group.clone(),
                epoch,
                transition,
                class: frame.class,
                stream: frame.stream,
                flags: frame.flags,
                sequence: Sequence::FIRST,
                format: frame.format,
            })?;
            class.template = Some(Cached { of, template });
        }
        let cached = class.template.as_ref().map(|cached| &cached.template);
        Ok(cached.ok_or(CryptoError::Internal("a template was cached"))?)
    }

    fn class(&self, class: StreamClass) -> Result<&Class, CryptoError> {
        self.classes.get(place(class)).ok_or(NO_CLASS)
    }
}

/// Writes the whole frame into `out`; nothing where there is no room.
fn write(
    template: &Template,
    key: &AeadKey,
    sequence: Sequence,
    plaintext: Plaintext<'_>,
    out: &mut [u8],
) -> Result<Option<()>, CryptoError> {
    let sealed = plaintext.len().saturating_add(TAG_LENGTH);
    let payload = template.write(sequence, sealed, out).and_then(|payload| out.get_mut(payload));
    let Some((body, tag)) = payload.and_then(|payload| payload.split_at_mut_checked(plaintext.len())) else {
        return Ok(None);
    };
    if plaintext.write(body).is_none() {
        return Ok(None);
    }
    tag.copy_from_slice(&key.seal_in_place(&nonce(sequence), &[], body)?);
    Ok(Some(()))
}

/// Seals a frame under a number that nobody has reserved, as peers of the published stack do.
///
/// # Errors
/// As [`Sealer::seal`].
#[cfg(feature = "vectors")]
pub fn seal_as(keys: &ClassKeys, header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let template = Template::new(header)?;
    let length = template.length(header.sequence, plaintext.len().saturating_add(TAG_LENGTH))?;
    let mut out = vec![0; length];
    let written = write(&template, keys.key(header.class)?, header.sequence, plaintext.into(), &mut out)?;
    written.map(|()| out).ok_or(SealError::BufferTooSmall { needed: length })
}

const NO_CLASS: CryptoError = CryptoError::Internal("every class has its numbers");

/// All numbers of ours are equally long on the wire.
const ANY_OF_OURS: Sequence = match Sequence::new(u32::MAX) {
    Some(sequence) => sequence,
    None => Sequence::FIRST,
};

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("group", &self.group)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
