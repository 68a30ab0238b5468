//! One member's view of one group.
//!
//! [`Group`] owns the steps: each public call that changes something is one step, whose writes reach the store
//! together. What a step does stands in the submodules: [`propose`] makes proposals, [`commit`] makes, merges and drops
//! commits, [`receive`] takes in what others sent, [`message`] seals what this member says, [`info`] is what it
//! tells those outside, [`stay`] is how its stay goes on,
//! [`succession`] how the group ends in favour of another.
//!
//! The order of commits is not decided here. A commit of this member is only pending until whoever orders
//! commits has accepted it.

mod admission;
mod commit;
mod committable;
mod info;
#[cfg(feature = "interop")]
mod interop;
mod message;
mod pace;
mod propose;
mod receive;
mod stay;
mod succession;
mod together;

use std::sync::Arc;

use coterie_crypto::hash::{self, HashAlgorithm};
use coterie_store::{CounterKeeper, Space, StoreError};
use coterie_types::{Epoch, GroupId, LeafIndex};
use openmls::prelude::MlsGroup;
use openmls_traits::OpenMlsProvider;

pub use commit::{CertifiedKey, Changes, Committed, TreePlacement};
pub use info::{Framing, HandshakeFraming};
pub use message::Encrypted;
pub use pace::Pace;
pub use propose::Wish;
pub use receive::Received;
pub(crate) use stay::Stay;
pub use stay::UpdateReason;
pub use together::Together;

use crate::device::Shared;
use crate::error::MlsError;
use crate::events::{Events, GroupEvent};
use crate::held::Hold;
use crate::limits::MAX_EXPORT_LENGTH;
use crate::provider::{GroupRow, Provider, StoredSecrets};
use crate::restored;
use crate::roster::{self, CommitSummary, Member, ProposalSummary};
use crate::rows::Rows;
use crate::succession::{Proof, keep_proof};
use crate::suite::Suite;

use commit::OwnCommits;
use receive::{Refused, Staged, StagedRow};

/// One member's view of one group.
pub struct Group {
    shared: Arc<Shared>,
    id: GroupId,
    suite: Suite,
    state: State,
    events: Events,
}

enum State {
    /// In the group.
    Member(Box<Live>),
    /// Removed; the keys are gone.
    Removed(Epoch),
    /// A step failed half way. The stored state is whole and is loaded before the next step.
    Torn(Epoch),
}

/// How a device comes into a group.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    /// It begins the group, which may succeed another.
    Founded(Option<Proof>),
    /// A member added it, maybe with the proof of the group's descent.
    Welcomed(Option<Proof>),
    /// By a commit of its own.
    External,
    /// By a commit of its own, into a group that it is in already.
    Again,
}

impl Arrival {
    fn into_stay(self) -> Stay {
        match self {
            Self::Founded(Some(proof)) => Stay::succeeding(proof),
            Self::Welcomed(proof) => Stay::welcomed(proof),
            Self::Founded(None) | Self::External | Self::Again => Stay::default(),
        }
    }
}

/// The state in memory of a group that this device is in.
struct Live {
    mls: MlsGroup,
    own_commits: OwnCommits,
    staged: Option<Staged>,
    /// A change that was refused for a cause that may pass, or looked at. Its key is used up in memory, and a volatile
    /// group has nothing to go back to.
    refused: Option<Refused>,
    /// Whether a message that authenticated was refused in this step, before anything but its key was used up.
    key_spent: bool,
    stay: Stay,
    /// What keeps another group of this id from beginning beside this one, in a volatile device.
    _hold: Option<Hold>,
    /// What the store holds of the message secrets.
    stored_secrets: StoredSecrets,
    /// Whether the keys may have been used in a life of the store that was taken back.
    is_restored: bool,
}

