//! Changes to the group: commits, with the proposals that they make happen.
//!
//! A commit of this member is pending until [`Group::merge_pending`] or the commit's own bytes coming back say
//! that it was accepted. If another commit comes first, ours is dropped.

use std::sync::Arc;

use coterie_crypto::certificate::CertificateChain;
use coterie_crypto::hpke::with_shared_info;
use coterie_crypto::signature::SigningKey;
use coterie_store::StoreError;
use coterie_types::{LeafIndex, Timestamp};
use openmls::group::QueuedProposal;
use openmls::prelude::hash_ref::ProposalRef;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{
    Capabilities, CredentialWithKey, Extensions, GroupContext, KeyPackage, LeafNodeIndex, LeafNodeParameters,
    MlsMessageOut, NewSignerBundle, Proposal, ProposalOrRefType, Sender as MlsSender,
};
use openmls::schedule::PreSharedKeyId;
use openmls_traits::OpenMlsProvider;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Group, Live, committable, digest};
use crate::credential;
use crate::device::{self, Shared};
use crate::error::MlsError;
use crate::extension::{self, GroupExtension};
use crate::key_package;
use crate::limits::{
    KEY_PACKAGE_RENEWAL, MAX_CHANGES_PER_COMMIT, MAX_DISCARDED_COMMITS, MAX_MEMBERS, MAX_PSKS_PER_COMMIT,
};
use crate::provider::{GroupRow, Provider, Signer};
use crate::psk::{self, PskId};
use crate::roster::{self, CommitSummary, Member};
use crate::rows::Rows;
use crate::succession::{Succession, keep_proof};
use crate::suite::Suite;

/// Verifying so many key packages takes half a millisecond, which is worth waking another thread for.
const KEY_PACKAGES_PER_THREAD: usize = 6;

/// What a commit shall change, beside the proposals that wait for one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes<'a> {
    /// Key packages of those to be added.
    pub add: &'a [Vec<u8>],
    /// Leaves of those to be removed.
    pub remove: &'a [LeafIndex],
    /// Whether to replace this member's own keys even where nothing else demands it.
    pub update: bool,
    /// Pre-shared keys to mix into the next epoch.
    pub psks: &'a [PskId],
    /// What the group's extensions shall be from now on, all of them; none leaves them as they are.
    pub extensions: Option<&'a [GroupExtension]>,
    /// Which group takes this one's place from the commit on: it is this group's last, and everybody who is in it then
    /// can follow into that one ([`Group::create_successor`]).
    pub succession: Option<&'a Succession>,
    /// A new identity for this member in this group, with a new signature key. The commit itself is still signed
    /// with the old one.
    pub identity: Option<&'a [u8]>,
    /// A new certificate for this member in this group, with its key. A certified member keeps its name. Instead of
    /// `identity`.
    pub certificate: Option<CertifiedKey<'a>>,
    /// Where the tree travels that joiners need.
    pub tree: TreePlacement,
}

impl Changes<'_> {
    /// Whether all they do is to bring members in.
    pub(super) fn only_add(&self) -> bool {
        let Self { add: _, remove, update, psks, extensions, succession, identity, certificate, tree: _ } =
            self;
        remove.is_empty()
            && !update
            && psks.is_empty()
            && extensions.is_none()
            && succession.is_none()
            && identity.is_none()
            && certificate.is_none()
    }
}

/// A certificate with its key.
#[derive(Clone, Copy, Debug)]
pub struct CertifiedKey<'a> {
    /// The member's certificate in DER, then those of its issuers.
    pub certificates: &'a [Vec<u8>],
    /// Its private key: PKCS#8 in DER.
    pub private_key: &'a [u8],
}

/// Where a group's tree travels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TreePlacement {
    /// Inside the Welcome, which grows with the group.
    #[default]
    Inside,
    /// Beside it: [`Committed::ratchet_tree`], which joiners fetch elsewhere.
    Beside,
}

/// A commit that is to be made, and when.
#[derive(Clone, Copy)]
struct Plan<'a> {
    changes: &'a Changes<'a>,
    now: Timestamp,
}

/// Who this member becomes by its commit.
struct Successor {
    signer: Signer,
    credential: CredentialWithKey,
}

impl Successor {
    fn bundle(&self) -> NewSignerBundle<'_, Signer> {
        NewSignerBundle { signer: &self.signer, credential_with_key: self.credential.clone() }
    }
}

