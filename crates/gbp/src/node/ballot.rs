//! The order of attempts in the sealed profile, and asking for the promises that put a later one before all earlier.
//!
//! An attempt's rank is its number and whoever prepares it; the first attempt of the roster's first member ranks below all.
//! Everybody else asks before it announces: a member that promises votes for nothing of lower rank any more, and says what
//! it voted for last. Whoever has the promises of a quorum announces the commit of the highest vote among them; where there is
//! none, its own. So of two commits that members are locked to, a later attempt can tell which may have had its quorum, and
//! whoever is locked to the other one is let go by it, having seen the same promises itself.

use coterie_types::{MemberId, Timestamp, TransitionId};
use coterie_wire::control::{ControlMessage, Opcode};

use super::arguments::{Preparation, Readiness};
use super::facts::{Lock, Mention, Offer, Promise, Rank};
use super::limits::{MAX_REMEMBERED, PREPARE_TIMEOUT, REPEAT};
use super::roster::{Hash, Roster};
use super::{Drive, Event, Node, Order, Pending, Refusal, Shelved};

/// Asking for promises.
#[derive(Clone, Debug)]
pub(super) struct Bid {
    pub(super) transition: TransitionId,
    pub(super) repeat: Timestamp,
    /// Whether somebody has promised to follow a later attempt.
    pub(super) outbid: bool,
}

/// What the promises leave to their receiver.
enum Choice {
    /// More must come.
    Wait,
    /// This commit: it may have had its quorum.
    Commit(Hash),
    /// Any: none has had its quorum, and none will without it.
    Any,
}

impl Pending {
    pub(super) const fn attempt(&self) -> Rank {
        (self.transition, self.preparer)
    }

    pub(super) fn rank(&self) -> Rank {
        super::facts::rank(self.attempt(), self.first)
    }
}

impl Node {
    /// Whether `member` may announce once without asking anybody: the first of the roster, as everybody knows.
    pub(super) fn is_first(&self, member: MemberId) -> bool {
        self.roster.members().next() == Some(member)
    }

    /// Whether this member may do so now: it has promised nothing, and announced nothing.
    pub(super) fn may_go_first(&self) -> bool {
        self.is_first(self.me) && self.promised == Rank::default()
    }

    /// What this member voted for last.
    pub(super) fn lock(&self) -> Option<Lock> {
        let votes = self.facts.votes.get(&self.me)?;
        votes.iter().filter_map(Mention::lock).max_by_key(|lock| lock.rank)
    }

    /// Whether this member voted for the attempt under way.
    pub(super) fn has_voted(&self) -> bool {
        let attempt = self.pending.as_ref().map(Pending::attempt);
        let votes = self.facts.votes.get(&self.me);
        attempt.is_some_and(|attempt| votes.is_some_and(|votes| votes.iter().any(|vote| vote.is_of(attempt))))
    }

    /// Whether one more vote of its own can be remembered: none may be forgotten.
    fn has_room(&self) -> bool {
        self.facts.votes.get(&self.me).is_none_or(|votes| votes.len() < MAX_REMEMBERED)
    }

    /// The commit under way is staged: this member votes for it. Where it is the coordinator, whoever prepared the commit is
    /// gone, and it is completed from here.
    pub(super) fn vote(&mut self, now: Timestamp) {
        let Some(pending) = &self.pending else { return };
        if pending.after.is_none() || pending.preparer == self.me {
            return;
        }
        if self.leads() {
            self.lead_on(now);
            return;
        }
        let (rank, first, hash) = (pending.rank(), pending.first, Some(pending.hash));
        let (transition, preparer) = pending.attempt();
        if rank < self.promised || !self.has_room() {
            return;
        }
        self.promised = rank;
        self.facts.vote(self.me, Mention { transition, hash, preparer: Some(preparer), first });
        self.say_ready();
    }

    /// Asks everybody to follow an attempt of this member under the next number, where there is a commit to complete.
    pub(super) fn bid_for(&mut self, now: Timestamp) {
        let drives = self
            .pending
            .as_ref()
            .and_then(|pending| pending.drive.as_ref())
            .is_some_and(|drive| !drive.outbid);
        let nothing = self.pending.is_none() && self.shelf.is_none();
        if self.bid.is_none() && !drives && !nothing && self.has_room() {
            self.bid(now);
        }
    }

