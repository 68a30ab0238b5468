//! Attachments that are sent: what they are, and where they are cut.

use std::ops::Range;

use coterie_crypto::hash::{HashAlgorithm, Hasher};
use coterie_wire::payload::{AttachmentId, Chunk, Digest, Manifest};

use crate::error::AttachmentError;
use crate::limits::{MAX_CHUNK, MAX_CHUNKS};

/// An attachment cut into pieces of one length, the last of which may be shorter. It holds none of the data: whoever
/// sends asks for a [`Self::range`], reads it, and makes a [`Self::piece`] of it when the link takes one more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cut {
    manifest: Manifest,
    length: u32,
}

/// Compares data that comes in pieces with what a manifest announced.
#[derive(Clone, Debug)]
pub struct IntegrityCheck {
    size: u64,
    digest: Digest,
    taken: u64,
    hasher: Hasher,
}

/// What an attachment is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Label<'a> {
    /// Its name, without folders.
    pub filename: &'a str,
    /// Its MIME type.
    pub mime_type: &'a str,
}

/// SHA-256 of data that comes in pieces, for a manifest.
#[must_use]
pub fn hasher() -> Hasher {
    Hasher::new(HashAlgorithm::Sha256)
}

/// SHA-256 of data.
#[must_use]
pub fn digest_of(data: &[u8]) -> Digest {
    let mut hasher = hasher();
    hasher.update(data);
    digest(hasher)
}

pub(crate) fn digest(hasher: Hasher) -> Digest {
    let mut digest = Digest::default();
    digest.iter_mut().zip(hasher.finish().as_bytes()).for_each(|(to, from)| *to = *from);
    digest
}

impl Cut {
    /// An attachment of `size` bytes with this digest, in pieces of `length` bytes. Zero counts as one.
    ///
    /// # Errors
    /// When that makes too many pieces or too long ones, or the label is too long.
    pub fn new(
        id: AttachmentId,
        label: Label<'_>,
        (size, digest): (u64, Digest),
        length: u32,
    ) -> Result<Self, AttachmentError> {
        let length = length.max(1);
        if length > MAX_CHUNK {
            return Err(AttachmentError::Cut);
        }
        let chunks = u32::try_from(size.div_ceil(length.into())).map_err(|_| AttachmentError::TooLarge)?;
        if chunks > MAX_CHUNKS {
            return Err(AttachmentError::TooLarge);
        }
        let manifest = Manifest::new(id, label.filename, label.mime_type, (size, chunks), digest);
        Ok(Self { manifest: manifest.map_err(AttachmentError::Payload)?, length })
    }

    /// The same of data that is at hand.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(id: AttachmentId, label: Label<'_>, data: &[u8], length: u32) -> Result<Self, AttachmentError> {
        let size = u64::try_from(data.len()).map_err(|_| AttachmentError::TooLarge)?;
        Self::new(id, label, (size, digest_of(data)), length)
    }

    /// What is sent first.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the piece at `index` lies in the data.
    #[must_use]
    pub fn range(&self, index: u32) -> Option<Range<u64>> {
        let start = u64::from(index).saturating_mul(self.length.into());
        let end = start.saturating_add(self.length.into()).min(self.manifest.size());
        (index < self.manifest.chunks()).then_some(start..end)
    }

    /// The piece at `index`.
    ///
    /// # Errors
    /// When there is none, or the data have another length than its range.
    pub fn piece(&self, index: u32, data: Vec<u8>) -> Result<Chunk, AttachmentError> {
        let range = self.range(index).ok_or(AttachmentError::Cut)?;
        if u64::try_from(data.len()).ok() != range.end.checked_sub(range.start) {
            return Err(AttachmentError::Cut);
        }
        let chunk = Chunk::new(self.manifest.id(), index, self.manifest.chunks(), data);
        chunk.map_err(AttachmentError::Payload)
    }
}

impl IntegrityCheck {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        Self { size: manifest.size(), digest: *manifest.digest(), taken: 0, hasher: hasher() }
    }

    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.taken = self.taken.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.hasher.update(data);
    }

    /// Whether the pieces are what was announced. Nothing of them is to be used before.
    ///
    /// # Errors
    /// When they are not.
    pub fn finish(self) -> Result<(), AttachmentError> {
        let same = self.taken == self.size && digest(self.hasher) == self.digest;
        if same { Ok(()) } else { Err(AttachmentError::Integrity) }
    }
}
