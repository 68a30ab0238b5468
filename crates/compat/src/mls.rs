//! An MLS context: one identity, one key package, one group.

use std::collections::VecDeque;
use std::sync::Arc;

use coterie_crypto::hash::{HashAlgorithm, digest};
use coterie_crypto::{Entropy, Secret};
use coterie_gbp::protection::Outgoing;
use coterie_gbp::protection::interop::{ClassKeys, Place, Sealer};
use coterie_mls::{
    Changes, Device, DeviceOptions, Group, GroupOptions, KeyPackageOptions, MlsError, Received, Suite,
};
use coterie_sframe::Encryptor;
use coterie_types::{Epoch, GroupId, LeafIndex, StreamClass, Timestamp, TransitionId};

use crate::error::CompatError;
use crate::limits::{GROUP_ID_LENGTH, MAX_ENCRYPTORS, MAX_GROUPS, RESTORED_SHARE};
use crate::numbers::Numbers;
use crate::state::{ContextRow, Vault};

/// An MLS message that holds a key package begins so; deployed peers exchange what follows.
const KEY_PACKAGE_HEAD: [u8; 4] = [0, 1, 0, 5];

/// How an MLS message in a private frame begins: the only form in which deployed peers change a group.
const PRIVATE_MESSAGE_HEAD: [u8; 4] = [0, 1, 0, 2];

/// What a message of the group was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// A commit, which is staged.
    Commit,
    /// An application message, which is discarded.
    Application,
    /// A proposal, which is discarded.
    Proposal,
}

/// One identity with its group, and every number that it seals under.
pub struct MlsContext {
    device: Device,
    vault: Arc<Vault>,
    row: ContextRow,
    group: Group,
    numbers: Arc<Numbers>,
    keys: Arc<ClassKeys>,
    sealers: VecDeque<GroupSealer>,
    /// The media encryptors of this epoch.
    encryptors: VecDeque<Encryptor>,
}

/// The sealing side of the nodes that say to be of one group.
struct GroupSealer {
    group: GroupId,
    epoch: Epoch,
    transition: TransitionId,
    sealer: Sealer,
}

impl MlsContext {
    /// A new identity alone in a group of its own.
    ///
    /// # Errors
    /// When the identity is empty or too long, or randomness fails.
    pub fn create(identity: &[u8], entropy: Arc<dyn Entropy>, now: Timestamp) -> Result<Self, CompatError> {
        let vault = Arc::new(Vault::default());
        let options = DeviceOptions { identity: identity.to_vec(), suite: Suite::X25519Aes128 };
        let device = Device::create(options, Arc::clone(&vault) as _, Arc::clone(&entropy))?;
        let mut id = [0; GROUP_ID_LENGTH];
        entropy.fill(&mut id)?;
        let id = GroupId::new(&id).map_err(|_| CompatError::Argument("a group id has 16 bytes"))?;
        let group = device.create_group(GroupOptions { id: Some(id), suite: None }, now)?;
        let mut row = ContextRow::default();
        row.group = group.id().as_bytes().to_vec();
        row.key_package = Some(new_key_package(&device, now)?);
        vault.put_context(&row)?;
        Self::with(device, vault, row, group, false)
    }

    /// A context as it was exported.
    ///
    /// # Errors
    /// [`CompatError::Exported`] for anything else than an exported state.
    pub fn restore(state: &[u8], entropy: Arc<dyn Entropy>) -> Result<Self, CompatError> {
        let vault = Vault::import(state)?;
        let row = vault.context()?.ok_or(CompatError::Exported)?;
        let device = Device::open(Arc::clone(&vault) as _, entropy)?;
        let device = device.ok_or(CompatError::Exported)?;
        let id = GroupId::new(&row.group).map_err(|_| CompatError::Exported)?;
        let group = device.open_group(&id)?.ok_or(CompatError::Exported)?;
        let mut context = Self::with(device, vault, row, group, true)?;
        context.take_up_sealing()?;
        Ok(context)
    }

    fn with(
        device: Device,
        vault: Arc<Vault>,
        row: ContextRow,
        mut group: Group,
        restored: bool,
    ) -> Result<Self, CompatError> {
        let keys = class_keys(&mut group)?;
        let numbers = Numbers::new(Arc::clone(&vault), restored);
        let (sealers, encryptors) = (VecDeque::new(), VecDeque::new());
        Ok(Self { device, vault, row, group, numbers, keys, sealers, encryptors })
    }