/// A commit that waits for its acceptance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Committed {
    /// For everybody in the group.
    pub commit: Vec<u8>,
    /// For those it adds, once the commit was accepted.
    pub welcome: Option<Vec<u8>>,
    /// The tree that the Welcome's readers need where it does not travel inside.
    pub ratchet_tree: Option<Vec<u8>>,
    /// What it does.
    pub summary: CommitSummary,
    /// Those it adds whose leaves are valid for less than [`KEY_PACKAGE_RENEWAL`] more. They should update their leaves
    /// soon; an inviter that can get newer key packages should rather discard the commit and use those.
    pub expiring: Vec<Member>,
}

/// Digests that recognise this member's commits when they come back.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct OwnCommits {
    /// Of the one that is pending.
    pub(super) pending: Option<Vec<u8>>,
    /// Of the one merged last.
    pub(super) merged: Option<Vec<u8>>,
    /// Of those discarded in this epoch, oldest first.
    pub(super) discarded: Vec<Vec<u8>>,
}

impl OwnCommits {
    pub(super) fn are_none(&self) -> bool {
        self.pending.is_none() && self.merged.is_none() && self.discarded.is_empty()
    }

    /// Another's commit was merged. Answers whether there was something to forget.
    pub(super) fn forget_epoch(&mut self) -> bool {
        let some = self.pending.is_some() || !self.discarded.is_empty();
        self.pending = None;
        self.discarded.clear();
        some
    }

    fn merge(&mut self) {
        self.merged = self.pending.take();
        self.discarded.clear();
    }

    fn discard(&mut self) {
        if self.discarded.len() >= MAX_DISCARDED_COMMITS {
            self.discarded.remove(0);
        }
        self.discarded.extend(self.pending.take());
    }
}

impl Group {
    /// Commits `changes` and every proposal that waits, but for those that would add somebody whose key package is not
    /// valid `now`. The group moves on when the commit is merged, not before.
    ///
    /// # Errors
    /// When a commit is pending or staged already, when there is nothing to change, when a key package or a leaf
    /// does not fit, or when this device was removed.
    pub fn commit(&mut self, changes: Changes<'_>, now: Timestamp) -> Result<Committed, MlsError> {
        self.commit_with(changes, now, |_, _| Ok(()))
    }

