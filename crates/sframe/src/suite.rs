//! The cipher suites, and what the two dialects make of them.

use coterie_crypto::aead::{AeadAlgorithm, TAG_LENGTH};
use coterie_crypto::ctr_hmac::CtrHmacAlgorithm;
use coterie_crypto::hash::HashAlgorithm;
use coterie_types::Epoch;

use crate::error::SetupError;

/// The label of the exporter that RFC 9605, section 5.2, has.
const RFC_LABEL: &str = "SFrame 1.0 Base Key";

/// Length of a base key of the Group Protocol Stack, whatever the suite.
const GBP_BASE_KEY: usize = 32;

/// The suites of the SFrame registry: 1 to 5 are those of RFC 9605, 6 to 8 came later.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub enum Suite {
    /// `AES_128_CTR_HMAC_SHA256_80`.
    Aes128CtrHmac80 = 1,
    /// `AES_128_CTR_HMAC_SHA256_64`.
    Aes128CtrHmac64 = 2,
    /// `AES_128_CTR_HMAC_SHA256_32`.
    Aes128CtrHmac32 = 3,
    /// `AES_128_GCM_SHA256_128`, the default.
    Aes128Gcm = 4,
    /// `AES_256_GCM_SHA512_128`.
    Aes256Gcm = 5,
    /// `AES_256_CTR_HMAC_SHA512_80`.
    Aes256CtrHmac80 = 6,
    /// `AES_256_CTR_HMAC_SHA512_64`.
    Aes256CtrHmac64 = 7,
    /// `AES_256_CTR_HMAC_SHA512_32`.
    Aes256CtrHmac32 = 8,
}

/// The cipher of a suite.
#[derive(Clone, Copy)]
pub(crate) enum Cipher {
    Gcm(AeadAlgorithm),
    CtrHmac(CtrHmacAlgorithm),
}

impl Suite {
    /// Every suite, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Aes128CtrHmac80,
        Self::Aes128CtrHmac64,
        Self::Aes128CtrHmac32,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::Aes256CtrHmac80,
        Self::Aes256CtrHmac64,
        Self::Aes256CtrHmac32,
    ];

    /// The suite with this number in the registry.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// Its number in the registry.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Length of its tags in bytes.
    #[must_use]
    pub const fn tag_length(self) -> usize {
        match self {
            Self::Aes128CtrHmac80 | Self::Aes256CtrHmac80 => 10,
            Self::Aes128CtrHmac64 | Self::Aes256CtrHmac64 => 8,
            Self::Aes128CtrHmac32 | Self::Aes256CtrHmac32 => 4,
            Self::Aes128Gcm | Self::Aes256Gcm => TAG_LENGTH,
        }
    }

    /// Whether its tags are short enough to be guessed by trying.
    #[must_use]
    pub const fn has_short_tags(self) -> bool {
        self.tag_length() < TAG_LENGTH
    }

    pub(crate) const fn cipher(self) -> Cipher {
        match self {
            Self::Aes128Gcm => Cipher::Gcm(AeadAlgorithm::Aes128Gcm),
            Self::Aes256Gcm => Cipher::Gcm(AeadAlgorithm::Aes256Gcm),
            Self::Aes128CtrHmac80 | Self::Aes128CtrHmac64 | Self::Aes128CtrHmac32 => {
                Cipher::CtrHmac(CtrHmacAlgorithm::Aes128Sha256)
            }
            Self::Aes256CtrHmac80 | Self::Aes256CtrHmac64 | Self::Aes256CtrHmac32 => {
                Cipher::CtrHmac(CtrHmacAlgorithm::Aes256Sha512)
            }
        }
    }

    pub(crate) const fn hash(self) -> HashAlgorithm {
        match self.cipher() {
            Cipher::Gcm(AeadAlgorithm::Aes256Gcm) | Cipher::CtrHmac(CtrHmacAlgorithm::Aes256Sha512) => {
                HashAlgorithm::Sha512
            }
            _ => HashAlgorithm::Sha256,
        }
    }

    pub(crate) const fn key_length(self) -> usize {
        match self.cipher() {
            Cipher::Gcm(algorithm) => algorithm.key_length(),
            Cipher::CtrHmac(algorithm) => algorithm.key_length(),
        }
    }
}