    /// The whole context, private keys and all.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn export(&mut self) -> Result<Vec<u8>, CompatError> {
        self.row.sealed_for = self
            .sealers
            .iter()
            .map(|sealing| {
                let (epoch, transition) = (sealing.epoch.number(), sealing.transition.number());
                (sealing.group.as_bytes().to_vec(), epoch, transition)
            })
            .collect();
        self.vault.put_context(&self.row)?;
        self.vault.export()
    }

    /// Where the group is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.group.epoch()
    }

    /// The group's name.
    #[must_use]
    pub fn group_id(&self) -> &GroupId {
        self.group.id()
    }

    /// The key package by which others add this context: the same until it was used.
    ///
    /// # Errors
    /// When a new one is needed and cannot be made.
    pub fn key_package(&mut self, now: Timestamp) -> Result<Vec<u8>, CompatError> {
        if let Some(package) = &self.row.key_package {
            return Ok(package.clone());
        }
        let package = new_key_package(&self.device, now)?;
        self.row.key_package = Some(package.clone());
        self.vault.put_context(&self.row)?;
        Ok(package)
    }

    /// A commit that adds the owner of a key package, and its Welcome. Nothing moves before [`Self::finalize`].
    ///
    /// # Errors
    /// When a commit waits already or the key package does not fit.
    pub fn invite(&mut self, key_package: &[u8], now: Timestamp) -> Result<(Vec<u8>, Vec<u8>), CompatError> {
        self.invite_all(&[key_package], now)
    }

    /// The same for several at once: all of them join by the one Welcome.
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn invite_all(
        &mut self,
        key_packages: &[&[u8]],
        now: Timestamp,
    ) -> Result<(Vec<u8>, Vec<u8>), CompatError> {
        let message = |package: &&[u8]| [&KEY_PACKAGE_HEAD, *package].concat();
        let add: Vec<_> = key_packages.iter().map(message).collect();
        let committed = self.commit(Changes { add: &add, ..Changes::default() }, now)?;
        let welcome = committed.1.ok_or(CompatError::Argument("the key package adds nobody"))?;
        Ok((committed.0, welcome))
    }

    /// The same, merged at once: right only while nobody else is in the group, since the commit is lost.
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn invite_first(&mut self, key_package: &[u8], now: Timestamp) -> Result<Vec<u8>, CompatError> {
        let (_, welcome) = self.invite(key_package, now)?;
        self.finalize()?;
        Ok(welcome)
    }

    /// A commit that removes the member at a leaf.
    ///
    /// # Errors
    /// When a commit waits already, or nobody else sits there.
    pub fn remove(&mut self, leaf: LeafIndex, now: Timestamp) -> Result<Vec<u8>, CompatError> {
        let remove = [leaf];
        Ok(self.commit(Changes { remove: &remove, ..Changes::default() }, now)?.0)
    }

    /// A commit that replaces the own leaf's keys, which no member on the published package can make: after it the leaf
    /// has no end, so that nobody is kept from joining when its key package would have expired.
    ///
    /// # Errors
    /// When a commit waits already.
    pub fn update(&mut self, now: Timestamp) -> Result<Vec<u8>, CompatError> {
        Ok(self.commit(Changes { update: true, ..Changes::default() }, now)?.0)
    }

    fn commit(
        &mut self,
        changes: Changes<'_>,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), CompatError> {
        if self.group.staged_commit()?.is_some() || self.group.pending_commit()?.is_some() {
            return Err(CompatError::Pending);
        }
        let committed = self.group.commit(changes, now)?;
        self.row.pending = Some(fingerprint(&committed.commit));
        self.vault.put_context(&self.row)?;
        Ok((committed.commit, committed.welcome))
    }

    /// Takes in a message of the group. A commit waits for [`Self::finalize`].
    ///
    /// # Errors
    /// When it is refused; nothing was changed.
    pub fn process(&mut self, message: &[u8], now: Timestamp) -> Result<MessageKind, CompatError> {
        if !message.starts_with(&PRIVATE_MESSAGE_HEAD) {
            return Err(MlsError::Malformed("a private message of a group").into());
        }
        if self.row.pending.as_deref() == Some(&fingerprint(message)) {
            return Err(CompatError::Own);
        }
        match self.group.stage(message, now)? {
            Received::Staged(_) => Ok(MessageKind::Commit),
            Received::Message { .. } => Ok(MessageKind::Application),
            Received::Proposal { .. } => {
                // Peers keep none either: a commit of ours that named it could not be followed.
                self.group.clear_proposals()?;
                Ok(MessageKind::Proposal)
            }
            Received::Commit { .. } | Received::OwnEcho => Err(CompatError::Own),
        }
    }

    /// Moves on: by the staged commit if there is one, else by the own one, else not at all.
    ///
    /// # Errors
    /// When the next epoch's keys cannot be set up.
    pub fn finalize(&mut self) -> Result<(), CompatError> {
        if !self.group.is_member() {
            return Ok(());
        }
        if self.group.staged_commit()?.is_some() {
            self.group.merge_staged()?;
        } else if self.group.pending_commit()?.is_some() {
            self.group.merge_pending()?;
        } else {
            return Ok(());
        }
        self.row.pending = None;
        self.vault.put_context(&self.row)?;
        self.enter_epoch()
    }

    /// Drops the staged commit and the own one.
    ///
    /// # Errors
    /// When the rows cannot be written.
    pub fn clear_pending(&mut self) -> Result<(), CompatError> {
        if !self.group.is_member() {
            return Ok(());
        }
        if self.group.staged_commit()?.is_some() {
            self.group.discard_staged()?;
        }
        if self.group.pending_commit()?.is_some() {
            self.group.discard_pending()?;
        }
        self.row.pending = None;
        self.vault.put_context(&self.row)
    }

    /// Joins the group of a Welcome and leaves the present one behind.
    ///
    /// # Errors
    /// When the Welcome is refused; the present group stays.
    pub fn accept_welcome(&mut self, welcome: &[u8], now: Timestamp) -> Result<(), CompatError> {
        let group = self.device.join(welcome, None, now)?;
        let left = std::mem::replace(&mut self.group, group);
        let old = left.id().clone();
        drop(left);
        self.row.group = self.group.id().as_bytes().to_vec();
        (self.row.pending, self.row.key_package) = (None, None);
        self.vault.put_context(&self.row)?;
        if old != *self.group.id() {
            self.device.forget_group(&old)?;
        }
        self.sealers.clear();
        self.enter_epoch()
    }

    /// New keys, and numbers that go on above those of the same streams.
    fn enter_epoch(&mut self) -> Result<(), CompatError> {
        self.encryptors.clear();
        if !self.group.is_member() {
            // What others send cannot be read, and nothing is sealed any more.
            self.sealers.clear();
            return Ok(());
        }
        self.keys = class_keys(&mut self.group)?;
        self.numbers.clear()?;
        let place = self.place()?;
        for sealing in &mut self.sealers {
            sealing.sealer.rekey(Arc::clone(&self.keys), place)?;
        }
        self.reserve_everywhere()
    }

    /// Sealing as it was when the context was exported, so that its numbers are known before they are used.
    fn take_up_sealing(&mut self) -> Result<(), CompatError> {
        if !self.group.is_member() {
            return Ok(());
        }
        for (group, epoch, transition) in self.row.sealed_for.clone() {
            let group = GroupId::new(&group).map_err(|_| CompatError::Exported)?;
            self.sealing(&group, Epoch::new(epoch), TransitionId::new(transition))?;
        }
        self.reserve_everywhere()
    }

    fn reserve_everywhere(&mut self) -> Result<(), CompatError> {
        for sealing in &self.sealers {
            for class in StreamClass::ALL {
                reserve(&self.numbers, &sealing.sealer, class)?;
            }
        }
        Ok(())
    }

    /// The keys of the present epoch; of the last one where this context was removed.
    #[must_use]
    pub fn keys(&self) -> &Arc<ClassKeys> {
        &self.keys
    }

    pub(crate) fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    /// A secret of the present epoch.
    pub(crate) fn export_secret(
        &mut self,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> Result<Secret, CompatError> {
        Ok(Secret::new(self.group.export_secret(label, context, length)?))
    }

    /// Seals a frame for a node of `group` in `epoch`.
    pub(crate) fn seal(
        &mut self,
        group: &GroupId,
        place: (Epoch, TransitionId),
        outgoing: Outgoing<'_>,
    ) -> Result<Vec<u8>, CompatError> {
        Ok(self.sealer(group, place, outgoing.class)?.seal(outgoing)?)
    }

    /// The same into the front of `out`; answers the frame's length.
    pub(crate) fn seal_into(
        &mut self,
        group: &GroupId,
        place: (Epoch, TransitionId),
        outgoing: Outgoing<'_>,
        out: &mut [u8],
    ) -> Result<usize, CompatError> {
        Ok(self.sealer(group, place, outgoing.class)?.seal_into(outgoing, out)?)
    }

    /// What seals there, with a number for the next frame of `class`.
    fn sealer(
        &mut self,
        group: &GroupId,
        (epoch, transition): (Epoch, TransitionId),
        class: StreamClass,
    ) -> Result<&mut Sealer, CompatError> {
        if !self.group.is_member() {
            return Err(MlsError::Removed.into());
        }
        let numbers = Arc::clone(&self.numbers);
        let sealing = self.sealing(group, epoch, transition)?;
        if sealing.sealer.remaining(class) == 0 {
            reserve(&numbers, &sealing.sealer, class)?;
        }
        Ok(&mut sealing.sealer)
    }

    fn sealing(
        &mut self,
        group: &GroupId,
        epoch: Epoch,
        transition: TransitionId,
    ) -> Result<&mut GroupSealer, CompatError> {
        let index = match self.sealers.iter().position(|sealing| sealing.group == *group) {
            Some(index) => index,
            None => self.begin_sealing(group, epoch, transition)?,
        };
        let none = CompatError::Argument("the group is sealed for");
        let sealing = self.sealers.get_mut(index).ok_or(none)?;
        if (sealing.epoch, sealing.transition) != (epoch, transition) {
            sealing.sealer.transition(epoch, transition);
            (sealing.epoch, sealing.transition) = (epoch, transition);
        }
        Ok(sealing)
    }

    fn begin_sealing(
        &mut self,
        group: &GroupId,
        epoch: Epoch,
        transition: TransitionId,
    ) -> Result<usize, CompatError> {
        let place = self.place()?;
        let sealer = Sealer::new(group.clone(), epoch, transition, Arc::clone(&self.keys), place)?;
        if self.sealers.len() >= MAX_GROUPS {
            self.sealers.pop_front();
        }
        self.sealers.push_back(GroupSealer { group: group.clone(), epoch, transition, sealer });
        Ok(self.sealers.len().saturating_sub(1))
    }

    fn place(&mut self) -> Result<Place, CompatError> {
        let own = self.group.own_leaf()?;
        let highest = self.group.members()?.iter().map(|member| member.leaf).max();
        Ok(Place::new(own, highest.unwrap_or(own))?)
    }

    /// The encryptor that seals under the same key as `made`, where there is one already: they share its counters.
    pub(crate) fn shared_encryptor(&mut self, made: Encryptor) -> Encryptor {
        let known = self.encryptors.iter().find(|known| known.counter_id() == made.counter_id());
        if let Some(known) = known {
            return known.clone();
        }
        if self.encryptors.len() >= MAX_ENCRYPTORS {
            self.encryptors.pop_front();
        }
        self.encryptors.push_back(made.clone());
        made
    }
}

impl std::fmt::Debug for MlsContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MlsContext").field("group", &self.group).finish_non_exhaustive()
    }
}

fn reserve(numbers: &Numbers, sealer: &Sealer, class: StreamClass) -> Result<(), CompatError> {
    let skip = sealer.place().capacity() / RESTORED_SHARE;
    let id = sealer.counter_id(class)?;
    numbers.reserve(id, skip, |stored, count| sealer.reserve(class, stored, count))
}

fn new_key_package(device: &Device, now: Timestamp) -> Result<Vec<u8>, CompatError> {
    let message = device.key_package(KeyPackageOptions::default(), now)?;
    let bare = message.strip_prefix(&KEY_PACKAGE_HEAD);
    Ok(bare.ok_or(CompatError::Argument("a key package is a message"))?.to_vec())
}

fn class_keys(group: &mut Group) -> Result<Arc<ClassKeys>, CompatError> {
    let keys = ClassKeys::derive(|label, context, length| {
        Ok::<_, CompatError>(Secret::new(group.export_secret(label, context, length)?))
    })?;
    Ok(Arc::new(keys))
}

fn fingerprint(message: &[u8]) -> Vec<u8> {
    digest(HashAlgorithm::Sha256, message).as_bytes().to_vec()
}