impl Group {
    /// A group that was just created or joined, in the step of `provider`, which ends here, with rows of the
    /// application in that step.
    pub(crate) fn begin_with(
        shared: Arc<Shared>,
        mls: MlsGroup,
        arrival: Arrival,
        provider: Provider<'_>,
        beside: impl FnOnce(&GroupId, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<Self, MlsError> {
        Self::begin_together(shared, mls, arrival, provider, |together| {
            let id = together.id()?;
            Ok(beside(&id, &mut together.rows())?)
        })
        .map(|(group, ())| group)
    }

    /// The same, with all that `work` does to the group in that step.
    pub(crate) fn begin_together<T, E: From<MlsError>>(
        shared: Arc<Shared>,
        mls: MlsGroup,
        arrival: Arrival,
        provider: Provider<'_>,
        work: impl FnOnce(&mut Together<'_, '_>) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let id = group_id(&mls)?;
        let hold =
            shared.is_volatile().then(|| shared.held().take(&id, arrival == Arrival::Again)).transpose()?;
        let mut live = Live {
            mls,
            own_commits: OwnCommits::default(),
            staged: None,
            refused: None,
            key_spent: false,
            stay: arrival.into_stay(),
            _hold: hold,
            stored_secrets: StoredSecrets::default(),
            is_restored: false,
        };
        live.store_stay(&provider)?;
        keep_proof(&live.mls, &provider)?;
        restored::mark_group(&live.mls, &shared, &provider)?;
        let value = together::begin(&mut live, &provider, &shared, work)?;
        let group = Self::with(shared, live)?;
        provider.commit().map_err(MlsError::from)?;
        Ok((group, value))
    }

    pub(crate) fn load(shared: Arc<Shared>, id: &GroupId) -> Result<Option<Self>, MlsError> {
        match Live::load(&shared, id)? {
            Some(live) => Self::with(shared, live).map(Some),
            None => Ok(None),
        }
    }

    fn with(shared: Arc<Shared>, live: Live) -> Result<Self, MlsError> {
        let id = group_id(&live.mls)?;
        let suite = Suite::from_code_point(u16::from(live.mls.ciphersuite()))
            .map_err(|_| MlsError::Unsupported("the group's cipher suite"))?;
        Ok(Self { shared, id, suite, state: State::Member(Box::new(live)), events: Events::default() })
    }

    /// Where to subscribe to what happens in the group. While a subscription's queue is full, calls that would add
    /// to it are refused before they change anything, so that nothing is lost.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The group's name.
    #[must_use]
    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// The group's cipher suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Where this member is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match &self.state {
            State::Member(live) => live.epoch(),
            State::Removed(epoch) | State::Torn(epoch) => *epoch,
        }
    }

