//! Changes to a group across the boundary: commits, proposals, and how they are framed.

use coterie_mls::{Changes, Framing, Group, GroupExtension, HandshakeFraming, PskId, TreePlacement};
use coterie_types::LeafIndex;
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::answer::{Answer, NativeCancellation};
use crate::arguments::{List, timestamp};
use crate::bytes::{Latin1String, Uint8Array};
use crate::extension::{NativeExtension, NativePskId, extensions, psk_id, psk_ids};
use crate::failure::NativeFailure;
use crate::group::NativeGroup;
use crate::identity::{NativeCertified, OwnedCertified};
use crate::roster;
use crate::values::NativeCommitted;

/// What a commit does but to add and to update. Most do nothing else, and an object is read field by field.
#[napi(object, object_to_js = false)]
pub struct NativeChanges {
    /// Leaves of those to be removed.
    #[napi(ts_type = "Array<number>")]
    pub remove: List<u32>,
    /// Pre-shared keys to mix in.
    #[napi(ts_type = "Array<NativePskId>")]
    pub psks: Option<List<NativePskId>>,
    /// What the group's extensions shall be, all of them.
    #[napi(ts_type = "Array<NativeExtension>")]
    pub extensions: Option<List<NativeExtension>>,
    /// A new identity for this member.
    pub identity: Option<Uint8Array>,
    /// A new certificate for this member.
    pub certificate: Option<NativeCertified>,
    /// Whether the tree travels beside the Welcome.
    pub tree_beside: Option<bool>,
}

/// All that a commit shall change, parsed.
#[derive(Default)]
struct OwnedChanges {
    add: Vec<Vec<u8>>,
    remove: Vec<LeafIndex>,
    update: bool,
    psks: Vec<PskId>,
    extensions: Option<Vec<GroupExtension>>,
    identity: Option<Vec<u8>>,
    certificate: Option<OwnedCertified>,
    tree: TreePlacement,
}

impl TryFrom<NativeChanges> for OwnedChanges {
    type Error = NativeFailure;

    fn try_from(changes: NativeChanges) -> Result<Self, NativeFailure> {
        let beside = changes.tree_beside.unwrap_or_default();
        Ok(Self {
            remove: changes.remove.into_vec::<u32>().into_iter().map(LeafIndex::new).collect(),
            psks: psk_ids(changes.psks)?,
            extensions: changes.extensions.map(extensions).transpose()?,
            identity: changes.identity.map(Vec::from),
            certificate: changes.certificate.map(OwnedCertified::from),
            tree: if beside { TreePlacement::Beside } else { TreePlacement::Inside },
            ..Self::default()
        })
    }
}

impl OwnedChanges {
    fn borrowed(&self) -> Changes<'_> {
        Changes {
            add: &self.add,
            remove: &self.remove,
            update: self.update,
            psks: &self.psks,
            extensions: self.extensions.as_deref(),
            identity: self.identity.as_deref(),
            certificate: self.certificate.as_ref().map(OwnedCertified::borrowed),
            // Named by a call of its own.
            succession: None,
            tree: self.tree,
        }
    }
}

/// How a member frames what it sends.
#[napi(object)]
pub struct NativeFraming {
    /// Whether proposals and commits can be read by whoever carries them.
    pub public_handshake: bool,
    /// To a multiple of how many bytes messages are padded.
    pub padding: u32,
}

impl From<Framing> for NativeFraming {
    fn from(framing: Framing) -> Self {
        Self {
            public_handshake: framing.handshake == HandshakeFraming::Public,
            padding: u32::try_from(framing.padding).unwrap_or(u32::MAX),
        }
    }
}

impl From<NativeFraming> for Framing {
    fn from(framing: NativeFraming) -> Self {
        Self {
            handshake: if framing.public_handshake {
                HandshakeFraming::Public
            } else {
                HandshakeFraming::Encrypted
            },
            padding: usize::try_from(framing.padding).unwrap_or(usize::MAX),
        }
    }
}

