//! What was said about transitions in this epoch, by whom. Facts arrive in any order and stay until the epoch ends.
//!
//! Everything is bounded for each member by itself: whoever says more pushes out what it said before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coterie_types::{MemberId, TransitionId};

use super::limits::{MAX_OFFERS, MAX_REMEMBERED};
use super::roster::Hash;

/// That a member named a transition and, in the sealed profile, its commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mention {
    pub(super) transition: TransitionId,
    pub(super) hash: Option<Hash>,
    /// Whose announcement it is about: of two members that announce one commit under one number, one may take its back.
    pub(super) preparer: Option<MemberId>,
}

/// An announcement whose commit waits, because another one is locked.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) transition: TransitionId,
    pub(super) preparer: MemberId,
    pub(super) hash: Hash,
    pub(super) commit: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) votes: BTreeMap<MemberId, VecDeque<Mention>>,
    pub(super) executes: BTreeMap<MemberId, VecDeque<Mention>>,
    pub(super) offers: Vec<Offer>,
    /// Who announced which commit.
    pub(super) seen: BTreeMap<MemberId, VecDeque<(TransitionId, Hash)>>,
    /// Commits that the engine refused.
    pub(super) rejected: VecDeque<Hash>,
}

impl Mention {
    /// Without a hash, as deployed peers send it, it is about whatever the transition is.
    pub(super) fn means(&self, transition: TransitionId, hash: Hash, preparer: MemberId) -> bool {
        self.transition == transition
            && self.hash.is_none_or(|named| named == hash)
            && self.preparer.is_none_or(|named| named == preparer)
    }
}

pub(super) fn push<T: PartialEq>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if !queue.contains(&item) {
        queue.push_back(item);
    }
    if queue.len() > most {
        queue.pop_front();
    }
}

impl Facts {
    pub(super) fn vote(&mut self, member: MemberId, mention: Mention) {
        push(self.votes.entry(member).or_default(), mention, MAX_REMEMBERED);
    }

    pub(super) fn execute(&mut self, member: MemberId, mention: Mention) {
        push(self.executes.entry(member).or_default(), mention, MAX_REMEMBERED);
    }

    pub(super) fn saw(&mut self, transition: TransitionId, preparer: MemberId, hash: Hash) {
        push(self.seen.entry(preparer).or_default(), (transition, hash), MAX_REMEMBERED);
    }

    /// What this member is known to have announced under this number.
    pub(super) fn announced(&self, transition: TransitionId, preparer: MemberId) -> Option<Hash> {
        let seen = self.seen.get(&preparer)?.iter();
        seen.rev().find(|(of, _)| *of == transition).map(|(_, hash)| *hash)
    }

    /// Keeps an announcement for later; of the oldest attempts the lowest gives way.
    pub(super) fn offer(&mut self, offer: Offer) {
        self.offers.retain(|held| held.preparer != offer.preparer);
        self.offers.push(offer);
        self.offers.sort_by_key(|held| held.transition);
        if self.offers.len() > MAX_OFFERS {
            self.offers.remove(0);
        }
    }

    /// Who is ready for this commit under this number.
    pub(super) fn voters(
        &self,
        transition: TransitionId,
        hash: Hash,
        preparer: MemberId,
    ) -> BTreeSet<MemberId> {
        let ready =
            |votes: &VecDeque<Mention>| votes.iter().any(|vote| vote.means(transition, hash, preparer));
        self.votes.iter().filter(|(_, votes)| ready(votes)).map(|(member, _)| *member).collect()
    }
}
