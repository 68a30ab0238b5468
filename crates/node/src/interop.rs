//! Key packages that were made elsewhere, with their private keys: what published vectors begin with. Never in a
//! published addon.

use coterie_mls::interop::PrivateKeys;
use napi_derive::napi;

use crate::answer::guarded;
use crate::bytes::Uint8Array;
use crate::device::NativeDevice;
use crate::failure::{Outcome, outcome};

/// The private keys behind one key package.
#[napi(object, object_to_js = false)]
pub struct NativePrivateKeys {
    /// Of its init key.
    pub init: Uint8Array,
    /// Of its leaf's encryption key.
    pub encryption: Uint8Array,
    /// Of its leaf's signature key.
    pub signature: Uint8Array,
}

#[napi]
impl NativeDevice {
    /// Takes over a key package with its private keys.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
    pub fn import_key_package(&self, key_package: Uint8Array, keys: NativePrivateKeys) -> Outcome<()> {
        let private = PrivateKeys {
            init: keys.init.into(),
            encryption: keys.encryption.into(),
            signature: keys.signature.into(),
        };
        outcome(guarded(|| Ok(self.device.import_key_package(&key_package, &private)?)))
    }
}