    /// Commits, and stores what `beside` writes in the same step: the commit in an outbox, say.
    ///
    /// # Errors
    /// As [`Self::commit`], and when `beside` fails.
    pub fn commit_with(
        &mut self,
        changes: Changes<'_>,
        now: Timestamp,
        beside: impl FnOnce(&Committed, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Committed, MlsError> {
        let commit = |live: &mut Live, provider: &Provider<'_>, shared: &Shared| {
            live.commit_checked(&changes, now, provider, shared)
        };
        self.step_with(commit, beside)
    }

    /// Moves on to the epoch that this member's own commit begins: whoever orders commits has accepted it.
    ///
    /// # Errors
    /// When none is pending, a subscriber lags behind, or the store fails.
    pub fn merge_pending(&mut self) -> Result<CommitSummary, MlsError> {
        self.merge_pending_with(|_, _| Ok(()))
    }

    /// Moves on, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::merge_pending`], and when `beside` fails.
    pub fn merge_pending_with(
        &mut self,
        beside: impl FnOnce(&CommitSummary, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<CommitSummary, MlsError> {
        self.events.check_room()?;
        let summary = self.step_with(|live, provider, _| live.merge_pending(provider), beside)?;
        self.publish_commit(&summary, false);
        Ok(summary)
    }

    /// Drops this member's own commit: it was not accepted. The proposals it covered go on waiting. Should the group
    /// have accepted it all the same, its coming back is refused as [`MlsError::Diverged`].
    ///
    /// # Errors
    /// When none is pending or the store fails.
    pub fn discard_pending(&mut self) -> Result<(), MlsError> {
        self.discard_pending_with(|(), _| Ok(()))
    }

    /// Drops this member's own commit, and stores what `beside` writes in the same step.
    ///
    /// # Errors
    /// As [`Self::discard_pending`], and when `beside` fails.
    pub fn discard_pending_with(
        &mut self,
        beside: impl FnOnce(&(), &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<(), MlsError> {
        self.step_with(|live, provider, _| live.discard_pending(provider), beside)
    }

    pub(super) fn decode_key_packages(
        &self,
        packages: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<Vec<KeyPackage>, MlsError> {
        decode_key_packages(&self.shared, packages, now)
    }
}

fn decode_key_packages(
    shared: &Shared,
    packages: &[Vec<u8>],
    now: Timestamp,
) -> Result<Vec<KeyPackage>, MlsError> {
    let crypto = shared.crypto();
    let decoded: Vec<_> = packages
        .par_iter()
        .with_min_len(KEY_PACKAGES_PER_THREAD)
        .map(|bytes| key_package::decode(crypto, bytes, now))
        .collect();
    decoded.into_iter().collect()
}

fn check_sizes(changes: &Changes<'_>) -> Result<(), MlsError> {
    if changes.add.len() > MAX_CHANGES_PER_COMMIT || changes.remove.len() > MAX_CHANGES_PER_COMMIT {
        return Err(MlsError::TooLarge { what: "the commit", limit: MAX_CHANGES_PER_COMMIT });
    }
    if changes.psks.len() > MAX_PSKS_PER_COMMIT {
        return Err(MlsError::TooLarge { what: "the list of pre-shared keys", limit: MAX_PSKS_PER_COMMIT });
    }
    changes.identity.map_or(Ok(()), device::check_identity)
}

impl Live {
    pub(super) fn suite(&self) -> Result<Suite, MlsError> {
        Suite::from_code_point(u16::from(self.mls.ciphersuite())).map_err(MlsError::internal)
    }

    /// The key of this member's own leaf, which everything that is sent is signed with: so this is where a group that
    /// was restored is stopped.
    pub(super) fn signer(&self, shared: &Shared) -> Result<Arc<Signer>, MlsError> {
        if self.is_restored {
            return Err(MlsError::Restored);
        }
        let leaf = self.mls.own_leaf().ok_or_else(|| MlsError::internal("a member has a leaf"))?;
        shared.signer_of(self.suite()?, leaf.signature_key().as_slice())
    }

    /// Checks `changes` and makes the commit. What is refused changes nothing.
    pub(super) fn commit_checked(
        &mut self,
        changes: &Changes<'_>,
        now: Timestamp,
        provider: &Provider<'_>,
        shared: &Shared,
    ) -> Result<Committed, MlsError> {
        check_sizes(changes)?;
        let packages = decode_key_packages(shared, changes.add, now)?;
        self.check_changes(changes, shared, now)?;
        self.judge_invited(&packages, shared.authentication(), now)?;
        let mut committed = self.commit(packages, Plan { changes, now }, provider, shared)?;
        committed.expiring = expiring(&committed.summary.added, now);
        Ok(committed)
    }

    fn check_changes(&self, changes: &Changes<'_>, shared: &Shared, now: Timestamp) -> Result<(), MlsError> {
        self.check_not_succeeded()?;
        if changes.succession.is_some_and(|next| next.group_id.as_bytes() == self.mls.group_id().as_slice()) {
            return Err(MlsError::InvalidArgument("a group cannot succeed itself"));
        }
        if self.mls.pending_commit().is_some() || self.staged.is_some() {
            return Err(MlsError::CommitPending);
        }
        let nothing = changes.add.is_empty()
            && changes.remove.is_empty()
            && changes.psks.is_empty()
            && changes.extensions.is_none()
            && changes.succession.is_none()
            && changes.identity.is_none()
            && changes.certificate.is_none()
            && self.proof_due().is_none()
            && !changes.update;
        let provider = shared.provider();
        let covered = |queued: &QueuedProposal| {
            self.is_committable(queued, shared.authentication(), now) && self.fits_alone(queued, &provider)
        };
        if nothing && !self.mls.pending_proposals().any(covered) {
            return Err(MlsError::NothingToCommit);
        }
        let own = self.mls.own_leaf_index().u32();
        for leaf in changes.remove {
            if leaf.number() == own {
                return Err(MlsError::CannotRemoveSelf);
            }
            roster::member_at(&self.mls, *leaf)?;
        }
        if self.mls.members().count().saturating_add(changes.add.len()) > MAX_MEMBERS {
            return Err(MlsError::TooLarge { what: "the group", limit: MAX_MEMBERS });
        }
        Ok(())
    }

    fn commit(
        &mut self,
        packages: Vec<KeyPackage>,
        plan: Plan<'_>,
        provider: &Provider<'_>,
        shared: &Shared,
    ) -> Result<Committed, MlsError> {
        let Plan { changes, now } = plan;
        let signer = self.signer(shared)?;
        let extensions = self.next_extensions(changes)?;
        let psks = self.resolve_psks(changes.psks, provider)?;
        let successor = self.successor(changes, shared, now)?;
        let new_signer = successor.as_ref();
        let capabilities = changes.certificate.map(|_| key_package::capabilities(shared.authentication()));
        let who = (&*signer, new_signer, capabilities);
        let wanted = self.wanted(shared.authentication(), now);
        let (commit, welcome) = self.build(packages, psks, extensions, (changes, &wanted), who, provider)?;
        new_signer.map_or(Ok(()), |new| shared.keep_signer(&new.signer, provider))?;
        self.committed(commit, welcome, changes.tree, provider)
    }

    fn build(
        &mut self,
        packages: Vec<KeyPackage>,
        psks: Vec<PreSharedKeyId>,
        extensions: Option<Extensions<GroupContext>>,
        (changes, wanted): (&Changes<'_>, &[ProposalRef]),
        (signer, successor, capabilities): (&Signer, Option<&Successor>, Option<Capabilities>),
        provider: &Provider<'_>,
    ) -> Result<(MlsMessageOut, Option<MlsMessageOut>), MlsError> {
        let group = self.mls.group_id().clone();
        let removed = changes.remove.iter().map(|leaf| LeafNodeIndex::new(leaf.number()));
        let mut builder = self
            .mls
            .commit_builder()
            .propose_adds(packages)
            .propose_removals(removed)
            .add_proposals(psks.iter().cloned().map(psk::proposal))
            .force_self_update(changes.update);
        if let Some(capabilities) = capabilities {
            let leaf = LeafNodeParameters::builder().with_capabilities(capabilities).build();
            builder = builder.leaf_node_parameters(leaf);
        }
        if let Some(extensions) = extensions {
            builder = builder.propose_group_context_extensions(extensions)?;
        }
        let covered = committable::choose(wanted, |chosen| {
            let mut keys = psks.clone();
            let is_chosen = |queued: &QueuedProposal| {
                let is_chosen = chosen.contains(queued.proposal_reference_ref());
                keys.extend(committable::psk_of(queued).ok().flatten().filter(|_| is_chosen));
                is_chosen
            };
            builder.check(provider.crypto(), provider.storage(), is_chosen).is_ok()
                && psk::check(&group, &keys).is_ok()
        });
        let builder = builder
            .load_psks(provider.storage())?
            .use_ratchet_tree_extension(changes.tree == TreePlacement::Inside)
            .create_group_info(false);
        let (rand, crypto) = (provider.rand(), provider.crypto());
        let covered = |queued: &QueuedProposal| {
            covered.contains(queued.proposal_reference_ref())
                || queued.proposal_or_ref_type() == ProposalOrRefType::Proposal
        };
        // The Welcome is sealed to each new member with all of the encrypted group as the same `info`.
        let built = with_shared_info(|| match successor {
            Some(new) => builder.build_with_new_signer(rand, crypto, signer, new.bundle(), covered),
            None => builder.build(rand, crypto, signer, covered),
        })?;
        let (commit, welcome, _) = built.stage_commit(provider)?.into_messages();
        Ok((commit, welcome))
    }

    fn committed(
        &mut self,
        commit: MlsMessageOut,
        welcome: Option<MlsMessageOut>,
        tree: TreePlacement,
        provider: &Provider<'_>,
    ) -> Result<Committed, MlsError> {
        let commit = encode(&commit)?;
        self.own_commits.pending = Some(digest(&commit));
        self.store_own_commits(provider)?;
        let ratchet_tree = match tree {
            TreePlacement::Inside => None,
            TreePlacement::Beside => Some(self.next_ratchet_tree(provider)?),
        };
        Ok(Committed {
            commit,
            welcome: welcome.as_ref().map(encode).transpose()?,
            ratchet_tree,
            summary: self.pending_summary()?.ok_or(MlsError::NoPendingCommit)?,
            expiring: Vec::new(),
        })
    }

    fn resolve_psks(&self, psks: &[PskId], provider: &Provider<'_>) -> Result<Vec<PreSharedKeyId>, MlsError> {
        let (group, suite) = (self.mls.group_id(), self.mls.ciphersuite());
        let mut ids =
            psks.iter().map(|id| id.resolve(group, suite, provider)).collect::<Result<Vec<_>, _>>()?;
        if let Some(proof) = self.proof_due() {
            ids.push(proof.id(psk::nonce(suite, provider)?));
        }
        Ok(ids)
    }

    /// What the group's extensions shall be, where the commit changes them.
    fn next_extensions(&self, changes: &Changes<'_>) -> Result<Option<Extensions<GroupContext>>, MlsError> {
        let given = changes.extensions.map(extension::decode).transpose()?;
        let Some(succession) = changes.succession else { return Ok(given) };
        let extensions = given.unwrap_or_else(|| self.mls.extensions().clone());
        crate::succession::name_in(extensions, succession).map(Some)
    }

    /// Who this member is to become, if anybody else.
    fn successor(
        &self,
        changes: &Changes<'_>,
        shared: &Shared,
        now: Timestamp,
    ) -> Result<Option<Successor>, MlsError> {
        let algorithm = self.suite()?.signature_algorithm();
        let (signer, credential) = match (changes.identity, changes.certificate) {
            (None, None) => return Ok(None),
            (Some(identity), None) => {
                let key = SigningKey::generate(algorithm, shared.crypto().entropy())?;
                (key, credential::basic(identity))
            }
            (None, Some(certified)) => {
                let chain = CertificateChain::new(certified.certificates.to_vec())?;
                let key = SigningKey::from_pkcs8(algorithm, certified.private_key).map_err(|_| {
                    MlsError::InvalidArgument("the private key is not PKCS#8 of the group's signature scheme")
                })?;
                (key, credential::x509(&chain)?)
            }
            (Some(_), Some(_)) => {
                return Err(MlsError::InvalidArgument("a member has an identity or a certificate, not both"));
            }
        };
        let old = self.mls.own_leaf().ok_or_else(|| MlsError::internal("a member has a leaf"))?;
        shared.authentication().admit_change(old, &credential, signer.public_key(), now)?;
        let credential = device::shown(credential, signer.public_key());
        Ok(Some(Successor { signer: Signer::new(signer), credential }))
    }

    /// The tree of the epoch that the pending commit begins.
    fn next_ratchet_tree(&self, provider: &Provider<'_>) -> Result<Vec<u8>, MlsError> {
        let staged = self.mls.pending_commit().ok_or(MlsError::NoPendingCommit)?;
        let tree = staged
            .export_ratchet_tree(provider.crypto(), self.mls.export_ratchet_tree())
            .map_err(MlsError::internal)?
            .ok_or_else(|| MlsError::internal("a member's own commit has a tree"))?;
        tree.tls_serialize_detached().map_err(MlsError::internal)
    }

    fn pending_summary(&self) -> Result<Option<CommitSummary>, MlsError> {
        let committer = MlsSender::Member(self.mls.own_leaf_index());
        self.mls.pending_commit().map(|staged| roster::summary(&self.mls, staged, &committer)).transpose()
    }

    pub(super) fn merge_pending(&mut self, provider: &Provider<'_>) -> Result<CommitSummary, MlsError> {
        let summary = self.pending_summary()?.ok_or(MlsError::NoPendingCommit)?;
        self.refused = None;
        self.mls.merge_pending_commit(provider)?;
        keep_proof(&self.mls, provider)?;
        self.own_commits.merge();
        self.store_own_commits(provider)?;
        Ok(summary)
    }

    pub(super) fn discard_pending(&mut self, provider: &Provider<'_>) -> Result<(), MlsError> {
        if self.mls.pending_commit().is_none() {
            return Err(MlsError::NoPendingCommit);
        }
        self.mls.clear_pending_commit(provider.storage())?;
        self.own_commits.discard();
        self.store_own_commits(provider)
    }

    pub(super) fn store_own_commits(&self, provider: &Provider<'_>) -> Result<(), MlsError> {
        Ok(provider.storage().put_loadable_row(
            self.mls.group_id(),
            GroupRow::OwnCommit,
            &self.own_commits,
        )?)
    }
}

fn expiring(added: &[Member], now: Timestamp) -> Vec<Member> {
    let ends_soon = |member: &&Member| member.expires.is_some_and(|end| end <= now + KEY_PACKAGE_RENEWAL);
    added.iter().filter(ends_soon).cloned().collect()
}

/// Whether a commit made `now` may cover the proposal: whoever sends a leaf vouches for its lifetime (RFC 9420 section
/// 7.3). Whoever receives it does not judge it again, which by another clock, or later, would fork the group.
pub(super) fn is_timely(queued: &QueuedProposal, now: Timestamp) -> bool {
    match queued.proposal() {
        Proposal::Add(add) => key_package::is_valid_at(add.key_package(), now),
        _ => true,
    }
}

pub(super) fn encode(message: &MlsMessageOut) -> Result<Vec<u8>, MlsError> {
    message.tls_serialize_detached().map_err(MlsError::internal)
}