    /// Begins to ask.
    pub(super) fn bid(&mut self, now: Timestamp) {
        let Some(transition) = self.next_transition() else { return };
        (self.highest, self.promised) = (transition, (transition, self.me));
        self.bid = Some(Bid { transition, repeat: now + REPEAT, outbid: false });
        self.say_bid(MemberId::EVERYBODY, transition);
        self.say_promise(MemberId::EVERYBODY);
    }

    fn say_bid(&mut self, target: MemberId, transition: TransitionId) {
        self.say_raw(Opcode::Prepare, target, transition, &Preparation::bid());
    }

    /// What this member promised last, and what it is locked to.
    fn say_promise(&mut self, target: MemberId) {
        let (transition, to) = self.promised;
        let promise = Promise { transition, to, lock: self.lock() };
        self.facts.promise(self.me, promise);
        self.say_raw(Opcode::Ready, target, transition, &Readiness::promise(&promise));
    }

    pub(super) fn say_raw(
        &mut self,
        opcode: Opcode,
        target: MemberId,
        transition: TransitionId,
        arguments: &[u8],
    ) {
        let request = self.next_request();
        if let Ok(message) = ControlMessage::raw(self.me, request, transition, opcode, arguments) {
            self.send(target, message, self.epoch);
        }
    }

    /// A member asks to be followed.
    pub(super) fn on_bid(
        &mut self,
        sender: MemberId,
        transition: TransitionId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let rank = (transition, sender);
        if !self.may_claim(sender, now) {
            return Err(Refusal::NotCoordinator(sender));
        }
        if rank < self.promised {
            self.say_busy(sender, self.promised.0);
            return Ok(());
        }
        let again = rank == self.promised;
        self.follow_preparer(sender, now);
        self.promised = rank;
        self.highest = self.highest.max(transition);
        self.say_promise(if again { sender } else { MemberId::EVERYBODY });
        self.show_lock(sender, now);
        self.evaluate(now);
        Ok(())
    }

    /// Somebody promised to follow a later attempt than the one of this member.
    pub(super) fn on_outbid(&mut self, later: TransitionId) -> Result<(), Refusal> {
        self.fresh_outbid(later)?;
        self.highest = self.highest.max(later);
        if let Some(bid) = &mut self.bid {
            bid.outbid |= later >= bid.transition;
        } else if let Some(pending) = &mut self.pending {
            let beaten = pending.first || later >= pending.transition;
            pending.drive.iter_mut().for_each(|drive| drive.outbid |= beaten);
        }
        Ok(())
    }

    /// Asks again whoever has not promised, or asks for a later attempt.
    pub(super) fn repeat_bid(&mut self, now: Timestamp) {
        let Some(bid) = self.bid.as_mut().filter(|bid| now >= bid.repeat) else { return };
        bid.repeat = now + REPEAT;
        let (transition, outbid) = (bid.transition, bid.outbid || self.promised != (bid.transition, self.me));
        if !self.leads() {
            self.withdraw();
        } else if outbid {
            self.bid = None;
            self.bid_for(now);
        } else {
            self.ask_again(transition);
        }
    }

    fn ask_again(&mut self, transition: TransitionId) {
        let promised = self.facts.promised((transition, self.me));
        let has = |member: &MemberId| promised.iter().any(|(of, _)| of == member);
        let silent: Vec<MemberId> = self.others().filter(|member| !has(member)).collect();
        silent.into_iter().for_each(|member| self.say_bid(member, transition));
        // Their commits come with the answers.
        let locked = promised.iter().filter(|(_, lock)| lock.is_some_and(|lock| !self.has_commit(lock.hash)));
        let locked: Vec<MemberId> = locked.map(|(member, _)| *member).collect();
        locked.into_iter().for_each(|member| self.say_digest_request(member));
    }

    /// Ends asking, and lets go of a commit that nobody has seen.
    pub(super) fn withdraw(&mut self) {
        let Some(Bid { transition, .. }) = self.bid.take() else { return };
        let unseen = |shelved: &mut Shelved| !shelved.announced;
        if self.shelf.take_if(unseen).is_some() {
            self.order(Order::Discard { transition, own: true });
            self.emit(Event::Aborted { transition, reason: None });
        }
    }

