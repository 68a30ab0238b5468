//! What was said about transitions in this epoch, by whom. Facts arrive in any order and stay until the epoch ends.
//!
//! Everything is bounded for each member by itself: whoever says more pushes out what it said before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coterie_types::{MemberId, TransitionId};

use super::limits::{MAX_OFFERS, MAX_OFFERS_OF_MEMBER, MAX_REMEMBERED};
use super::roster::Hash;

/// That a member named a transition and, in the sealed profile, its commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mention {
    pub(super) transition: TransitionId,
    pub(super) hash: Option<Hash>,
    /// Whose announcement it is about: of two members that announce one commit under one number, one may take its back.
    pub(super) preparer: Option<MemberId>,
    /// Whether it was the first announcement of all, for which nobody was asked. Known of own votes alone.
    pub(super) first: bool,
}

/// The place of an attempt in the order of all of an epoch: its number, or zero for the first, and who prepares it.
pub(super) type Rank = (TransitionId, MemberId);

/// What a member voted for last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lock {
    pub(super) rank: Rank,
    pub(super) hash: Hash,
}

/// That a member votes for nothing below the attempt of this number, and what it voted for before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Promise {
    pub(super) transition: TransitionId,
    pub(super) to: MemberId,
    pub(super) lock: Option<Lock>,
}

/// An announcement whose commit waits, because another one is under way.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) transition: TransitionId,
    pub(super) preparer: MemberId,
    pub(super) hash: Hash,
    pub(super) commit: Vec<u8>,
    pub(super) first: bool,
    /// Whether it may yet be voted for. The commit of one that was taken back may be completed under another number.
    pub(super) open: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) votes: BTreeMap<MemberId, VecDeque<Mention>>,
    pub(super) executes: BTreeMap<MemberId, VecDeque<Mention>>,
    pub(super) promises: BTreeMap<MemberId, VecDeque<Promise>>,
    pub(super) offers: Vec<Offer>,
    /// Who announced which commit.
    pub(super) seen: BTreeMap<MemberId, VecDeque<(TransitionId, Hash)>>,
    /// Commits that the engine refused.
    pub(super) rejected: VecDeque<Hash>,
}

/// The place of an attempt.
pub(super) fn rank((transition, preparer): Rank, first: bool) -> Rank {
    (if first { TransitionId::default() } else { transition }, preparer)
}

impl Offer {
    pub(super) fn rank(&self) -> Rank {
        rank((self.transition, self.preparer), self.first)
    }
}

impl Mention {
    pub(super) fn is_of(&self, (transition, preparer): Rank) -> bool {
        (self.transition, self.preparer) == (transition, Some(preparer))
    }

    /// What the vote locks its member to.
    pub(super) fn lock(&self) -> Option<Lock> {
        Some(Lock { rank: rank((self.transition, self.preparer?), self.first), hash: self.hash? })
    }

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

    /// Keeps an announcement for later, in the order of the numbers. The one with the fewest votes gives way, of the same member
    /// first: a frame opens but once, and what a quorum is locked to may have to be followed.
    pub(super) fn offer(&mut self, offer: Offer) {
        let preparer = offer.preparer;
        self.offers.retain(|held| (held.preparer, held.hash) != (preparer, offer.hash));
        self.offers.push(offer);
        self.offers.sort_by_key(|held| held.transition);
        if self.offers.iter().filter(|held| held.preparer == preparer).count() > MAX_OFFERS_OF_MEMBER {
            self.drop_offer(|held| held.preparer == preparer);
        }
        if self.offers.len() > MAX_OFFERS {
            self.drop_offer(|_| true);
        }
    }

    fn drop_offer(&mut self, of: impl Fn(&Offer) -> bool) {
        let votes = |held: &Offer| self.voters(held.transition, held.hash, held.preparer).len();
        let candidates = self.offers.iter().enumerate().filter(|(_, held)| of(held));
        let fewest = candidates.min_by_key(|(_, held)| votes(held)).map(|(index, _)| index);
        fewest.map(|index| self.offers.remove(index));
    }

    /// Whatever a member said before about this attempt, this is how it stands now.
    pub(super) fn promise(&mut self, member: MemberId, promise: Promise) {
        let said = self.promises.entry(member).or_default();
        said.retain(|before| (before.transition, before.to) != (promise.transition, promise.to));
        push(said, promise, MAX_REMEMBERED);
    }

    /// Who promised to follow this attempt, and what each is locked to.
    pub(super) fn promised(&self, attempt: Rank) -> Vec<(MemberId, Option<Lock>)> {
        let of =
            |said: &VecDeque<Promise>| said.iter().find(|one| (one.transition, one.to) == attempt).copied();
        let all = self.promises.iter();
        all.filter_map(|(member, said)| of(said).map(|promise| (*member, promise.lock))).collect()
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
