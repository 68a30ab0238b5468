//! Two members of one group: one on a store on disk that things happen to, one in memory who is always well.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use coterie_crypto::entropy::OsEntropy;
use coterie_mls::{
    Changes, Device, DeviceOptions, ExternalJoin, Group, GroupOptions, KeyPackageOptions, Suite,
};
use coterie_store::{MemoryStore, SqlStore, Store};
use coterie_types::{Duration, Timestamp};

use super::life::{NAMES, open_store};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The member on disk, while its store is open.
pub(super) struct Victim {
    pub(super) store: Arc<SqlStore>,
    pub(super) device: Device,
    pub(super) group: Group,
}

/// The member in memory.
pub(super) struct Witness {
    pub(super) group: Group,
}

/// The name of the victim's store.
pub(super) fn name() -> &'static str {
    NAMES.first().copied().unwrap_or_default()
}

/// Makes both and their group.
pub(super) fn meet(folder: &Path) -> anyhow::Result<(Victim, Witness)> {
    let store = open_store(folder, name())?;
    let device = make_device(name(), Arc::clone(&store) as _)?;
    let other = make_device("witness", Arc::new(MemoryStore::new()))?;
    let mut group = device.create_group(GroupOptions::default(), NOW)?;
    let options =
        KeyPackageOptions { lifetime: Some(Duration::from_days(36_500)), ..KeyPackageOptions::default() };
    let package = [other.key_package(options, NOW)?];
    let add = group.commit(Changes { add: &package, ..Changes::default() }, NOW)?;
    group.merge_pending()?;
    let witness = Witness { group: other.join(&add.welcome.context("a Welcome")?, None, NOW)? };
    Ok((Victim { store, device, group }, witness))
}

fn make_device(identity: &str, store: Arc<dyn Store>) -> anyhow::Result<Device> {
    let options = DeviceOptions { identity: identity.as_bytes().to_vec(), suite: Suite::X25519Aes128 };
    Ok(Device::create(options, store, Arc::new(OsEntropy))?)
}

impl Victim {
    /// Opens everything again.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let store = open_store(folder, name())?;
        let device = Device::open(Arc::clone(&store) as _, Arc::new(OsEntropy))?.context("the device")?;
        let id = device.groups()?.pop().context("the group's id")?;
        let group = device.open_group(&id)?.context("the group")?;
        Ok(Self { store, device, group })
    }

    /// Commits a new leaf, which the witness takes in.
    pub(super) fn update(&mut self, witness: &mut Witness) -> anyhow::Result<Vec<u8>> {
        let committed = self.group.commit(Changes { update: true, ..Changes::default() }, NOW)?;
        witness.group.receive(&committed.commit, NOW)?;
        self.group.merge_pending()?;
        Ok(committed.commit)
    }

    /// Comes back by a commit of its own.
    pub(super) fn rejoin(&mut self, witness: &mut Witness) -> anyhow::Result<()> {
        let info = witness.group.group_info(true)?;
        let options = ExternalJoin { resync: true, ..ExternalJoin::default() };
        let (group, commit) = self.device.join_external(&info, options, NOW)?;
        witness.group.receive(&commit, NOW)?;
        self.group = group;
        Ok(())
    }
}
