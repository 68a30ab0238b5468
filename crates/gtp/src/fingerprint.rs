//! What tells two messages under one number apart.

use std::sync::Arc;

use coterie_crypto::content_key::{CONTENT_KEY_LENGTH, ContentKey};
use coterie_wire::payload::{PayloadError, TextMessage};
use coterie_wire::{Codec, Malformed};

use crate::cut::{digest, hasher};

/// What is remembered of a message besides its sender and number.
pub(crate) type Fingerprint = [u8; 32];

/// How a member makes them. They are its own affair: no other member ever sees one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Fingerprints {
    /// By SHA-256, as who was given no key does, and who goes on with what was stored before there were keys.
    #[default]
    Digest,
    /// By a tag under a key that nobody else knows.
    Keyed(Arc<ContentKey>),
}

impl Fingerprints {
    pub(crate) fn keyed(key: ContentKey) -> Self {
        Self::Keyed(Arc::new(key))
    }

    pub(crate) fn key(&self) -> Option<&[u8; CONTENT_KEY_LENGTH]> {
        match self {
            Self::Digest => None,
            Self::Keyed(key) => Some(key.expose()),
        }
    }

    /// Of a message, whatever codec it came in.
    pub(crate) fn of(&self, message: &TextMessage) -> Result<Fingerprint, PayloadError> {
        match self {
            Self::Digest => by_digest(message),
            Self::Keyed(key) => by_tag(message, key),
        }
    }
}

/// Of its fields without the content, and of the content behind them, which is not copied for it.
fn by_digest(message: &TextMessage) -> Result<Fingerprint, PayloadError> {
    let &TextMessage { id, sender, sent_at, request, flags, content_type, ref content } = message;
    let head = TextMessage { id, sender, sent_at, request, flags, content_type, content: Vec::new() };
    let mut hasher = hasher();
    hasher.update(&head.encode(Codec::Cbor)?);
    hasher.update(content);
    Ok(digest(hasher))
}

/// The fields as they are, but for sender and number, under which it is kept; and the content's tag.
fn by_tag(message: &TextMessage, key: &ContentKey) -> Result<Fingerprint, PayloadError> {
    let TextMessage { sent_at, request, flags, content_type, content, .. } = message;
    let tag = key.tag(content).map_err(|_| Malformed::TooLong)?;
    let fields = sent_at.as_millis().to_le_bytes().into_iter().chain(request.number().to_le_bytes());
    let all = fields.chain([flags.bits(), content_type.number()]).chain(tag);
    let mut fingerprint = Fingerprint::default();
    fingerprint.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    Ok(fingerprint)
}
