//! Every cryptographic primitive of Coterie, over aws-lc.
//!
//! The only core that names a cryptography library: the layers above speak of [`aead`], [`ctr_hmac`], [`hash`],
//! [`counters`], [`signature`], [`certificate`] and [`hpke`], and can neither pick an algorithm that is not listed here nor
//! get at a key's
//! bytes by accident. Key types wipe themselves on drop, cannot be cloned, and never print what they hold.
//!
//! No I/O and no clock. Randomness comes in through [`entropy::Entropy`]; the one exception is the nonce of
//! a P-256 signature, which aws-lc draws inside itself (see [`signature`]).

pub mod aead;
pub mod certificate;
pub mod content_key;
pub mod counters;
pub mod ctr_hmac;
pub mod entropy;
pub mod error;
pub mod hash;
pub mod hpke;
#[cfg(feature = "nonce-ledger")]
pub mod nonce_ledger;
pub mod secret;
pub mod signature;
#[cfg(feature = "vectors")]
pub mod vectors;

pub use entropy::{Entropy, EntropyError};
pub use error::CryptoError;
pub use secret::Secret;