    /// Whether the group ends with this object, because its store keeps nothing.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.shared.is_volatile()
    }

    /// Who keeps the counters of keys that grow from this group's exporter.
    #[must_use]
    pub fn counters(&self) -> &Arc<CounterKeeper> {
        self.shared.counters()
    }

    /// Whether this device is still in the group.
    #[must_use]
    pub fn is_member(&self) -> bool {
        !matches!(self.state, State::Removed(_))
    }

    /// Whether the group comes from before its store was put back to an earlier state. It still reads; whatever would
    /// send is refused, and layers that seal with exported secrets must not, until this device has joined anew.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn is_restored(&mut self) -> Result<bool, MlsError> {
        Ok(self.live()?.is_restored)
    }

    /// This device's place in the tree.
    ///
    /// # Errors
    /// When it was removed.
    pub fn own_leaf(&mut self) -> Result<LeafIndex, MlsError> {
        Ok(LeafIndex::new(self.live()?.mls.own_leaf_index().u32()))
    }

    /// Everybody in the group, from left to right.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn members(&mut self) -> Result<Vec<Member>, MlsError> {
        roster::members(&self.live()?.mls)
    }

    /// The proposals that wait for a commit, oldest first.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn pending_proposals(&mut self) -> Result<Vec<ProposalSummary>, MlsError> {
        let mls = &self.live()?.mls;
        mls.pending_proposals().map(|queued| roster::proposal(mls, queued)).collect()
    }

    /// What this member's own pending commit would do; none where none is pending.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn pending_commit(&mut self) -> Result<Option<CommitSummary>, MlsError> {
        let mls = &self.live()?.mls;
        let committer = openmls::prelude::Sender::Member(mls.own_leaf_index());
        mls.pending_commit().map(|staged| roster::summary(mls, staged, &committer)).transpose()
    }

    /// A value that all members of this epoch share and nobody else can know: equal values prove equal views.
    ///
    /// # Errors
    /// When this device was removed.
    pub fn epoch_authenticator(&mut self) -> Result<Vec<u8>, MlsError> {
        Ok(self.live()?.mls.epoch_authenticator().as_slice().to_vec())
    }

    /// A key of this epoch for another protocol, bound to `label` and `context`.
    ///
    /// # Errors
    /// When the length is zero or above [`MAX_EXPORT_LENGTH`], or when this device was removed.
    pub fn export_secret(&mut self, label: &str, context: &[u8], length: usize) -> Result<Vec<u8>, MlsError> {
        let shared = Arc::clone(&self.shared);
        exported(&self.live()?.mls, &shared, label, context, length)
    }

    /// Runs one step and writes the application's rows in it.
    fn step_with<T>(
        &mut self,
        work: impl FnOnce(&mut Live, &Provider<'_>, &Shared) -> Result<T, MlsError>,
        beside: impl FnOnce(&T, &mut Rows<'_, '_>) -> Result<(), StoreError>,
    ) -> Result<T, MlsError> {
        self.step(|live, provider, shared| {
            let value = work(live, provider, shared)?;
            let written = beside(&value, &mut Rows::of(provider.storage()));
            written.map_err(|error| without_rows(error, provider, shared))?;
            Ok(value)
        })
    }

    /// Runs one step. When `work` is refused before it wrote anything, nothing was changed; when it fails later,
    /// the last stored state takes the place of what is in memory. A volatile group has no stored state: what openmls
    /// did before the failure, mostly the use of one message key, stands there.
    fn step<T>(
        &mut self,
        work: impl FnOnce(&mut Live, &Provider<'_>, &Shared) -> Result<T, MlsError>,
    ) -> Result<T, MlsError> {
        let shared = Arc::clone(&self.shared);
        let live = self.live()?;
        let before = live.epoch();
        live.key_spent = false;
        let provider = shared.provider();
        provider.storage().touch_epoch(before.number());
        let outcome = work(live, &provider, &shared).and_then(|value| {
            live.write_message_secrets(&provider)?;
            Ok(value)
        });
        let outcome = outcome.map_err(|error| provider.explain(error));
        // A read that failed may have come after a change in memory, before the write that belongs to it.
        let touched = provider.storage().is_touched() || provider.storage().fault().is_some();
        let stands = outcome.is_ok() || shared.is_volatile();
        let stored = if stands { provider.commit() } else { Ok(()) };
        if (touched && stored.is_err()) || (!stands && live.must_undo(touched, &shared)) {
            self.state = State::Torn(before);
        } else if !live.mls.is_active() {
            self.state = State::Removed(live.epoch());
        }
        let value = outcome?;
        stored?;
        Ok(value)
    }

    /// The state in memory, loaded again where the last step tore it.
    fn live(&mut self) -> Result<&mut Live, MlsError> {
        if let State::Torn(_) = self.state {
            if self.shared.is_volatile() {
                return Err(MlsError::internal("a step failed half way and the store is volatile"));
            }
            self.state = match Live::load(&self.shared, &self.id)? {
                Some(live) => State::Member(Box::new(live)),
                // The step that failed removed this member, and its rows turn out to be stored all the same.
                None => State::Removed(self.epoch()),
            };
        }
        match &mut self.state {
            State::Member(live) => Ok(live),
            State::Removed(_) => Err(MlsError::Removed),
            State::Torn(_) => Err(MlsError::internal("a torn group was not loaded")),
        }
    }

    fn publish(&mut self, event: impl FnOnce() -> GroupEvent) {
        if self.events.are_wanted() {
            self.events.publish(&event());
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.events.end();
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("id", &self.id).field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

impl Live {
    fn load(shared: &Shared, id: &GroupId) -> Result<Option<Self>, MlsError> {
        let provider = shared.provider();
        let storage = provider.storage();
        let id = openmls::group::GroupId::from_slice(id.as_bytes());
        let Some(mls) = MlsGroup::load(storage, &id)? else { return Ok(None) };
        let own_commits = storage.group_row(&id, GroupRow::OwnCommit)?.unwrap_or_default();
        let staged = storage.group_row::<StagedRow>(&id, GroupRow::StagedCommit)?;
        let staged = staged.map(|row| Staged::from_row(&mls, row)).transpose()?;
        let stay = storage.group_row(&id, GroupRow::Stay)?.unwrap_or_default();
        let stored_secrets = storage.take_stored_secrets();
        let is_restored = restored::is_restored(&id, shared, storage)?;
        let (refused, key_spent, _hold) = (None, false, None);
        Ok(Some(Self {
            mls,
            own_commits,
            staged,
            refused,
            key_spent,
            stay,
            _hold,
            stored_secrets,
            is_restored,
        }))
    }

    /// Whether a step that failed must be undone: it changed something, or used up a message's key. What a volatile
    /// group did stands.
    fn must_undo(&self, touched: bool, shared: &Shared) -> bool {
        !shared.is_volatile() && (touched || self.key_spent)
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.mls.epoch().as_u64())
    }

    /// Writes the message secrets once for the whole step: openmls writes them when asked to delete nothing.
    fn write_message_secrets(&mut self, provider: &Provider<'_>) -> Result<(), MlsError> {
        let current = self.epoch().number();
        if provider.storage().begin_writing_message_secrets(&mut self.stored_secrets, current) {
            self.delete_past_epochs(provider, None)?;
            self.stored_secrets = provider.storage().take_stored_secrets();
        }
        Ok(())
    }
}

fn exported(
    mls: &MlsGroup,
    shared: &Shared,
    label: &str,
    context: &[u8],
    length: usize,
) -> Result<Vec<u8>, MlsError> {
    if length == 0 || length > MAX_EXPORT_LENGTH {
        return Err(MlsError::TooLarge { what: "the exported secret", limit: MAX_EXPORT_LENGTH });
    }
    mls.export_secret(shared.crypto(), label, context, length).map_err(MlsError::internal)
}

fn group_id(mls: &MlsGroup) -> Result<GroupId, MlsError> {
    GroupId::new(mls.group_id().as_slice()).map_err(|_| MlsError::Unsupported("the length of the group's id"))
}

/// The application's rows could not be written. A stored group goes back to where it was; a volatile one cannot, so
/// that there its step stands without them.
fn without_rows(error: StoreError, provider: &Provider<'_>, shared: &Shared) -> MlsError {
    if !shared.is_volatile() {
        return error.into();
    }
    let touched = provider.storage().is_touched();
    provider.storage().with_step(|step, _| step.forget_space(Space::Application));
    if touched { MlsError::NotUndone(error) } else { error.into() }
}

/// What recognises a message of our own when it comes back.
fn digest(message: &[u8]) -> Vec<u8> {
    hash::digest(HashAlgorithm::Sha256, message).as_bytes().to_vec()
}
