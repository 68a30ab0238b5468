//! What somebody outside a group may do, across the boundary.

use std::sync::Arc;

use coterie_crypto::entropy::OsEntropy;
use coterie_mls::limits::{QUICK_LENGTH, QUICK_WELCOME_LENGTH};
use coterie_mls::{
    ExternalJoin, ExternalSigner, Group, GroupInfoSummary, KeyPackageOptions, MessageContent, MessageHead,
    Suite, read_group_info, read_message_head,
};
use coterie_types::{Epoch, GroupId, LeafIndex};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::answer::{Answer, NativeCancellation, by_itself, guarded};
use crate::arguments::{List, duration, timestamp, unsigned};
use crate::bytes::Uint8Array;
use crate::device::NativeDevice;
use crate::extension::{NativeExtension, NativePskId, extensions, psk_ids};
use crate::failure::{NativeFailure, Outcome, outcome};
use crate::group::NativeGroup;
use crate::identity::{NativeCandidate, candidates};

/// How a device joins by a commit of its own.
#[napi(object, object_to_js = false)]
pub struct NativeExternalJoin {
    /// The group's tree where it does not travel inside the GroupInfo.
    pub ratchet_tree: Option<Uint8Array>,
    /// Whether to come back to a group that this device is in already.
    pub resync: bool,
    /// Pre-shared keys to mix in.
    #[napi(ts_type = "Array<NativePskId>")]
    pub psks: Option<List<NativePskId>>,
}

/// A group that was joined by a commit.
#[napi(object, object_from_js = false)]
pub struct NativeJoined {
    /// The group.
    pub group: NativeGroup,
    /// For everybody in it.
    pub commit: Uint8Array,
}

/// What a GroupInfo says about its group.
#[napi(object, object_from_js = false)]
pub struct NativeGroupInfo {
    /// The group's name.
    pub group_id: Uint8Array,
    /// The epoch it is of.
    pub epoch: BigInt,
    /// The group's suite.
    pub suite: String,
    /// The group's extensions.
    #[napi(ts_type = "Array<NativeExtension>")]
    pub extensions: List<NativeExtension>,
}

/// What a message of a group says in the clear.
#[napi(object, object_from_js = false)]
pub struct NativeMessageHead {
    /// The group it is for.
    pub group_id: Uint8Array,
    /// The epoch it was made in.
    pub epoch: BigInt,
    /// What it carries.
    #[napi(ts_type = "'application' | 'proposal' | 'commit'")]
    pub content: String,
}

/// Which group a proposal from outside is for, and as which of its senders.
#[napi(object, object_to_js = false)]
pub struct NativeAddress {
    /// The group's name.
    pub group_id: Uint8Array,
    /// The epoch it is in.
    pub epoch: BigInt,
    /// The signer's place in the group's list.
    pub index: u32,
}

impl From<GroupInfoSummary> for NativeGroupInfo {
    fn from(info: GroupInfoSummary) -> Self {
        Self {
            group_id: info.group_id.as_bytes().into(),
            epoch: info.epoch.number().into(),
            suite: info.suite.name().to_owned(),
            extensions: info.extensions.into(),
        }
    }
}

impl From<MessageHead> for NativeMessageHead {
    fn from(head: MessageHead) -> Self {
        let content = match head.content {
            MessageContent::Application => "application",
            MessageContent::Proposal => "proposal",
            MessageContent::Commit => "commit",
        };
        Self {
            group_id: head.group_id.as_bytes().into(),
            epoch: head.epoch.number().into(),
            content: content.to_owned(),
        }
    }
}

/// Reads what a GroupInfo says.
#[napi(
    catch_unwind,
    ts_return_type = "NativeGroupInfo | NativeFailure | Promise<NativeGroupInfo | NativeFailure>"
)]
pub fn native_group_info<'env>(
    env: &'env Env,
    group_info: Uint8Array,
    cancellation: Option<&NativeCancellation>,
) -> napi::Result<Answer<'env, NativeGroupInfo>> {
    let quick = group_info.len() <= QUICK_WELCOME_LENGTH;
    let work = move || Ok(read_group_info(&group_info)?);
    by_itself(env, quick, cancellation, work, NativeGroupInfo::from)
}

/// Reads the head of a message of a group.
#[napi(
    catch_unwind,
    ts_return_type = "NativeMessageHead | NativeFailure | Promise<NativeMessageHead | NativeFailure>"
)]
pub fn native_message_head<'env>(
    env: &'env Env,
    message: Uint8Array,
    cancellation: Option<&NativeCancellation>,
) -> napi::Result<Answer<'env, NativeMessageHead>> {
    let quick = message.len() <= QUICK_LENGTH;
    let work = move || Ok(read_message_head(&message)?);
    by_itself(env, quick, cancellation, work, NativeMessageHead::from)
}

