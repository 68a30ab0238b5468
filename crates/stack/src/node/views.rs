//! What a member knows of its group.

use coterie_gbp::node::{Node, NodeState};
use coterie_gsp::SignalClient;
use coterie_gtp::TextClient;
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
