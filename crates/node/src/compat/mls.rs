//! MLS contexts.

use std::sync::Arc;

use coterie_compat::{MessageKind, MlsContext};
use coterie_crypto::entropy::OsEntropy;
use coterie_types::LeafIndex;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::answer::guarded;
use crate::arguments::timestamp;
use crate::bytes::Uint8Array;
use crate::failure::{Outcome, outcome};
use crate::held::Held;

/// One identity with its group.
#[napi]
pub struct NativeCompatMls {
    pub(super) context: Held<MlsContext>,
}

/// A commit that adds somebody, and what that one joins by.
#[napi(object, object_from_js = false)]
pub struct NativeCompatInvitation {
    /// For everybody in the group.
    pub commit: Uint8Array,
    /// For the one who is added.
    pub welcome: Uint8Array,
}

#[napi]
impl NativeCompatMls {
    /// A new identity alone in a group.
    #[napi(catch_unwind, ts_return_type = "NativeCompatMls | NativeFailure")]
    pub fn create(identity: String, now: f64) -> Outcome<NativeCompatMls> {
        outcome(guarded(|| {
            let context = MlsContext::create(identity.as_bytes(), Arc::new(OsEntropy), timestamp(now))?;
            Ok(Self { context: Held::new(context) })
        }))
    }

    /// A context as it was exported.
    #[napi(catch_unwind, ts_return_type = "NativeCompatMls | NativeFailure")]
    pub fn restore(state: Uint8Array) -> Outcome<NativeCompatMls> {
        outcome(guarded(|| {
            let context = MlsContext::restore(&state, Arc::new(OsEntropy))?;
            Ok(Self { context: Held::new(context) })
        }))
    }

    /// Where the group is.
    #[napi(catch_unwind, ts_return_type = "bigint | NativeFailure")]
    pub fn epoch(&self) -> Outcome<BigInt> {
        self.context.look(|context| context.epoch().number().into())
    }

    /// The group's name.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn group_id(&self) -> Outcome<Uint8Array> {
        self.context.look(|context| context.group_id().as_bytes().into())
    }

    /// The key package by which others add this context.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn key_package(&self, now: f64) -> Outcome<Uint8Array> {
        self.context.with(|context| Ok(context.key_package(timestamp(now))?.into()))
    }

    /// Adds somebody at once.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn invite(&self, key_package: Uint8Array, now: f64) -> Outcome<Uint8Array> {
        self.context.with(|context| Ok(context.invite_first(&key_package, timestamp(now))?.into()))
    }

    /// A commit that adds somebody.
    #[napi(catch_unwind, ts_return_type = "NativeCompatInvitation | NativeFailure")]
    pub fn invite_full(&self, key_package: Uint8Array, now: f64) -> Outcome<NativeCompatInvitation> {
        self.context.with(|context| {
            let (commit, welcome) = context.invite(&key_package, timestamp(now))?;
            Ok(NativeCompatInvitation { commit: commit.into(), welcome: welcome.into() })
        })
    }

    /// A commit that removes the member at a leaf.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn remove(&self, leaf: u32, now: f64) -> Outcome<Uint8Array> {
        self.context.with(|context| Ok(context.remove(LeafIndex::new(leaf), timestamp(now))?.into()))
    }

    /// Takes in a message of the group.
    #[napi(catch_unwind, ts_return_type = "'commit' | 'application' | 'proposal' | NativeFailure")]
    pub fn process(&self, message: Uint8Array, now: f64) -> Outcome<String> {
        self.context.with(|context| {
            let kind = match context.process(&message, timestamp(now))? {
                MessageKind::Commit => "commit",
                MessageKind::Application => "application",
                MessageKind::Proposal => "proposal",
            };
            Ok(kind.to_owned())
        })
    }

    /// Moves on by the commit that waits.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn finalize(&self) -> Outcome<()> {
        self.context.with(|context| Ok(context.finalize()?))
    }

    /// Drops the commits that wait.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn clear_pending(&self) -> Outcome<()> {
        self.context.with(|context| Ok(context.clear_pending()?))
    }

    /// Joins a group.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn accept_welcome(&self, welcome: Uint8Array, now: f64) -> Outcome<()> {
        self.context.with(|context| Ok(context.accept_welcome(&welcome, timestamp(now))?))
    }

    /// The whole context, private keys and all.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn export_state(&self) -> Outcome<Uint8Array> {
        self.context.with(|context| Ok(context.export()?.into()))
    }

    /// Lets go of it.
    #[napi]
    pub fn close(&self) {
        self.context.close();
    }
}