#[napi]
impl NativeGroup {
    /// Commits changes and the proposals that wait.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCommitted | NativeFailure | Promise<NativeCommitted | NativeFailure>"
    )]
    pub fn commit<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] add: List<Uint8Array>,
        update: bool,
        others: Option<NativeChanges>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeCommitted>> {
        let mut changes = match others.map(OwnedChanges::try_from).transpose() {
            Ok(others) => others.unwrap_or_default(),
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        changes.add = add.into_vec();
        changes.update = update;
        let quick = self.commits_quickly(&changes.borrowed());
        let work = move |group: &mut Group| Ok(group.commit(changes.borrowed(), timestamp(now))?);
        self.quickly(env, quick, cancellation, work, NativeCommitted::from)
    }

    /// Proposes to add the holder of a key package.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_add<'env>(
        &self,
        env: &'env Env,
        key_package: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = move |group: &mut Group| Ok(group.propose_add(&key_package, timestamp(now))?);
        self.by_size(env, cancellation, work, Uint8Array::from)
    }

    /// Proposes to remove a member.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_remove<'env>(
        &self,
        env: &'env Env,
        leaf: u32,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = move |group: &mut Group| Ok(group.propose_remove(LeafIndex::new(leaf))?);
        self.by_size(env, cancellation, work, Uint8Array::from)
    }

    /// Proposes new keys for the own leaf.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_update<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        self.by_size(env, cancellation, |group| Ok(group.propose_update()?), Uint8Array::from)
    }

    /// Proposes to mix a pre-shared key in.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_psk<'env>(
        &self,
        env: &'env Env,
        id: NativePskId,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = move |group: &mut Group| Ok(group.propose_psk(&psk_id(id)?)?);
        self.by_size(env, cancellation, work, Uint8Array::from)
    }

    /// Proposes what the group's extensions shall be.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_extensions<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<NativeExtension>")] list: List<NativeExtension>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let work = move |group: &mut Group| Ok(group.propose_extensions(&extensions(list)?)?);
        self.quickly(env, false, cancellation, work, Uint8Array::from)
    }

    /// Proposes to leave.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn propose_leave<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        self.by_size(env, cancellation, |group| Ok(group.propose_leave()?), Uint8Array::from)
    }

    /// Says how this member frames what it sends from now on.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn set_framing<'env>(
        &self,
        env: &'env Env,
        framing: NativeFraming,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let work = move |group: &mut Group| Ok(group.set_framing(framing.into())?);
        self.by_size(env, cancellation, work, |()| ())
    }

    /// How this member frames what it sends.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeFraming | NativeFailure | Promise<NativeFraming | NativeFailure>"
    )]
    pub fn framing<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeFraming>> {
        self.by_size(env, cancellation, |group| Ok(group.framing()?), NativeFraming::from)
    }

    /// Forgets the proposals that wait.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn clear_proposals<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.by_size(env, cancellation, |group| Ok(group.clear_proposals()?), |()| ())
    }

    /// Moves on to the epoch that the own commit begins.
    #[napi(catch_unwind, ts_return_type = "string | NativeFailure | Promise<string | NativeFailure>")]
    pub fn merge_pending<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Latin1String>> {
        let quick = self.pace().merges_quickly();
        self.quickly(
            env,
            quick,
            cancellation,
            |group| Ok(group.merge_pending()?),
            |summary| roster::summary(&summary),
        )
    }

    /// Drops the own commit.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn discard_pending<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.by_size(env, cancellation, |group| Ok(group.discard_pending()?), |()| ())
    }

    /// Moves on to the epoch that the staged commit begins.
    #[napi(catch_unwind, ts_return_type = "string | NativeFailure | Promise<string | NativeFailure>")]
    pub fn merge_staged<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Latin1String>> {
        let quick = self.pace().merges_quickly();
        self.quickly(
            env,
            quick,
            cancellation,
            |group| Ok(group.merge_staged()?),
            |summary| roster::summary(&summary),
        )
    }

    /// Drops the staged commit.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn discard_staged<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.by_size(env, cancellation, |group| Ok(group.discard_staged()?), |()| ())
    }
}
