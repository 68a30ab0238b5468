//! What a device holds, across the boundary: groups, key packages, pre-shared keys.

use coterie_mls::{Device, KeyPackageStock, Suite};
use coterie_types::GroupId;
use napi::Env;
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, elsewhere};
use crate::arguments::timestamp;
use crate::bytes::Uint8Array;
use crate::device::{NativeDevice, arrays};
use crate::failure::NativeFailure;

/// The key packages that a device holds private keys for.
#[napi(object, object_from_js = false)]
pub struct NativeKeyPackageStock {
    /// Good for one use, and for a while yet.
    pub usable: u32,
    /// Good for any number of uses, and for a while yet.
    pub last_resort: u32,
    /// Valid, but close to their end.
    pub ending: u32,
    /// No longer valid.
    pub expired: u32,
    /// How many to make and publish now.
    pub wanted: u32,
    /// Whether to make and publish one of last resort now.
    pub wants_last_resort: bool,
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl From<KeyPackageStock> for NativeKeyPackageStock {
    fn from(stock: KeyPackageStock) -> Self {
        Self {
            usable: count(stock.usable),
            last_resort: count(stock.last_resort),
            ending: count(stock.ending),
            expired: count(stock.expired),
            wanted: count(stock.wanted()),
            wants_last_resort: stock.wants_last_resort(),
        }
    }
}

impl NativeDevice {
    /// Work on the device's rows, of which there may be many.
    fn on_rows<'env, T, V>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
        work: impl FnOnce(&Device) -> Result<V, NativeFailure> + Send + 'static,
        convert: fn(V) -> T,
    ) -> napi::Result<Answer<'env, T>>
    where
        T: napi::bindgen_prelude::ToNapiValue + 'static,
        V: Send + 'static,
    {
        let device = self.device.clone();
        elsewhere(env, Cancelled::by(cancellation), move || work(&device), convert)
    }
}

#[napi]
impl NativeDevice {
    /// The ids of the groups that this device is in.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint8Array[] | NativeFailure>")]
    pub fn groups<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<Uint8Array>>> {
        let work = |device: &Device| {
            Ok(device.groups()?.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        self.on_rows(env, cancellation, work, arrays)
    }

    /// Forgets a group and every key of it.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean | NativeFailure>")]
    pub fn forget_group<'env>(
        &self,
        env: &'env Env,
        id: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, bool>> {
        let work = move |device: &Device| Ok(device.forget_group(&GroupId::new(&id)?)?);
        self.on_rows(env, cancellation, work, |there| there)
    }

    /// What this device holds of key packages for a suite.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeKeyPackageStock | NativeFailure>")]
    pub fn key_package_stock<'env>(
        &self,
        env: &'env Env,
        suite_name: String,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeKeyPackageStock>> {
        let work = move |device: &Device| {
            Ok(device.key_package_stock(Suite::from_name(&suite_name)?, timestamp(now))?)
        };
        self.on_rows(env, cancellation, work, NativeKeyPackageStock::from)
    }

    /// How many key packages of any suite could still be used.
    #[napi(catch_unwind, ts_return_type = "Promise<number | NativeFailure>")]
    pub fn key_package_count<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, u32>> {
        let work = move |device: &Device| Ok(device.key_package_count(timestamp(now))?);
        self.on_rows(env, cancellation, work, count)
    }

    /// Forgets key packages that expired long ago.
    #[napi(catch_unwind, ts_return_type = "Promise<number | NativeFailure>")]
    pub fn forget_expired_key_packages<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, u32>> {
        let work = move |device: &Device| Ok(device.forget_expired_key_packages(timestamp(now))?);
        self.on_rows(env, cancellation, work, count)
    }

    /// Stores a pre-shared key.
    #[napi(catch_unwind, ts_return_type = "Promise<undefined | NativeFailure>")]
    pub fn store_psk<'env>(
        &self,
        env: &'env Env,
        id: Uint8Array,
        secret: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let secret = zeroize::Zeroizing::new(Vec::from(secret));
        let work = move |device: &Device| Ok(device.store_psk(&id, &secret)?);
        self.on_rows(env, cancellation, work, |()| ())
    }

    /// Forgets a pre-shared key.
    #[napi(catch_unwind, ts_return_type = "Promise<undefined | NativeFailure>")]
    pub fn forget_psk<'env>(
        &self,
        env: &'env Env,
        id: Uint8Array,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.on_rows(env, cancellation, move |device| Ok(device.forget_psk(&id)?), |()| ())
    }
}
