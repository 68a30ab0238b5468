//! What a member can do, and the claim to be the coordinator.

use std::collections::BTreeSet;

use crate::Malformed;
use crate::cbor::{Key, Reader, Writer};
use crate::limits::{MAX_FEATURE, MAX_FEATURES};

/// An advertisement of capabilities.
///
/// Deployed peers search the bytes `00 f5` to recognise a claim. An advertisement that is no claim never contains them:
/// no text ends in a zero byte ([`Capabilities::new`] refuses those), `f5` is not part of UTF-8, and every length is
/// below it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Capabilities {
    claims_coordinator: bool,
    version: Option<u64>,
    features: BTreeSet<String>,
}

/// The key under which a claim stands.
const CLAIM: u64 = 0;

impl Capabilities {
    /// The only version of the advertisement.
    const VERSION: u64 = 1;

    /// The claim to be the coordinator, and nothing else.
    #[must_use]
    pub fn claim() -> Self {
        Self { claims_coordinator: true, ..Self::default() }
    }

    /// An advertisement of `features`.
    ///
    /// # Errors
    /// When one is empty, too long or holds a control character, or there are too many.
    pub fn new(features: impl IntoIterator<Item = String>) -> Result<Self, Malformed> {
        let features: BTreeSet<String> = features.into_iter().take(MAX_FEATURES.saturating_add(1)).collect();
        let advertisement = Self { claims_coordinator: false, version: Some(Self::VERSION), features };
        advertisement.check()?;
        Ok(advertisement)
    }

    /// Whether the sender claims to be the coordinator.
    #[must_use]
    pub const fn claims_coordinator(&self) -> bool {
        self.claims_coordinator
    }

    /// The tokens, in the order of their bytes.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(String::as_str)
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.features.len() > MAX_FEATURES {
            return Err(Malformed::TooMany);
        }
        self.features.iter().try_for_each(|feature| token(feature).map(drop))
    }

    pub(super) fn write(&self, writer: &mut Writer) -> Result<(), Malformed> {
        self.check()?;
        let pairs = usize::from(self.claims_coordinator);
        writer.map(if self.version.is_some() { pairs.saturating_add(2) } else { pairs });
        if self.claims_coordinator {
            writer.unsigned(CLAIM).boolean(true);
        }
        if self.version.is_some() {
            writer.text("version").unsigned(Self::VERSION).text("features").array(self.features.len());
            self.features.iter().for_each(|feature| {
                writer.text(feature);
            });
        }
        Ok(())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut read = Self::default();
        reader.entries(|key, reader| {
            match key {
                // The value under the claim's key is anybody's: only `true` is a claim.
                Key::Unsigned(CLAIM) => {
                    read.claims_coordinator |= Reader::new(reader.item()?).boolean() == Ok(true)
                }
                Key::Text("coordinator_claim") => read.claims_coordinator |= reader.boolean()?,
                Key::Text("version") => read.version = Some(reader.unsigned()?),
                Key::Text("features") => {
                    for _ in 0..reader.array(MAX_FEATURES)? {
                        read.features.insert(token(reader.text()?)?.to_owned());
                    }
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(read)
    }
}

fn token(feature: &str) -> Result<&str, Malformed> {
    match feature {
        "" => Err(Malformed::OutOfRange),
        _ if feature.len() > MAX_FEATURE => Err(Malformed::TooLong),
        _ if feature.chars().any(char::is_control) => Err(Malformed::OutOfRange),
        _ => Ok(feature),
    }
}
