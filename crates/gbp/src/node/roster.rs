//! Who belongs to the group, by the application's numbers and by leaves.

use std::collections::{BTreeMap, BTreeSet};

use coterie_crypto::hash::{HashAlgorithm, digest};
use coterie_types::{LeafIndex, MemberId};
use coterie_wire::control::member_set;

use super::error::Refusal;
use super::limits::MAX_MEMBERS;

/// SHA-256 of something.
pub type Hash = [u8; 32];

pub(super) fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.iter_mut().zip(digest(HashAlgorithm::Sha256, bytes).as_bytes()).for_each(|(to, from)| *to = *from);
    hash
}

/// The members of one epoch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roster(BTreeMap<MemberId, LeafIndex>);

impl Roster {
    /// These members at these leaves.
    ///
    /// # Errors
    /// When there are none or too many, when a number has no streams or addresses everybody, or when a number or a leaf
    /// stands for two.
    pub fn new(members: impl IntoIterator<Item = (MemberId, LeafIndex)>) -> Result<Self, Refusal> {
        let (mut roster, mut leaves) = (BTreeMap::new(), BTreeSet::new());
        for (member, leaf) in members {
            let numbered = member != MemberId::EVERYBODY && member.number() < MemberId::STREAM_LIMIT;
            if !numbered || roster.insert(member, leaf).is_some() || !leaves.insert(leaf) {
                return Err(Refusal::NotAMember(member));
            }
            if roster.len() > MAX_MEMBERS {
                return Err(Refusal::TooLarge);
            }
        }
        if roster.is_empty() { Err(Refusal::TooLarge) } else { Ok(Self(roster)) }
    }

    /// Whether it has this member.
    #[must_use]
    pub fn has(&self, member: MemberId) -> bool {
        self.0.contains_key(&member)
    }

    /// The member at this leaf.
    #[must_use]
    pub fn at(&self, leaf: LeafIndex) -> Option<MemberId> {
        self.0.iter().find_map(|(member, at)| (*at == leaf).then_some(*member))
    }

    /// The members, in ascending order of their numbers, with their leaves.
    pub fn iter(&self) -> impl Iterator<Item = (MemberId, LeafIndex)> + '_ {
        self.0.iter().map(|(member, leaf)| (*member, *leaf))
    }

    /// The members' numbers in ascending order.
    pub fn members(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.0.keys().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What two members compare to know that they mean the same group.
    #[must_use]
    pub fn digest(&self) -> Hash {
        hash(&member_set(&self.members().collect()))
    }

    /// How many must be ready before an epoch ends: more than half of its members, those included that the commit removes,
    /// so that two quorums always share a member. Of two members one may remove the other.
    #[must_use]
    pub(super) fn quorum(&self, after: Option<&Self>) -> usize {
        let parting = after.is_some_and(|after| self.members().any(|member| !after.has(member)));
        if self.count() == 2 && parting { 1 } else { (self.count() / 2).saturating_add(1) }
    }
}
