//! What a member knows of its group.

use std::sync::Arc;

use coterie_gbp::node::{Node, NodeState};
use coterie_gbp::protection::is_own_label;
use coterie_gsp::SignalClient;
use coterie_gtp::TextClient;
use coterie_mls::Group;
use coterie_store::CounterKeeper;
use coterie_types::{Epoch, GroupId, LeafIndex, MemberId};
use coterie_wire::Profile;

use super::GroupNode;
use crate::error::StackError;

/// Somebody in the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its number.
    pub member: MemberId,
    /// Its place in the tree.
    pub leaf: LeafIndex,
    /// Whom its credential names.
    pub identity: Vec<u8>,
    /// The key that its messages are verified with.
    pub signature_key: Vec<u8>,
}

impl GroupNode {
    /// The group's name.
    #[must_use]
    pub const fn id(&self) -> &GroupId {
        &self.id
    }

    /// How frames are protected.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.core.own.profile
    }

    /// This member's number.
    #[must_use]
    pub const fn me(&self) -> MemberId {
        self.core.own.me
    }

    /// The control plane as this member sees it.
    #[must_use]
    pub const fn control(&self) -> &Node {
        &self.core.node
    }

    /// Where this member is.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.core.node.epoch()
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> NodeState {
        self.core.node.state()
    }

    /// Whether this member is in the group.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        self.group.is_some()
    }

    /// Whether calls are refused because too much waits to be taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.check_room().is_err()
    }

    /// Whether a step takes less than a millisecond: the group is small, and nothing waits for a disk.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.device.is_volatile() && self.group.as_ref().is_none_or(|group| group.pace().is_small())
    }

    /// The same for a packet of audio, which waits for a disk only when numbers have to be reserved.
    #[must_use]
    pub fn sends_audio_quickly(&self) -> bool {
        let reserves = |protection: &crate::protection::Protection| {
            protection.wants_reservation(coterie_types::StreamClass::Audio)
        };
        self.device.is_volatile() || !self.core.protection.as_ref().is_some_and(reserves)
    }

    /// Everybody in the group; nobody once this member is out.
    ///
    /// # Errors
    /// When a credential cannot be read.
    pub fn members(&mut self) -> Result<Vec<Member>, StackError> {
        let Some(group) = &mut self.group else { return Ok(Vec::new()) };
        let numbered = |known: coterie_mls::Member| {
            let member = self.core.roster.at(known.leaf)?;
            let coterie_mls::Member { leaf, identity, signature_key, .. } = known;
            Some(Member { member, leaf, identity, signature_key })
        };
        Ok(group.members()?.into_iter().filter_map(numbered).collect())
    }

    /// A value that all members of this epoch share and nobody else can know: equal values prove equal views.
    ///
    /// # Errors
    /// Once this member is out.
    pub fn epoch_authenticator(&mut self) -> Result<Vec<u8>, StackError> {
        let group = self.group.as_mut().ok_or(StackError::NotActive)?;
        Ok(group.epoch_authenticator()?)
    }

    /// A key of the engine's epoch for another protocol, bound to `label` and `context`. Whoever waits for EXECUTE is in the
    /// group's next epoch there already.
    ///
    /// # Errors
    /// Once this member is out, for a length that is out of range, and for labels of the frames' own keys.
    pub fn export_secret(
        &mut self,
        label: &str,
        context: &[u8],
        length: usize,
    ) -> Result<Vec<u8>, StackError> {
        if is_own_label(label) {
            return Err(StackError::InvalidArgument("frames are protected under that label"));
        }
        let group = self.group.as_mut().ok_or(StackError::NotActive)?;
        Ok(group.export_secret(label, context, length)?)
    }

    /// The epoch that [`Self::export_secret`] gives keys of; the node's own once this member is out.
    #[must_use]
    pub fn keyed_epoch(&self) -> Epoch {
        self.group.as_ref().map_or(self.core.node.epoch(), Group::epoch)
    }

    /// This member's place in the tree; none once it is out.
    #[must_use]
    pub fn own_leaf(&self) -> Option<LeafIndex> {
        let own = |(member, _): &(MemberId, LeafIndex)| *member == self.core.own.me;
        self.core.node.roster().iter().find(own).map(|(_, leaf)| leaf)
    }

    /// Whether the group comes from before its store was put back to an earlier state.
    ///
    /// # Errors
    /// Once this member is out.
    pub fn is_restored(&mut self) -> Result<bool, StackError> {
        Ok(self.group.as_mut().ok_or(StackError::NotActive)?.is_restored()?)
    }

    /// The counters of the device's store.
    #[must_use]
    pub fn counters(&self) -> &Arc<CounterKeeper> {
        self.device.counters()
    }

    /// What is known of text.
    #[must_use]
    pub const fn text(&self) -> &TextClient {
        &self.core.text
    }

    /// What is known of signals, roles and capabilities.
    #[must_use]
    pub const fn signals(&self) -> &SignalClient {
        &self.core.signals
    }

    /// What waits to be played.
    #[must_use]
    pub fn playout(&self) -> &coterie_gap::Playout {
        self.core.audio.playout()
    }
}
