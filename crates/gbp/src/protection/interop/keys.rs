//! The keys of one MLS epoch, one for each class.

use std::fmt;

use coterie_crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LENGTH};
use coterie_crypto::counters::CounterId;
use coterie_crypto::hash::{HashAlgorithm, digest, hkdf_expand};
use coterie_crypto::{CryptoError, Secret};
use coterie_types::{LeafIndex, Sequence, StreamClass};
use coterie_wire::Header;

use super::numbers::Place;
use crate::error::{OpenError, SetupError};
use crate::protection::{Members, place};

/// What names a key's numbers; never on the wire.
const COUNTER_LABEL: &[u8] = b"Coterie GBP numbers ";

/// The prepared keys. They wipe themselves.
pub struct ClassKeys {
    classes: [ClassKey; StreamClass::ALL.len()],
    /// Who numbers in which part, if the caller has said so.
    members: Option<(Place, Members)>,
}

struct ClassKey {
    key: AeadKey,
    /// From which the names of records grow.
    naming: Secret,
}

impl ClassKeys {
    /// Bytes of each key.
    pub const KEY_LENGTH: usize = 32;

    /// The label under which the exporter gives the key of `class`. The context is empty.
    #[must_use]
    pub const fn label(class: StreamClass) -> &'static str {
        match class {
            StreamClass::Control => "gbp/control",
            StreamClass::Audio => "gbp/audio",
            StreamClass::Text => "gbp/text",
            StreamClass::Signal => "gbp/signal",
        }
    }

    /// The keys that `exporter` gives when it is asked for label, context and length (RFC 9420, section 8.5).
    ///
    /// # Errors
    /// Those of `exporter`, and [`SetupError::Length`] when it gives another length.
    pub fn derive<E: From<SetupError>>(
        mut exporter: impl FnMut(&str, &[u8], usize) -> Result<Secret, E>,
    ) -> Result<Self, E> {
        let mut key = |class| {
            let secret = exporter(Self::label(class), &[], Self::KEY_LENGTH)?;
            ClassKey::new(&secret).map_err(E::from)
        };
        let [control, audio, text, signal] = StreamClass::ALL;
        Ok(Self { classes: [key(control)?, key(audio)?, key(text)?, key(signal)?], members: None })
    }

    /// Says who sits at the leaves of these keys' epoch, in whose tree `place` is. From then on a frame under a number of
    /// ours counts on its owner's streams alone, where streams are numbered in the standard way: the number is
    /// authenticated, and says whose it is. Peers of the published stack count from 1 and own no number.
    #[must_use]
    pub fn among(self, place: Place, members: Members) -> Self {
        Self { members: Some((place, members)), ..self }
    }

    /// The keys of the epoch with this exporter secret, in a suite whose hash is SHA-256.
    ///
    /// # Errors
    /// [`SetupError::Length`] for a secret that is not a hash's output.
    pub fn from_exporter_secret(secret: &Secret) -> Result<Self, SetupError> {
        if secret.len() != HashAlgorithm::Sha256.output_length() {
            return Err(SetupError::Length("the exporter secret"));
        }
        Self::derive(|label, context, length| {
            let derived = expand_with_label(secret, label, b"", HashAlgorithm::Sha256.output_length())?;
            let context = digest(HashAlgorithm::Sha256, context);
            Ok(expand_with_label(&derived, "exported", context.as_bytes(), length)?)
        })
    }

    /// Whether these are the keys of the same MLS epoch.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.classes.iter().zip(&other.classes).all(|(one, other)| one.naming == other.naming)
    }

    /// Whether the stream can be that of the member whose number it is. Our own numbers are no news to us, whoever brings
    /// them back.
    pub(super) fn check_owner(&self, header: &Header) -> Result<(), OpenError> {
        let Some((place, members)) = &self.members else { return Ok(()) };
        let owner = place.owner(header.sequence);
        if owner == Some(place.leaf()) {
            return Err(OpenError::Replay { stream: header.stream, sequence: header.sequence });
        }
        let owner = owner.and_then(|leaf| members.at(leaf));
        match (owner, header.stream.member(header.class)) {
            (Some(owner), Some(claimed)) if owner != claimed => {
                Err(OpenError::Sender { stream: header.stream, signer: None })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn key(&self, class: StreamClass) -> Result<&AeadKey, CryptoError> {
        Ok(&self.class(class)?.key)
    }

    /// The name of the record of the numbers that `leaf` uses under the key of `class`.
    pub(super) fn counter_id(&self, class: StreamClass, leaf: LeafIndex) -> Result<CounterId, CryptoError> {
        let naming = &self.class(class)?.naming;
        let leaf = leaf.number().to_be_bytes();
        CounterId::derive(|length| hkdf_expand(HashAlgorithm::Sha256, naming.expose(), &leaf, length))
    }

    fn class(&self, class: StreamClass) -> Result<&ClassKey, CryptoError> {
        self.classes.get(place(class)).ok_or(CryptoError::Internal("every class has its key"))
    }
}

impl fmt::Debug for ClassKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassKeys").finish_non_exhaustive()
    }
}

impl ClassKey {
    fn new(secret: &Secret) -> Result<Self, SetupError> {
        if secret.len() != ClassKeys::KEY_LENGTH {
            return Err(SetupError::Length("a class key"));
        }
        let hash = HashAlgorithm::Sha256;
        Ok(Self {
            key: AeadKey::new(AeadAlgorithm::ChaCha20Poly1305, secret.expose())?,
            naming: hkdf_expand(hash, secret.expose(), COUNTER_LABEL, hash.output_length())?,
        })
    }
}

/// RFC 9420, section 8. Labels and contexts here are shorter than 64 bytes, so their length is one byte.
fn expand_with_label(
    secret: &Secret,
    label: &str,
    context: &[u8],
    length: usize,
) -> Result<Secret, CryptoError> {
    let short = |length: usize| u8::try_from(length).map_err(|_| CryptoError::InvalidLength);
    let label = [b"MLS 1.0 ", label.as_bytes()].concat();
    let output = u16::try_from(length).map_err(|_| CryptoError::InvalidLength)?;
    let info =
        [output.to_be_bytes().as_slice(), &[short(label.len())?], &label, &[short(context.len())?], context]
            .concat();
    hkdf_expand(HashAlgorithm::Sha256, secret.expose(), &info, length)
}

/// A frame's number, then zeros.
pub(super) fn nonce(sequence: Sequence) -> [u8; NONCE_LENGTH] {
    let mut nonce = [0; NONCE_LENGTH];
    if let Some(front) = nonce.first_chunk_mut() {
        *front = sequence.number().to_be_bytes();
    }
    nonce
}
