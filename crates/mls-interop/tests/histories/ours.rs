//! Members on our engine.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use coterie_mls::{
    Device, DeviceOptions, ExternalJoin, Framing, Group, GroupOptions, HandshakeFraming, KeyPackageOptions,
    PskId, Received, Suite,
};
use coterie_store::MemoryStore;
use coterie_testkit::Seed;
use coterie_types::{Epoch, LeafIndex, Timestamp};

use super::{Changes, Commit, Failure, Joiner, Member, Opened, PSKS, Proposal, Psk};

/// A device with a key package.
pub(crate) struct Newcomer {
    device: Device,
    key_package: Vec<u8>,
    encrypt: bool,
}

impl Newcomer {
    pub(crate) fn new(
        name: &str,
        suite: u16,
        encrypt: bool,
        seed: Seed,
        number: u32,
    ) -> Result<Self, Failure> {
        let device = device(name, suite, seed, u64::from(number))?;
        let key_package = device.key_package(KeyPackageOptions::default(), now()?)?;
        Ok(Self { device, key_package, encrypt })
    }
}

impl Joiner for Newcomer {
    fn key_package(&self) -> &[u8] {
        &self.key_package
    }

    fn join(self: Box<Self>, welcome: &[u8]) -> Result<Box<dyn Member>, Failure> {
        framed(self.device.join(welcome, None, now()?)?, self.encrypt)
    }

    fn join_externally(self: Box<Self>, group_info: &[u8]) -> Result<(Box<dyn Member>, Vec<u8>), Failure> {
        let (group, commit) = self.device.join_external(group_info, ExternalJoin::default(), now()?)?;
        Ok((framed(group, self.encrypt)?, commit))
    }
}

pub(crate) fn found(name: &str, suite: u16, encrypt: bool, seed: Seed) -> Result<Box<dyn Member>, Failure> {
    framed(device(name, suite, seed, 0)?.create_group(GroupOptions::default(), now()?)?, encrypt)
}

fn device(name: &str, suite: u16, seed: Seed, stream: u64) -> Result<Device, Failure> {
    let options = DeviceOptions { identity: name.as_bytes().to_vec(), suite: Suite::from_code_point(suite)? };
    // Streams above those that the history itself draws from.
    let entropy = seed.entropy(1_000 + stream);
    let device = Device::create(options, Arc::new(MemoryStore::default()), Arc::new(entropy))?;
    for name in PSKS {
        device.store_psk(name, name)?;
    }
    Ok(device)
}

fn framed(mut group: Group, encrypt: bool) -> Result<Box<dyn Member>, Failure> {
    let handshake = if encrypt { HandshakeFraming::Encrypted } else { HandshakeFraming::Public };
    group.set_framing(Framing { handshake, ..Framing::default() })?;
    Ok(Box::new(group))
}

/// mls-rs asks the system for the time, so both sides do.
fn now() -> Result<Timestamp, Failure> {
    Ok(Timestamp::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()))
}

fn leaf_of(group: &mut Group, name: &str) -> Result<LeafIndex, Failure> {
    let members = group.members()?;
    let found = members.iter().find(|member| member.identity == name.as_bytes());
    Ok(found.ok_or("nobody has that name")?.leaf)
}

fn psk_id(key: Psk) -> PskId {
    match key {
        Psk::External(number) => PskId::External(PSKS[number].to_vec()),
        Psk::Resumption(epoch) => PskId::Resumption(Epoch::new(epoch)),
    }
}

impl Member for Group {
    fn commit(&mut self, changes: &Changes<'_>) -> Result<Commit, Failure> {
        let add: Vec<Vec<u8>> = changes.add.iter().map(|package| package.to_vec()).collect();
        let remove = changes.remove.iter().map(|name| leaf_of(self, name)).collect::<Result<Vec<_>, _>>()?;
        let psks: Vec<PskId> = changes.psks.iter().copied().map(psk_id).collect();
        let nothing = add.is_empty() && remove.is_empty() && psks.is_empty();
        let update = nothing && self.pending_proposals()?.is_empty();
        let changes = coterie_mls::Changes {
            add: &add,
            remove: &remove,
            psks: &psks,
            update,
            ..coterie_mls::Changes::default()
        };
        let committed = Group::commit(self, changes, now()?)?;
        Ok(Commit { message: committed.commit, welcome: committed.welcome })
    }

    fn merge(&mut self) -> Result<(), Failure> {
        self.merge_pending()?;
        Ok(())
    }

    fn propose(&mut self, what: Proposal<'_>) -> Result<Vec<u8>, Failure> {
        Ok(match what {
            Proposal::Add(key_package) => self.propose_add(key_package, now()?)?,
            Proposal::Remove(name) => {
                let leaf = leaf_of(self, name)?;
                self.propose_remove(leaf)?
            }
            Proposal::Update => self.propose_update()?,
            Proposal::PreSharedKey(key) => self.propose_psk(&psk_id(key))?,
        })
    }

    fn group_info(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(Group::group_info(self, true)?)
    }

    fn seal(&mut self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self.encrypt(plaintext, associated_data)?)
    }

    fn receive(&mut self, message: &[u8]) -> Result<Option<Opened>, Failure> {
        Ok(match Group::receive(self, message, now()?)? {
            Received::Message { plaintext, associated_data, .. } => {
                Some(Opened { plaintext, associated_data })
            }
            _ => None,
        })
    }

    fn authenticator(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.epoch_authenticator()?)
    }

    fn epoch(&self) -> u64 {
        Group::epoch(self).number()
    }
}
