//! A device across the boundary.

use std::sync::Arc;

use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{Device, GroupOptions, KeyPackageOptions, Suite};
use coterie_store::sql::Options;
use coterie_store::{Key, MemoryStore, Rekey, SqlStore};
use coterie_types::GroupId;
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, at_once, elsewhere, guarded};
use crate::arguments::{duration, invalid, timestamp};
use crate::bytes::Uint8Array;
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::group::NativeGroup;
use crate::identity::{Identity, NativeCandidate, NativeIdentity, candidates};
use crate::values::NativeKeyPackageInfo;

/// One installation of one user.
#[napi]
pub struct NativeDevice {
    pub(crate) device: Device,
    /// What is to be closed with it; none for a device in memory.
    file: Option<Arc<SqlStore>>,
}

/// Where a device is stored, and what opens that.
#[napi(object, object_to_js = false)]
pub struct NativeStoreOptions {
    /// The database's path.
    pub path: String,
    /// What opens it; either this or `key`.
    pub passphrase: Option<Uint8Array>,
    /// The 32 bytes that open it.
    pub key: Option<Uint8Array>,
    /// Whether a store that is not there is made.
    pub create: bool,
}

/// A new key for a store.
#[napi(object, object_to_js = false)]
pub struct NativeRekey {
    /// What opens it from now on; either this or `key`.
    pub passphrase: Option<Uint8Array>,
    /// The 32 bytes that open it from now on.
    pub key: Option<Uint8Array>,
    /// Whether everything stored is encrypted again, which shuts out who has the old key and an old copy.
    pub reencrypt: bool,
}

fn store_key(passphrase: Option<Uint8Array>, key: Option<Uint8Array>) -> Result<Key, NativeFailure> {
    match (passphrase, key) {
        (Some(passphrase), None) => Ok(Key::passphrase(&passphrase)?),
        (None, Some(key)) => match <&[u8; 32]>::try_from(&*key) {
            Ok(key) => Ok(Key::raw(key)),
            Err(_) => Err(invalid("key must have 32 bytes")),
        },
        _ => Err(invalid("either a passphrase or a key is needed")),
    }
}

/// How key packages are made.
#[napi(object, object_to_js = false)]
pub struct NativeKeyPackageOptions {
    /// How many.
    pub count: u32,
    /// The suite they are for.
    pub suite: Option<String>,
    /// Whether they may be used more than once.
    pub last_resort: Option<bool>,
    /// How long they may be used, in milliseconds.
    pub lifetime: Option<f64>,
}

fn suite(name: Option<String>) -> Result<Option<Suite>, NativeFailure> {
    Ok(name.map(|name| Suite::from_name(&name)).transpose()?)
}

#[napi]
impl NativeDevice {
    /// Makes a new device in memory.
    #[napi(catch_unwind, ts_return_type = "NativeDevice | NativeFailure")]
    pub fn create(identity: NativeIdentity, now: f64) -> Outcome<NativeDevice> {
        let create = || -> Result<Self, NativeFailure> {
            let identity = Identity::parse(identity)?;
            let device = identity.open_or_create(Arc::new(MemoryStore::default()), timestamp(now))?;
            Ok(Self { device, file: None })
        };
        outcome(guarded(create))
    }

