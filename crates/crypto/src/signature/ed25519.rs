//! Ed25519 with one rule for its edge cases.
//!
//! RFC 8032 leaves choices open, and implementations differ in them; members of one group who answer
//! differently about one signature end up in different epochs. The rule here, for every signature, wherever
//! it comes from:
//!
//! 1. The signature has 64 bytes, and its scalar S is below the group order.
//! 2. The key A and the point R are canonical encodings of points: y < p, and no sign bit on x = 0.
//! 3. Neither A nor R is one of the eight points of small order, for which one signature fits many messages.
//! 4. The equation holds without the cofactor: encode(\[S\]B - \[k\]A) is R, byte for byte.
//!
//! That is `verify_strict` of ed25519-dalek with canonical keys on top. The bytes are checked first, which
//! costs nanoseconds, and then any verifier that computes (4) by comparing encodings fits, since (4) makes R
//! canonical. ed25519-dalek's plain `verify` is one. Against aws-lc's it takes 46 to 68 µs on the machine of
//! the project's performance notes, and the same within 2 % in an optimised build where this was chosen (36.0
//! to 36.4 µs); its own strict form takes 41.8 there. Verification handles public data only, so constant time
//! does not matter. aws-lc, the faster signer by the same notes, makes the signatures.

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};

use crate::error::CryptoError;

/// Length of an encoded point.
pub(super) const PUBLIC_KEY_LENGTH: usize = 32;

/// The y coordinates of the points of order 1, 2, 4 and 8, little-endian and with the sign bit cleared.
///
/// Order 8 has two of them, order 4 has y = 0; with both signs that makes all eight points.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    little_endian(1, 0x00, 0x00),
    little_endian(0xec, 0xff, 0x7f),
    little_endian(0, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// The field's prime, 2^255 - 19, little-endian.
const PRIME: [u8; 32] = little_endian(0xed, 0xff, 0x7f);

/// Prepares a key for signing from its 32-byte seed.
pub(super) fn prepare(seed: &[u8]) -> Result<Ed25519KeyPair, CryptoError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CryptoError::InvalidKey)
}

/// Verifies by the rule at the top of this file.
pub(super) fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let public_key: &[u8; PUBLIC_KEY_LENGTH] =
        public_key.try_into().map_err(|_| CryptoError::InvalidLength)?;
    if !is_sound(public_key) {
        return Err(CryptoError::InvalidKey);
    }
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| CryptoError::InvalidKey)?;

    let signature = Signature::from_slice(signature).map_err(|_| CryptoError::NotAuthentic)?;
    if !is_sound(signature.r_bytes()) {
        return Err(CryptoError::NotAuthentic);
    }
    key.verify(message, &signature).map_err(|_| CryptoError::NotAuthentic)
}

/// Whether an encoded point is canonical and not of small order; that it lies on the curve is not checked.
///
/// The points with x = 0 are of small order, so their second, non-canonical encoding is refused with them.
fn is_sound(point: &[u8; 32]) -> bool {
    let mut y = *point;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    y.iter().rev().lt(PRIME.iter().rev()) && !SMALL_ORDER_Y.contains(&y)
}

/// A number of which only the lowest and the highest byte differ from the bytes between.
const fn little_endian(lowest: u8, between: u8, highest: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    let (first, rest) = bytes.split_at_mut(1);
    first.copy_from_slice(&[lowest]);
    let (_, last) = rest.split_at_mut(30);
    last.copy_from_slice(&[highest]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_point_is_of_small_order_and_refused_with_either_sign() {
        for y in SMALL_ORDER_Y {
            for sign in [0x00, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(!is_sound(&point));
                assert_eq!(verify(&point, b"", &[0; 64]), Err(CryptoError::InvalidKey));
                // x = 0 has no second sign; dalek decodes it all the same.
                assert!(VerifyingKey::from_bytes(&point).unwrap().is_weak());
            }
        }
    }

    #[test]
    fn a_point_with_y_at_or_above_the_prime_is_refused() {
        for lowest in 0xed..=0xff {
            for sign in [0x7f, 0xff] {
                let mut point = little_endian(lowest, 0xff, 0x7f);
                point[31] = sign;
                assert!(!is_sound(&point));
            }
        }
        // p - 3 is the highest y that is not of small order here.
        assert!(is_sound(&little_endian(0xea, 0xff, 0x7f)));
    }

    #[test]
    fn a_signature_whose_scalar_is_not_reduced_is_refused() {
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        use aws_lc_rs::signature::KeyPair;

        let key = prepare(&[4; 32]).unwrap();
        let mut signature: [u8; 64] = key.sign(b"message").as_ref().try_into().unwrap();
        assert_eq!(verify(key.public_key().as_ref(), b"message", &signature), Ok(()));

        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte).wrapping_add(u16::from(add)).wrapping_add(carry);
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert_eq!(verify(key.public_key().as_ref(), b"message", &signature), Err(CryptoError::NotAuthentic));
    }
}
