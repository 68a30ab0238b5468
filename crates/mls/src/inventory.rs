//! What a device holds: its groups, and key packages that wait to be used.

use coterie_store::Space;
use coterie_types::{GroupId, Timestamp};
use openmls::prelude::{CredentialType, KeyPackageBundle, LeafNode, MlsGroup};
use openmls_traits::OpenMlsProvider;
use zeroize::Zeroizing;

use crate::device::{Device, group_key_name};
use crate::error::MlsError;
use crate::limits::{EXPIRED_KEY_PACKAGE_GRACE, KEY_PACKAGE_RENEWAL, KEY_PACKAGES_LOW, KEY_PACKAGES_WANTED};
use crate::provider::StorageFault;
use crate::succession;
use crate::suite::Suite;

/// Key packages read at a time: a device has fifty or so, and one that published without end must not fill memory.
const PAGE: usize = 64;

/// The key packages that a device holds private keys for.
///
/// The directory may have handed some of them out already, of which the device learns only by the Welcome. A
/// directory that says how many it still has is to be believed rather than this.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyPackageStock {
    /// Good for one use, and for a while yet.
    pub usable: usize,
    /// Good for any number of uses, and for a while yet.
    pub last_resort: usize,
    /// Valid, but so close to their end that others should replace them ([`KEY_PACKAGE_RENEWAL`]).
    pub ending: usize,
    /// No longer valid; kept in case a Welcome is still under way.
    pub expired: usize,
}

impl KeyPackageStock {
    /// How many to make and publish now: none while there are enough.
    #[must_use]
    pub fn wanted(&self) -> usize {
        if self.usable >= KEY_PACKAGES_LOW { 0 } else { KEY_PACKAGES_WANTED.saturating_sub(self.usable) }
    }

    /// Whether to make and publish one of last resort now.
    #[must_use]
    pub fn wants_last_resort(&self) -> bool {
        self.last_resort == 0
    }
}

/// A stored key package: where it stands, and what it says.
struct StoredPackage {
    key: Vec<u8>,
    suite: u16,
    last_resort: bool,
    expires: Timestamp,
}

impl Device {
    /// The groups that this device is in, in the order of their ids. A volatile store keeps none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn groups(&self) -> Result<Vec<GroupId>, MlsError> {
        /// Sorts behind every row of a group: no number of a row is that high.
        const BEHIND: u8 = u8::MAX;
        let provider = self.shared().provider();
        let mut groups = Vec::new();
        let mut after = Vec::new();
        loop {
            let found = provider
                .storage()
                .with_step(|step, store| step.scan_after(store, Space::Group, &[], &after, 1))?;
            let Some((key, value)) = found.into_iter().next() else { return Ok(groups) };
            drop(Zeroizing::new(value));
            let (id, row) = postcard::take_from_bytes::<openmls::group::GroupId>(&key)
                .map_err(|_| MlsError::from(StorageFault::Decode))?;
            let length = key.len().saturating_sub(row.len());
            after = key.get(..length).unwrap_or_default().to_vec();
            after.push(BEHIND);
            let id = GroupId::new(id.as_slice()).map_err(|_| MlsError::from(StorageFault::Decode))?;
            groups.push(id);
        }
    }

    /// Forgets a group and every key of it, whether or not this device is still a member; the others do not learn of
    /// it. Answers whether there was anything to forget. A [`crate::Group`] of it that is open must not be used any
    /// more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_group(&self, id: &GroupId) -> Result<bool, MlsError> {
        let shared = self.shared();
        let provider = shared.provider();
        let storage = provider.storage();
        let id = openmls::group::GroupId::from_slice(id.as_bytes());
        let Some(mut group) = MlsGroup::load(storage, &id).map_err(|fault| provider.explain(fault.into()))?
        else {
            return Ok(false);
        };
        // A certificate's key may serve several groups. Where it is a key of the device, there is no row of that name.
        let basic = |leaf: &&LeafNode| leaf.credential().credential_type() == CredentialType::Basic;
        if let Some(leaf) = group.own_leaf().filter(basic) {
            storage.delete_row(Space::Device, group_key_name(leaf.signature_key().as_slice()))?;
        }
        succession::forget_proof(&group, storage)?;
        group.delete(storage)?;
        storage.delete_group(&id)?;
        provider.commit()?;
        Ok(true)
    }

    /// What this device holds of key packages for `suite`, to judge whether to publish more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn key_package_stock(&self, suite: Suite, now: Timestamp) -> Result<KeyPackageStock, MlsError> {
        let mut stock = KeyPackageStock::default();
        let suite = u16::from(suite.ciphersuite());
        self.each_key_package(|package| {
            let counted = match () {
                () if package.suite != suite => return,
                () if package.expires <= now => &mut stock.expired,
                () if package.expires <= now + KEY_PACKAGE_RENEWAL => &mut stock.ending,
                () if package.last_resort => &mut stock.last_resort,
                () => &mut stock.usable,
            };
            *counted = counted.saturating_add(1);
        })?;
        Ok(stock)
    }

    /// How many key packages of any suite could still be used to invite this device.
    ///
    /// # Errors
    /// When the store fails.
    pub fn key_package_count(&self, now: Timestamp) -> Result<usize, MlsError> {
        let mut count = 0_usize;
        self.each_key_package(|package| {
            count = count.saturating_add(usize::from(package.expires > now));
        })?;
        Ok(count)
    }

    /// Forgets key packages that expired longer ago than a Welcome may be under way, and answers how many.
    ///
    /// # Errors
    /// When the store fails; then none was forgotten.
    pub fn forget_expired_key_packages(&self, now: Timestamp) -> Result<usize, MlsError> {
        let mut expired = Vec::new();
        self.each_key_package(|package| {
            if package.expires + EXPIRED_KEY_PACKAGE_GRACE <= now {
                expired.push(package.key);
            }
        })?;
        let provider = self.shared().provider();
        let count = expired.len();
        expired.into_iter().try_for_each(|key| provider.storage().delete_row(Space::KeyPackage, key))?;
        provider.commit()?;
        Ok(count)
    }

    fn each_key_package(&self, mut visit: impl FnMut(StoredPackage)) -> Result<(), MlsError> {
        let provider = self.shared().provider();
        let mut after = Vec::new();
        loop {
            let page = provider
                .storage()
                .with_step(|step, store| step.scan_after(store, Space::KeyPackage, &[], &after, PAGE))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (key, value) in page {
                let value = Zeroizing::new(value);
                let bundle: KeyPackageBundle =
                    postcard::from_bytes(&value).map_err(|_| MlsError::from(StorageFault::Decode))?;
                let package = bundle.key_package();
                visit(StoredPackage {
                    key,
                    suite: u16::from(package.ciphersuite()),
                    last_resort: package.last_resort(),
                    expires: Timestamp::from_secs(package.life_time().not_after()),
                });
            }
        }
    }
}
