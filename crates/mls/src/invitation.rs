//! Which suite a new group gets: the best one that everybody invited can use.
//!
//! A key package is for one suite, so a device publishes some for each that it speaks. A group takes the first of
//! [`Suite::ALL`], the hybrid post-quantum one, where every invitee offers a key package for it, and otherwise the next
//! that all have in common.

use coterie_types::Timestamp;

use crate::device::{Device, Shared};
use crate::error::MlsError;
use crate::key_package::{self, KeyPackageInfo};
use crate::limits::{MAX_CHANGES_PER_COMMIT, MAX_OFFER};
use crate::suite::Suite;

/// What a new group is begun with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuiteChoice {
    /// The suite.
    pub suite: Suite,
    /// A key package of that suite for each invitee, in their order.
    pub key_packages: Vec<Vec<u8>>,
}

/// One key package of an invitee that is valid now.
struct Offered<'a> {
    bytes: &'a [u8],
    info: KeyPackageInfo,
}

impl Device {
    /// Chooses the suite for a new group with those invitees, and the key packages to add them with. Each of `offers`
    /// is what one device has published, of any suites; what of it is not valid now does not count. With nobody
    /// invited, the suite is the device's own.
    ///
    /// # Errors
    /// When an invitee offers nothing that is valid, or key packages of several identities, or when no suite is common
    /// to all.
    pub fn choose_suite<O: AsRef<[Vec<u8>]>>(
        &self,
        offers: &[O],
        now: Timestamp,
    ) -> Result<SuiteChoice, MlsError> {
        if offers.is_empty() {
            return Ok(SuiteChoice { suite: self.suite(), key_packages: Vec::new() });
        }
        if offers.len() > MAX_CHANGES_PER_COMMIT {
            return Err(MlsError::TooLarge { what: "the list of invitees", limit: MAX_CHANGES_PER_COMMIT });
        }
        let shared = self.shared();
        let invitees: Vec<_> =
            offers.iter().map(|offer| offered(shared, offer.as_ref(), now)).collect::<Result<_, _>>()?;
        // A certificate is for one signature scheme.
        let mut own = Suite::ALL.into_iter().filter(|suite| shared.credential_at(*suite, now).is_ok());
        let choice = own.find_map(|suite| {
            let best = invitees.iter().map(|offer| best_of(offer, suite));
            Some(SuiteChoice { suite, key_packages: best.collect::<Option<_>>()? })
        });
        choice.ok_or(MlsError::Unsupported("one suite that all who are invited have in common"))
    }
}

fn offered<'a>(shared: &Shared, offer: &'a [Vec<u8>], now: Timestamp) -> Result<Vec<Offered<'a>>, MlsError> {
    if offer.len() > MAX_OFFER {
        return Err(MlsError::TooLarge { what: "what one invitee offers", limit: MAX_OFFER });
    }
    let mut refusal = MlsError::InvalidArgument("an invitee offers at least one key package");
    let mut valid: Vec<Offered<'a>> = Vec::with_capacity(offer.len());
    for bytes in offer {
        match info_of(shared, bytes, now) {
            Ok(info) => valid.push(Offered { bytes, info }),
            Err(error) => refusal = error,
        }
    }
    let Some(first) = valid.first() else { return Err(refusal) };
    // Or a directory could slip in somebody else's for the suite that it knows will be chosen.
    if valid.iter().any(|offered| offered.info.identity != first.info.identity) {
        return Err(MlsError::InvalidArgument("the key packages of one invitee are of several identities"));
    }
    Ok(valid)
}

fn info_of(shared: &Shared, bytes: &[u8], now: Timestamp) -> Result<KeyPackageInfo, MlsError> {
    let package = key_package::decode(shared.crypto(), bytes, now)?;
    shared.authentication().admit_leaf(package.leaf_node(), now)?;
    key_package::info(shared.crypto(), &package)
}

/// One that is good for this use only comes before one of last resort, and then the one that is valid for longest.
fn best_of(offer: &[Offered<'_>], suite: Suite) -> Option<Vec<u8>> {
    let fitting = offer.iter().filter(|offered| offered.info.suite == suite);
    let best = fitting.max_by_key(|offered| (!offered.info.last_resort, offered.info.expires))?;
    Some(best.bytes.to_vec())
}
