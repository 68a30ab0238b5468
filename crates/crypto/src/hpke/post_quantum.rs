//! X-Wing and ML-KEM-768.
//!
//! Private keys are seeds: 32 bytes for X-Wing, 64 for ML-KEM. A tampered ciphertext gives a different secret
//! instead of an error, as FIPS 203 asks, so that nothing is learned from trying; only what no sender could
//! have made (a wrong length, an X25519 point of low order) is refused.

use hpke_rs_crypto::CryptoRng;
use hpke_rs_crypto::error::Error;
use hpke_rs_crypto::types::KemAlgorithm;
use ml_kem::kem::{Decapsulate, Decapsulator, Encapsulate, KeyExport, TryKeyInit};
use x_wing::TryDecapsulate;
use zeroize::Zeroizing;

/// Length of the X25519 point at the end of X-Wing's public keys and ciphertexts.
const X25519_LENGTH: usize = 32;

/// Every encoding of an X25519 point whose order divides eight, with the ignored top bit cleared.
///
/// In order: 0, 1, the two points of order 8, p - 1, p and p + 1.
const LOW_ORDER: [[u8; X25519_LENGTH]; 7] = [
    low_order(0x00, 0x00, 0x00),
    low_order(0x01, 0x00, 0x00),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    low_order(0xec, 0xff, 0x7f),
    low_order(0xed, 0xff, 0x7f),
    low_order(0xee, 0xff, 0x7f),
];

/// The key pair of `seed`: public key, then private key.
pub(super) fn key_pair(kem: KemAlgorithm, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let public_key = match kem {
        KemAlgorithm::XWingDraft06 => x_wing_seed(seed)
            .map(|seed| x_wing::DecapsulationKey::from(*seed).encapsulation_key().to_bytes().to_vec()),
        KemAlgorithm::MlKem768 => {
            ml_kem_private(seed).map(|private| private.encapsulation_key().to_bytes().to_vec())
        }
        _ => Err(Error::UnknownKemAlgorithm),
    }?;
    Ok((public_key, seed.to_vec()))
}

/// A fresh secret and its encapsulation to `public_key`.
pub(super) fn encapsulate(
    kem: KemAlgorithm,
    public_key: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let invalid = |_| Error::KemInvalidPublicKey;
    match kem {
        KemAlgorithm::XWingDraft06 => {
            refuse_low_order(public_key).ok_or(Error::KemInvalidPublicKey)?;
            let key = x_wing::EncapsulationKey::new_from_slice(public_key).map_err(invalid)?;
            let (encapsulated, shared) = key.encapsulate_with_rng(rng);
            let shared = Zeroizing::new(shared.0);
            Ok((shared.to_vec(), encapsulated.to_vec()))
        }
        KemAlgorithm::MlKem768 => {
            let key = ml_kem::EncapsulationKey768::new_from_slice(public_key).map_err(invalid)?;
            let (encapsulated, shared) = key.encapsulate_with_rng(rng);
            let shared = Zeroizing::new(shared.0);
            Ok((shared.to_vec(), encapsulated.to_vec()))
        }
        _ => Err(Error::UnknownKemAlgorithm),
    }
}

/// The secret in `encapsulated`, for the owner of the seed `private_key`.
pub(super) fn decapsulate(
    kem: KemAlgorithm,
    encapsulated: &[u8],
    private_key: &[u8],
) -> Result<Vec<u8>, Error> {
    let shared = match kem {
        KemAlgorithm::XWingDraft06 => {
            let ciphertext =
                x_wing::Ciphertext::try_from(encapsulated).map_err(|_| Error::KemInvalidCiphertext)?;
            x_wing::DecapsulationKeyRejectNonContrib::from(*x_wing_seed(private_key)?)
                .try_decapsulate(&ciphertext)
                .map_err(|_| Error::KemInvalidPublicKey)?
        }
        KemAlgorithm::MlKem768 => {
            let ciphertext = ml_kem::ml_kem_768::Ciphertext::try_from(encapsulated)
                .map_err(|_| Error::KemInvalidCiphertext)?;
            ml_kem_private(private_key)?.decapsulate(&ciphertext)
        }
        _ => return Err(Error::UnknownKemAlgorithm),
    };
    Ok(Zeroizing::new(shared.0).to_vec())
}

fn x_wing_seed(private_key: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    private_key.try_into().map(Zeroizing::new).map_err(|_| Error::KemInvalidSecretKey)
}

fn ml_kem_private(seed: &[u8]) -> Result<ml_kem::DecapsulationKey768, Error> {
    let seed = ml_kem::Seed::try_from(seed).map_err(|_| Error::KemInvalidSecretKey)?;
    Ok(ml_kem::DecapsulationKey768::from_seed(seed))
}

/// Passes an X-Wing public key whose X25519 half is not of low order.
fn refuse_low_order(public_key: &[u8]) -> Option<()> {
    let mut point = *public_key.last_chunk::<X25519_LENGTH>()?;
    *point.last_mut()? &= 0x7f;
    (!LOW_ORDER.contains(&point)).then_some(())
}

/// A number of which only the lowest and the highest byte differ from the bytes between.
const fn low_order(lowest: u8, between: u8, highest: u8) -> [u8; X25519_LENGTH] {
    let mut bytes = [between; X25519_LENGTH];
    let (first, rest) = bytes.split_at_mut(1);
    first.copy_from_slice(&[lowest]);
    let (_, last) = rest.split_at_mut(30);
    last.copy_from_slice(&[highest]);
    bytes
}