#[napi]
impl NativeDevice {
    /// Joins a group by a commit of its own.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeJoined | NativeFailure | Promise<NativeJoined | NativeFailure>"
    )]
    pub fn join_external<'env>(
        &self,
        env: &'env Env,
        group_info: Uint8Array,
        options: NativeExternalJoin,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeJoined>> {
        let psks = match psk_ids(options.psks) {
            Ok(psks) => psks,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let (tree, resync) = (options.ratchet_tree, options.resync);
        let device = self.device.clone();
        let quick = tree.is_none() && device.joins_quickly(&group_info);
        let work = move || {
            let options = ExternalJoin { ratchet_tree: tree.as_deref(), resync, psks: &psks };
            Ok(device.join_external(&group_info, options, timestamp(now))?)
        };
        by_itself(env, quick, cancellation, work, joined)
    }

    /// Who is in the group that a GroupInfo describes.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn present_in<'env>(
        &self,
        env: &'env Env,
        group_info: Uint8Array,
        options: NativeExternalJoin,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let psks = match psk_ids(options.psks) {
            Ok(psks) => psks,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let (tree, resync) = (options.ratchet_tree, options.resync);
        let device = self.device.clone();
        let work = move || {
            let options = ExternalJoin { ratchet_tree: tree.as_deref(), resync, psks: &psks };
            Ok(device.present_in(&group_info, options, timestamp(now))?)
        };
        by_itself(env, false, cancellation, work, candidates)
    }

    /// Asks to be added to a group.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_self<'env>(
        &self,
        env: &'env Env,
        group_info: Uint8Array,
        lifetime: Option<f64>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let device = self.device.clone();
        let quick = device.joins_quickly(&group_info);
        let options = KeyPackageOptions { lifetime: lifetime.map(duration), ..KeyPackageOptions::default() };
        let work = move || Ok(device.propose_self(&group_info, options, timestamp(now))?);
        by_itself(env, quick, cancellation, work, Uint8Array::from)
    }
}

fn joined((group, commit): (Group, Vec<u8>)) -> NativeJoined {
    NativeJoined { group: NativeGroup::new(group), commit: commit.into() }
}

/// Somebody outside all groups, whom some of them let propose changes.
#[napi]
pub struct NativeExternalSigner {
    signer: Arc<ExternalSigner>,
}

#[napi]
impl NativeExternalSigner {
    /// Makes one with a fresh key.
    #[napi(catch_unwind, ts_return_type = "NativeExternalSigner | NativeFailure")]
    pub fn create(identity: Uint8Array, suite_name: String) -> Outcome<NativeExternalSigner> {
        outcome(guarded(|| {
            let suite = Suite::from_name(&suite_name)?;
            Ok(Self { signer: Arc::new(ExternalSigner::generate(&identity, suite, Arc::new(OsEntropy))?) })
        }))
    }

    /// The one that was exported.
    #[napi(catch_unwind, ts_return_type = "NativeExternalSigner | NativeFailure")]
    pub fn import(bytes: Uint8Array) -> Outcome<NativeExternalSigner> {
        let bytes = zeroize::Zeroizing::new(Vec::from(bytes));
        outcome(guarded(|| {
            Ok(Self { signer: Arc::new(ExternalSigner::import(&bytes, Arc::new(OsEntropy))?) })
        }))
    }

    /// Everything that makes it up, the private key included.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn export(&self) -> Outcome<Uint8Array> {
        outcome(guarded(|| Ok(Uint8Array::from(self.signer.export()?.as_slice()))))
    }

    /// Whom it is.
    #[napi(getter, catch_unwind)]
    pub fn identity(&self) -> Uint8Array {
        self.signer.info().identity.into()
    }

    /// The key its proposals are verified with.
    #[napi(getter, catch_unwind)]
    pub fn signature_key(&self) -> Uint8Array {
        self.signer.info().signature_key.into()
    }

    /// The suite it was made for.
    #[napi(getter, catch_unwind)]
    pub fn suite(&self) -> String {
        self.signer.suite().name().to_owned()
    }

    /// Proposes to add the holder of a key package.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn propose_add(
        &self,
        address: NativeAddress,
        key_package: Uint8Array,
        now: f64,
    ) -> Outcome<Uint8Array> {
        outcome(guarded(|| {
            let (group, index) = self.address(&address)?;
            Ok(self.signer.propose_add(&group, index, &key_package, timestamp(now))?.into())
        }))
    }

    /// Proposes to remove a member.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure")]
    pub fn propose_remove(&self, address: NativeAddress, leaf: u32) -> Outcome<Uint8Array> {
        outcome(guarded(|| {
            let (group, index) = self.address(&address)?;
            Ok(self.signer.propose_remove(&group, index, LeafIndex::new(leaf))?.into())
        }))
    }

    /// Proposes what the group's extensions shall be.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_extensions<'env>(
        &self,
        env: &'env Env,
        address: NativeAddress,
        #[napi(ts_arg_type = "Array<NativeExtension>")] list: List<NativeExtension>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let parsed = self.address(&address).and_then(|address| Ok((address, extensions(list)?)));
        let ((group, index), list) = match parsed {
            Ok(parsed) => parsed,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let quick = list.iter().map(|extension| extension.data.len()).sum::<usize>() <= QUICK_LENGTH;
        let signer = Arc::clone(&self.signer);
        let work = move || Ok(signer.propose_extensions(&group, index, &list)?);
        by_itself(env, quick, cancellation, work, Uint8Array::from)
    }

    /// What the core takes for a group that proposals are addressed to.
    fn address(&self, address: &NativeAddress) -> Result<(GroupInfoSummary, u32), NativeFailure> {
        let group = GroupInfoSummary {
            group_id: GroupId::new(&address.group_id)?,
            epoch: Epoch::new(unsigned(&address.epoch)?),
            suite: self.signer.suite(),
            extensions: Vec::new(),
        };
        Ok((group, address.index))
    }
}
