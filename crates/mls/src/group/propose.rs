//! Proposals: what a member wants to happen by some member's commit.

use coterie_store::StoreError;
use coterie_types::{LeafIndex, Timestamp};
use openmls::group::OutgoingWireFormatPolicy;
use openmls::prelude::{
    Extensions, GroupContext, KeyPackage, LeafNodeIndex, LeafNodeParameters, ProposalType,
};
use openmls_traits::OpenMlsProvider;

use super::commit::encode;
use super::{Group, Live};
use crate::device::Shared;
use crate::error::MlsError;
use crate::extension::{self, GroupExtension};
use crate::key_package;
use crate::limits::MAX_PENDING_PROPOSALS;
use crate::provider::{EngineCrypto, Provider};
use crate::psk::PskId;
use crate::roster;
use crate::rows::Rows;

/// What a member wants to happen by some member's commit.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// Add the holder of a key package.
    Add {
        /// The key package.
        key_package: &'a [u8],
        /// The time by which it is judged.
        now: Timestamp,
    },
    /// Remove a member; oneself, to leave.
    Remove(LeafIndex),
    /// New keys for this member's own leaf.
    Update,
    /// Mix a pre-shared key into the next epoch.
    PreSharedKey(&'a PskId),
    /// What the group's extensions shall be, all of them.
    Extensions(&'a [GroupExtension]),
    /// Leave. Where handshakes are public and all members know SelfRemove, which ours do, this is one of those, which
    /// even somebody who joins from outside may commit; elsewhere it is a proposal to remove oneself.
    Leave,
}

/// A [`Wish`] whose parts are well formed.
enum Checked<'a> {
    Add(Box<KeyPackage>, Timestamp),
    Remove(LeafIndex),
    Update,
    PreSharedKey(&'a PskId),
    Extensions(Extensions<GroupContext>),
    Leave,
}

impl<'a> Wish<'a> {
    fn check(self, crypto: &EngineCrypto) -> Result<Checked<'a>, MlsError> {
        Ok(match self {
            Self::Add { key_package, now } => {
                Checked::Add(Box::new(key_package::decode(crypto, key_package, now)?), now)
            }
            Self::Remove(leaf) => Checked::Remove(leaf),
            Self::Update => Checked::Update,
            Self::PreSharedKey(id) => Checked::PreSharedKey(id),
            Self::Extensions(extensions) => Checked::Extensions(extension::decode(extensions)?),
            Self::Leave => Checked::Leave,
        })
    }
}