/// What an application and its peers agree on out of band: it is not on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Protection {
    suite: Suite,
    dialect: Dialect,
}

/// In what RFC 9605 and the Group Protocol Stack differ: where base keys come from, and in which order header and
/// metadata are authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// RFC 9605 to the letter: header, then metadata.
    Rfc9605,
    /// Peers of the Group Protocol Stack from 1.9 on: metadata, then header.
    Gbp,
}

impl Protection {
    /// What the deployed peers of the Group Protocol Stack use where nothing else was agreed.
    pub const GBP: Self = Self { suite: Suite::Aes128Gcm, dialect: Dialect::Gbp };

    /// RFC 9605 with its strongest small suite.
    pub const RFC9605: Self = Self { suite: Suite::Aes128Gcm, dialect: Dialect::Rfc9605 };

    /// `suite` in `dialect`.
    ///
    /// # Errors
    /// [`SetupError::ShortTags`] for suites whose tags can be guessed; [`crate::danger`] has those.
    pub const fn new(suite: Suite, dialect: Dialect) -> Result<Self, SetupError> {
        if suite.has_short_tags() {
            return Err(SetupError::ShortTags);
        }
        Ok(Self { suite, dialect })
    }

    pub(crate) const fn unchecked(suite: Suite, dialect: Dialect) -> Self {
        Self { suite, dialect }
    }

    /// The suite.
    #[must_use]
    pub const fn suite(self) -> Suite {
        self.suite
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        self.dialect
    }

    /// What the group's exporter is asked for, to have the base key of `epoch`. The label is the dialect's own unless
    /// the application has agreed on another.
    #[must_use]
    pub fn exporter(self, label: Option<&str>, epoch: Epoch) -> Exporter {
        let (own, context, length) = match self.dialect {
            Dialect::Rfc9605 => (RFC_LABEL, Vec::new(), self.suite.key_length()),
            Dialect::Gbp => (crate::DEFAULT_LABEL, epoch.number().to_be_bytes().to_vec(), GBP_BASE_KEY),
        };
        Exporter { label: label.unwrap_or(own).to_owned(), context, length }
    }
}

/// The arguments of the MLS exporter (RFC 9420, section 8.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exporter {
    /// The label.
    pub label: String,
    /// The context.
    pub context: Vec<u8>,
    /// How many bytes.
    pub length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_its_number_and_no_other_number_is_one() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_number(suite.number()), Some(suite));
        }
        for number in [0, 9, 0x0400, u16::MAX] {
            assert_eq!(Suite::from_number(number), None);
        }
    }

    #[test]
    fn short_tags_are_not_to_be_had_by_accident() {
        for suite in Suite::ALL {
            let refused = Protection::new(suite, Dialect::Rfc9605).is_err();
            assert_eq!(refused, suite.tag_length() < 16, "{suite:?}");
        }
    }

    #[test]
    fn each_dialect_asks_the_exporter_for_its_own_base_key() {
        let gbp = Protection::GBP.exporter(None, Epoch::new(0x0102));
        assert_eq!((gbp.label.as_str(), gbp.length), ("gbp/sframe v1", 32));
        assert_eq!(gbp.context, [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(Protection::GBP.exporter(Some("mine"), Epoch::new(1)).label, "mine");
        let rfc = Protection::RFC9605.exporter(None, Epoch::new(7));
        assert_eq!((rfc.label.as_str(), rfc.context.len(), rfc.length), ("SFrame 1.0 Base Key", 0, 16));
    }
}