    /// Looks whether enough have promised, and announces what the promises leave.
    pub(super) fn use_promises(&mut self, now: Timestamp) {
        let Some(transition) = self.bid.as_ref().map(|bid| bid.transition) else { return };
        // Whoever has promised a later attempt itself votes for this one no more.
        if self.promised != (transition, self.me) {
            return;
        }
        match self.choice((transition, self.me)) {
            Choice::Wait => {}
            Choice::Commit(hash) => self.complete(hash, transition, now),
            Choice::Any => match self.wanted() {
                Some((hash, _)) => self.complete(hash, transition, now),
                None => self.bid = None,
            },
        }
    }

    /// The commit that this member would complete, and who belongs to the group after it.
    fn wanted(&self) -> Option<(Hash, Option<&Roster>)> {
        let shelved = self.shelf.as_ref().map(|shelved| (shelved.hash, Some(&shelved.after)));
        self.pending.as_ref().map(|pending| (pending.hash, pending.after.as_ref())).or(shelved)
    }

    fn choice(&self, attempt: Rank) -> Choice {
        let promised = self.facts.promised(attempt);
        let mut locks: Vec<Lock> = promised.iter().filter_map(|(_, lock)| *lock).collect();
        locks.sort_by_key(|lock| std::cmp::Reverse(lock.rank));
        let wanted = self.wanted();
        let quorum = |hash: Option<Hash>| {
            let same = wanted.filter(|(wanted, _)| hash.is_none_or(|hash| hash == *wanted));
            self.roster.quorum(same.and_then(|(_, after)| after))
        };
        let bears = |hash| Self::bears(&promised, hash, quorum(hash));
        match locks.iter().find(|lock| self.has_commit(lock.hash) && bears(Some(lock.hash))) {
            Some(lock) => Choice::Commit(lock.hash),
            None if bears(None) => Choice::Any,
            None => Choice::Wait,
        }
    }

    /// Whether a quorum's promises leave this commit, or any where none is named: nobody among them voted for another one
    /// later than somebody did for this.
    fn bears(promised: &[(MemberId, Option<Lock>)], hash: Option<Hash>, quorum: usize) -> bool {
        let locks = promised.iter().filter_map(|(_, lock)| *lock);
        let best = locks.filter(|lock| Some(lock.hash) == hash).map(|lock| lock.rank).max();
        let below = |lock: &Option<Lock>| lock.is_none_or(|lock| best.is_some_and(|best| lock.rank <= best));
        promised.iter().filter(|(_, lock)| below(lock)).count() >= quorum
    }

    /// Whether this member has itself seen promises that leave this announcement's commit.
    pub(super) fn is_mandated(&self, offer: &Offer) -> bool {
        let promised = self.facts.promised((offer.transition, offer.preparer));
        Self::bears(&promised, Some(offer.hash), self.roster.quorum(None))
    }

    fn has_commit(&self, hash: Hash) -> bool {
        let pending = self.pending.as_ref().is_some_and(|pending| pending.hash == hash);
        let shelved = self.shelf.as_ref().is_some_and(|shelved| shelved.hash == hash);
        pending || shelved || self.facts.offers.iter().any(|offer| offer.hash == hash)
    }

    /// Prepares this commit under the number that was promised, once the engine has it.
    fn complete(&mut self, hash: Hash, transition: TransitionId, now: Timestamp) {
        if self.pending.as_ref().is_none_or(|pending| pending.hash != hash) {
            let shelved = self.shelf.as_ref().filter(|shelved| shelved.hash == hash);
            let offer = self.facts.offers.iter().position(|offer| offer.hash == hash);
            let commit = match (shelved, offer) {
                (Some(shelved), _) => shelved.commit.clone(),
                (None, Some(index)) => self.facts.offers.remove(index).commit,
                (None, None) => return,
            };
            self.give_way(transition);
            let (preparer, first, open) = (self.me, false, false);
            self.begin(Offer { transition, preparer, hash, commit, first, open }, now);
        }
        if self.pending.as_ref().is_some_and(|pending| pending.after.is_some()) {
            self.drive_under(transition, now);
        }
    }

    fn drive_under(&mut self, transition: TransitionId, now: Timestamp) {
        let Some(pending) = &mut self.pending else { return };
        (pending.transition, pending.preparer, pending.first) = (transition, self.me, false);
        pending.deadline = now + PREPARE_TIMEOUT;
        pending.drive = Some(Drive::new(now));
        self.bid = None;
        self.announce();
    }
}