impl Group {
    /// Proposes to add the holder of a key package; some member's commit makes it happen.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_add(&mut self, key_package: &[u8], now: Timestamp) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::Add { key_package, now })
    }

    /// Proposes to remove a member; oneself, to leave.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_remove(&mut self, leaf: LeafIndex) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::Remove(leaf))
    }

    /// Proposes new keys for this member's own leaf; another member's commit makes it happen.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_update(&mut self) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::Update)
    }

    /// Proposes to mix a pre-shared key into the next epoch. Whoever commits it must hold the key too.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_psk(&mut self, id: &PskId) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::PreSharedKey(id))
    }

    /// Proposes what the group's extensions shall be, all of them.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_extensions(&mut self, extensions: &[GroupExtension]) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::Extensions(extensions))
    }

    /// Proposes to leave; another member's commit makes it happen. Where handshakes are public and all members know
    /// SelfRemove, which ours do, it is one of those, which even somebody who joins from outside may commit; elsewhere
    /// it is a proposal to remove oneself.
    ///
    /// # Errors
    /// As [`Self::propose_with`].
    pub fn propose_leave(&mut self) -> Result<Vec<u8>, MlsError> {
        self.propose(Wish::Leave)
    }

    fn propose(&mut self, wish: Wish<'_>) -> Result<Vec<u8>, MlsError> {
        self.propose_with(wish, |_, _| Ok(()))
    }

    /// Proposes `wish`, and stores what `beside` writes in the same step: the proposal in an outbox, say.
    ///
    /// # Errors
    /// When what is wished for does not fit (a malformed key package or extension, a leaf where nobody sits, a key
    /// name that is too long), a credential does not count or the policy refuses it, too many proposals wait, this device was removed, or `beside` fails.
    pub fn propose_with(
        &mut self,
        wish: Wish<'_>,
        beside: impl FnOnce(&Vec<u8>, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Vec<u8>, MlsError> {
        let wish = wish.check(self.shared.crypto())?;
        self.step_with(|live, provider, shared| live.propose(wish, provider, shared), beside)
    }

    /// Forgets the proposals that wait, here only.
    ///
    /// # Errors
    /// When this device was removed or the store fails.
    pub fn clear_proposals(&mut self) -> Result<(), MlsError> {
        self.clear_proposals_with(|(), _| Ok(()))
    }

    /// Forgets the proposals that wait, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::clear_proposals`], and when `beside` fails.
    pub fn clear_proposals_with(
        &mut self,
        beside: impl FnOnce(&(), &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<(), MlsError> {
        let clear = |live: &mut Live, provider: &Provider<'_>, _: &Shared| {
            Ok(live.mls.clear_pending_proposals(provider.storage())?)
        };
        self.step_with(clear, beside)
    }
}

impl Live {
    /// openmls looks at this when it commits; an addition that waited would make every commit of the epoch fail.
    pub(super) fn check_suite(&self, package: &KeyPackage) -> Result<(), MlsError> {
        if package.ciphersuite() != self.mls.ciphersuite() {
            return Err(MlsError::InvalidKeyPackage("it is for another cipher suite".to_owned()));
        }
        Ok(())
    }

    pub(super) fn check_room_for_proposals(&self) -> Result<(), MlsError> {
        if self.mls.pending_proposals().count() >= MAX_PENDING_PROPOSALS {
            return Err(MlsError::TooLarge { what: "the list of proposals", limit: MAX_PENDING_PROPOSALS });
        }
        Ok(())
    }

    fn propose(
        &mut self,
        wish: Checked<'_>,
        provider: &Provider<'_>,
        shared: &Shared,
    ) -> Result<Vec<u8>, MlsError> {
        self.check_not_succeeded()?;
        self.check_room_for_proposals()?;
        if let Checked::Add(package, now) = &wish {
            self.check_suite(package)?;
            self.judge_one(package, shared.authentication(), *now)?;
        }
        let signer = &*self.signer(shared)?;
        let by_itself = matches!(wish, Checked::Leave) && self.may_remove_itself();
        let mls = &mut self.mls;
        let message = match wish {
            Checked::Add(package, _) => mls.propose_add_member(provider, signer, &package)?.0,
            Checked::Remove(leaf) => {
                roster::member_at(mls, leaf)?;
                mls.propose_remove_member(provider, signer, LeafNodeIndex::new(leaf.number()))?.0
            }
            Checked::Update => mls.propose_self_update(provider, signer, LeafNodeParameters::default())?.0,
            Checked::PreSharedKey(id) => {
                let id = id.resolve(mls.group_id(), mls.ciphersuite(), provider)?;
                mls.propose_pre_shared_key(provider, signer, id)?.0
            }
            Checked::Extensions(extensions) => {
                mls.propose_group_context_extensions(provider, extensions, signer)?.0
            }
            Checked::Leave if by_itself => mls.leave_group_via_self_remove(provider, signer)?,
            Checked::Leave => mls.leave_group(provider, signer)?,
        };
        encode(&message)
    }

    fn may_remove_itself(&self) -> bool {
        let outgoing = self.mls.configuration().wire_format_policy().outgoing();
        let mut leaves = self.mls.treesync().full_leaves();
        matches!(outgoing, OutgoingWireFormatPolicy::AlwaysPlaintext)
            && leaves.all(|(_, leaf)| leaf.capabilities().proposals().contains(&ProposalType::SelfRemove))
    }
}