    /// Opens the device that a file holds, or makes one there.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeDevice | NativeFailure | Promise<NativeDevice | NativeFailure>"
    )]
    pub fn open<'env>(
        env: &'env Env,
        store: NativeStoreOptions,
        identity: NativeIdentity,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeDevice>> {
        let parse = || {
            let key = store_key(store.passphrase, store.key)?;
            Ok((key, Identity::parse(identity)?))
        };
        let (key, identity) = match parse() {
            Ok(parsed) => parsed,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let work = move || -> Result<Self, NativeFailure> {
            let options = Options { create: store.create, ..Options::default() };
            let file = Arc::new(SqlStore::open(store.path, &key, &OsEntropy, &options)?);
            let device = identity.open_or_create(Arc::clone(&file) as _, timestamp(now))?;
            Ok(Self { device, file: Some(file) })
        };
        elsewhere(env, Cancelled::by(cancellation), work, |device| device)
    }

    /// Makes another key the one that opens the store.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn rekey<'env>(
        &self,
        env: &'env Env,
        order: NativeRekey,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let how = if order.reencrypt { Rekey::Reencrypt } else { Rekey::Rewrap };
        let key = match store_key(order.passphrase, order.key) {
            Ok(key) => key,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let Some(file) = self.file.clone() else {
            return Ok(Either::A(Either::B(invalid("a device in memory has no key"))));
        };
        let work = move || Ok(file.rekey(&key, how, &OsEntropy)?);
        elsewhere(env, Cancelled::by(cancellation), work, |()| ())
    }

    /// Closes the store, if there is one, once what is under way is done.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, ()>> {
        match self.file.clone() {
            None => Ok(Either::A(Either::A(()))),
            Some(file) => elsewhere(env, Cancelled::default(), move || Ok(file.close()?), |()| ()),
        }
    }

    /// Loads a group that this device is in.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroup | null | NativeFailure | Promise<NativeGroup | null | NativeFailure>"
    )]
    pub fn open_group<'env>(
        &self,
        env: &'env Env,
        id: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<NativeGroup>>> {
        let (device, id) = (self.device.clone(), GroupId::new(&id));
        let work = move || Ok(device.open_group(&id?)?);
        elsewhere(env, Cancelled::by(cancellation), work, |group| group.map(NativeGroup::new))
    }

    /// Whom its credential names.
    #[napi(getter)]
    pub fn identity(&self) -> Uint8Array {
        self.device.identity().into()
    }

    /// The suite used where a call names none.
    #[napi(getter)]
    pub fn suite(&self) -> String {
        self.device.suite().name().to_owned()
    }

    /// The key its messages are verified with in groups of a suite.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn signature_key(&self, suite_name: String) -> Outcome<Uint8Array> {
        outcome(guarded(|| Ok(self.device.signature_key(Suite::from_name(&suite_name)?).into())))
    }

    /// Makes key packages.
    #[napi(
        catch_unwind,
        ts_return_type = "Uint8Array[] | NativeFailure | Promise<Uint8Array[] | NativeFailure>"
    )]
    pub fn key_packages<'env>(
        &self,
        env: &'env Env,
        options: NativeKeyPackageOptions,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<Uint8Array>>> {
        let device = self.device.clone();
        let count = usize::try_from(options.count).unwrap_or(usize::MAX);
        let suite = match suite(options.suite) {
            Ok(suite) => suite,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let options = KeyPackageOptions {
            suite,
            last_resort: options.last_resort.unwrap_or_default(),
            lifetime: options.lifetime.map(duration),
        };
        let quick = device.makes_key_packages_quickly(count);
        let work = move || Ok(device.key_packages(count, options, timestamp(now))?);
        if quick {
            return Ok(at_once(|| work().map(arrays)));
        }
        elsewhere(env, Cancelled::by(cancellation), work, arrays)
    }

    /// Checks a key package.
    #[napi(catch_unwind, ts_return_type = "NativeKeyPackageInfo | NativeFailure")]
    pub fn inspect_key_package(&self, key_package: Uint8Array, now: f64) -> Outcome<NativeKeyPackageInfo> {
        outcome(guarded(|| Ok(self.device.inspect_key_package(&key_package, timestamp(now))?.into())))
    }

    /// Begins a group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroup | NativeFailure | Promise<NativeGroup | NativeFailure>"
    )]
    pub fn create_group<'env>(
        &self,
        env: &'env Env,
        id: Option<Uint8Array>,
        suite_name: Option<String>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroup>> {
        let options = || -> Result<GroupOptions, NativeFailure> {
            Ok(GroupOptions { id: id.as_deref().map(GroupId::new).transpose()?, suite: suite(suite_name)? })
        };
        let options = match options() {
            Ok(options) => options,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let device = self.device.clone();
        let quick = device.makes_groups_quickly();
        let work = move || Ok(device.create_group(options, timestamp(now))?);
        if quick {
            return Ok(at_once(|| work().map(NativeGroup::new)));
        }
        elsewhere(env, Cancelled::by(cancellation), work, NativeGroup::new)
    }

    /// Joins a group.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroup | NativeFailure | Promise<NativeGroup | NativeFailure>"
    )]
    pub fn join<'env>(
        &self,
        env: &'env Env,
        welcome: Uint8Array,
        ratchet_tree: Option<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroup>> {
        let device = self.device.clone();
        let quick = ratchet_tree.is_none() && device.joins_quickly(&welcome);
        let work = move || Ok(device.join(&welcome, ratchet_tree.as_deref(), timestamp(now))?);
        if quick {
            return Ok(at_once(|| work().map(NativeGroup::new)));
        }
        elsewhere(env, Cancelled::by(cancellation), work, NativeGroup::new)
    }

    /// Who is in the group that a Welcome is for.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn welcomed_by<'env>(
        &self,
        env: &'env Env,
        welcome: Uint8Array,
        ratchet_tree: Option<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let device = self.device.clone();
        let work = move || Ok(device.welcomed_by(&welcome, ratchet_tree.as_deref(), timestamp(now))?);
        elsewhere(env, Cancelled::by(cancellation), work, candidates)
    }
}

pub(crate) fn arrays(all: Vec<Vec<u8>>) -> Vec<Uint8Array> {
    all.into_iter().map(Uint8Array::from).collect()
}
