//! Media sessions and encryptors.

use coterie_compat::{MediaEncryptor, MediaSession, MediaSuite};
use coterie_types::LeafIndex;
use napi_derive::napi;

use super::mls::NativeCompatMls;
use crate::answer::guarded;
use crate::arguments::timestamp;
use crate::bytes::Uint8Array;
use crate::failure::{Outcome, outcome};
use crate::held::Held;

/// Opens the media frames of one epoch.
#[napi]
pub struct NativeCompatMediaSession(Held<MediaSession>);

/// Seals media frames of one leaf.
#[napi]
pub struct NativeCompatMediaEncryptor(Held<MediaEncryptor>);

/// A media frame that was opened.
#[napi(object, object_from_js = false)]
pub struct NativeCompatOpenedMedia {
    /// The frame.
    pub plaintext: Uint8Array,
    /// Whose key it was sealed under.
    pub sender_leaf: u32,
}

#[napi]
impl NativeCompatMediaSession {
    /// A session for the present epoch.
    #[napi(catch_unwind, ts_return_type = "NativeCompatMediaSession | NativeFailure")]
    pub fn create(mls: &NativeCompatMls, label: String, suite: u32) -> Outcome<NativeCompatMediaSession> {
        outcome(guarded(|| {
            let suite = MediaSuite::from_number(suite)?;
            let session = mls.context.lend(|context| Ok(MediaSession::new(context, &label, suite)?))?;
            Ok(Self(Held::new(session)))
        }))
    }

    /// An encryptor for the session's epoch.
    #[napi(catch_unwind, ts_return_type = "NativeCompatMediaEncryptor | NativeFailure")]
    pub fn encryptor(
        &self,
        mls: &NativeCompatMls,
        leaf: u32,
        label: Option<String>,
        suite: Option<u32>,
    ) -> Outcome<NativeCompatMediaEncryptor> {
        outcome(guarded(|| {
            let suite = suite.map(MediaSuite::from_number).transpose()?;
            let (leaf, label) = (LeafIndex::new(leaf), label.as_deref());
            let made = |session: &mut MediaSession| {
                mls.context.lend(|context| Ok(session.encryptor(context, leaf, label, suite)?))
            };
            Ok(NativeCompatMediaEncryptor(Held::new(self.0.lend(made)?)))
        }))
    }

    /// Opens a frame.
    #[napi(catch_unwind, ts_return_type = "NativeCompatOpenedMedia | NativeFailure")]
    pub fn decrypt(
        &self,
        payload: Uint8Array,
        metadata: Uint8Array,
        now: f64,
    ) -> Outcome<NativeCompatOpenedMedia> {
        outcome(guarded(|| {
            let opened = self.0.lend(|session| Ok(session.open(&payload, &metadata, timestamp(now))?))?;
            Ok(NativeCompatOpenedMedia {
                plaintext: opened.plaintext.into(),
                sender_leaf: opened.sender.number(),
            })
        }))
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}

#[napi]
impl NativeCompatMediaEncryptor {
    /// Seals a frame.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn encrypt(&self, plaintext: Uint8Array, metadata: Uint8Array) -> Outcome<Uint8Array> {
        self.0.with(|encryptor| Ok(encryptor.seal(&plaintext, &metadata)?.into()))
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}
