//! The transition under way: who is locked to it, who leads it, and how it ends without being executed.
//!
//! What begins it stands in `announcement.rs`, what completes it in `execution.rs`.

use std::collections::BTreeSet;

use coterie_types::{MemberId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, ControlMessage, InvalidCommit, Opcode};

use super::arguments::Preparation;
use super::facts::{Facts, Mention, Offer, Rank, push};
use super::limits::{EXECUTE_TIMEOUT, MAX_SEEN, PREPARE_TIMEOUT, REPEAT};
use super::roster::{Hash, Roster};
use super::{Drive, Event, Node, Order, Pending, Refusal, Shelved};

/// The reason of an ABORT because of a commit that members could not process.
pub(super) const INVALID_COMMIT: u64 = 7;

impl Node {
    /// The engine's answer to [`Order::Stage`], by the commit's hash: who belongs to the group after the commit, or nothing if it refused it.
    ///
    /// # Errors
    /// When this is not what is under way: the order was overtaken, and its commit discarded by another order.
    pub fn handle_staged(
        &mut self,
        hash: Hash,
        after: Option<Roster>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.active()?;
        let pending = self.pending.as_mut().filter(|pending| pending.after.is_none());
        let pending = pending.filter(|pending| pending.hash == hash);
        let pending = pending.ok_or(Refusal::WrongTransition(self.last))?;
        if after.is_none() {
            self.reject();
            return Ok(());
        }
        pending.after = after;
        if self.decided().is_none() {
            self.ready(now);
        }
        self.evaluate(now);
        Ok(())
    }

    /// Ends the transition under way for another one.
    pub(super) fn give_way(&mut self, to: TransitionId) {
        let Some(pending) = self.pending.take() else { return };
        // A deployed peer takes an ABORT for whatever it has under that number, the winner included.
        if pending.drive.is_some() && (self.sealed() || pending.transition != to) {
            self.take_back(pending.transition, None);
        }
        self.set_aside(pending, None);
    }

    fn take_back(&mut self, transition: TransitionId, reason: Option<u64>) {
        self.say(MemberId::EVERYBODY, transition, &Arguments::Abort(reason));
    }

    /// Whether this member may yet execute the attempt of this number. One that it let go it never takes up again: it prepares
    /// each time under a higher number.
    pub(super) fn prepares(&self, transition: TransitionId) -> bool {
        let pending = self.pending.as_ref().filter(|pending| pending.transition == transition);
        pending.is_some_and(|pending| pending.drive.is_some() && pending.preparer == self.me)
    }

    /// Lets go of a commit. An own one stays in the engine, any other is kept, because others may complete it.
    pub(super) fn set_aside(&mut self, pending: Pending, reason: Option<u64>) {
        let Pending { transition, preparer, own, hash, commit, first, after, armed, .. } = pending;
        match after.filter(|_| own) {
            Some(after) => self.shelf = Some(Shelved { hash, commit, after, armed, announced: true }),
            None => {
                self.order(Order::Discard { transition, own });
                // Others may be locked to it, and it can be opened but once.
                let open = false;
                if self.sealed() {
                    self.facts.offer(Offer { transition, preparer, hash, commit, first, open });
                }
            }
        }
        // All its votes were for this commit.
        self.facts.votes.remove(&self.me);
        self.emit(Event::Aborted { transition, reason });
    }

    /// This member is no longer locked by its vote for this attempt; whether it was.
    fn retract(&mut self, attempt: Rank) -> bool {
        let Some(votes) = self.facts.votes.get_mut(&self.me) else { return false };
        let before = votes.len();
        votes.retain(|vote| !vote.is_of(attempt));
        votes.len() < before
    }

    pub(super) fn begin(&mut self, offer: Offer, now: Timestamp) {
        let Offer { transition, preparer, hash, commit, first, .. } = offer;
        self.follow_preparer(preparer, now);
        let shelved = self.shelf.take_if(|shelved| shelved.hash == hash);
        let (own, (after, armed)) = (
            shelved.is_some(),
            shelved.map(|shelved| (Some(shelved.after), shelved.armed)).unwrap_or_default(),
        );
        if !own {
            self.order(Order::Stage { transition, preparer, hash, commit: commit.clone() });
        }
        let deadline = now + EXECUTE_TIMEOUT;
        let drive = None;
        let pending =
            Pending { transition, preparer, hash, commit, first, own, after, armed, deadline, drive };
        self.pending = Some(pending);
        if own {
            self.ready(now);
        }
    }

    /// The same commit goes on under another number.
    pub(super) fn rebase(&mut self, offer: &Offer, now: Timestamp) {
        self.follow_preparer(offer.preparer, now);
        let Some(pending) = &mut self.pending else { return };
        let staging = pending.after.is_none();
        pending.preparer = offer.preparer;
        pending.drive = None;
        pending.deadline = now + EXECUTE_TIMEOUT;
        (pending.transition, pending.first) = (offer.transition, offer.first);
        if !staging {
            self.ready(now);
        }
    }

    /// The commit is staged: this member is locked to it, and says so. Where it is the coordinator, whoever prepared the
    /// commit is gone, and it is completed from here.
    pub(super) fn ready(&mut self, now: Timestamp) {
        if self.sealed() {
            self.vote(now);
            return;
        }
        let Some(pending) = &self.pending else { return };
        if self.leads() && pending.preparer != self.me {
            self.lead_on(now);
            return;
        }
        let (transition, hash, preparer) = (pending.transition, pending.hash, pending.preparer);
        let mention = Mention { transition, hash: Some(hash), preparer: Some(preparer), first: false };
        self.facts.vote(self.me, mention);
        self.say_ready();
    }

    /// The attempt under way was taken back: whether this member stays locked by another vote.
    fn still_locked(&mut self) -> bool {
        let votes = self.facts.votes.get(&self.me).into_iter().flatten();
        let others = votes.filter(|vote| vote.preparer.is_some_and(|preparer| preparer != self.me));
        let last = others.filter_map(|vote| Some((vote.lock()?.rank, *vote))).max_by_key(|(rank, _)| *rank);
        let (Some(pending), Some((_, Mention { transition, preparer: Some(preparer), first, .. }))) =
            (&mut self.pending, last)
        else {
            return false;
        };
        (pending.transition, pending.preparer, pending.first) = (transition, preparer, first);
        pending.drive = None;
        true
    }

    /// READY once more to the preparers of all that this member is locked to. One that let go of its attempt answers by ABORT.
    pub(super) fn say_votes(&mut self) {
        let votes = self.facts.votes.get(&self.me).cloned().unwrap_or_default();
        for vote in votes {
            if let (Some(hash), Some(preparer)) = (vote.hash, vote.preparer)
                && preparer != self.me
            {
                self.say_of_commit(Opcode::Ready, preparer, (vote.transition, hash, preparer), self.epoch);
            }
        }
    }

    pub(super) fn say_ready(&mut self) {
        let Some(pending) = &self.pending else { return };
        if pending.after.is_some() && pending.preparer != self.me && self.has_voted() {
            let of = (pending.transition, pending.hash, pending.preparer);
            self.say_of_commit(Opcode::Ready, MemberId::EVERYBODY, of, self.epoch);
        }
    }

    /// Prepares, under a number of its own, the commit that is under way here or that gave way.
    pub(super) fn lead_on(&mut self, now: Timestamp) {
        if self.sealed() {
            self.bid_for(now);
            return;
        }
        let Some(transition) = self.next_transition() else { return };
        if self.pending.is_none() {
            let Some(shelved) = self.shelf.take() else { return };
            self.pending = Some(self.own_pending(transition, shelved, now));
        }
        let Some(pending) = &mut self.pending else { return };
        if pending.after.is_none() || (pending.preparer == self.me && pending.transition != transition) {
            return;
        }
        (pending.transition, pending.preparer) = (transition, self.me);
        pending.deadline = now + PREPARE_TIMEOUT;
        pending.drive.get_or_insert_with(|| Drive::new(now));
        self.announce();
    }

    pub(super) fn own_pending(&self, transition: TransitionId, own: Shelved, now: Timestamp) -> Pending {
        let Shelved { hash, commit, after, armed, .. } = own;
        let (deadline, drive) = (now + PREPARE_TIMEOUT, Some(Drive::new(now)));
        let (preparer, first, own, after) = (self.me, self.sealed(), true, Some(after));
        Pending { transition, preparer, hash, commit, first, own, after, armed, deadline, drive }
    }

    /// PREPARE of what this member leads, to everybody.
    pub(super) fn announce(&mut self) {
        let Some(pending) = &self.pending else { return };
        let (transition, hash, first) = (pending.transition, pending.hash, pending.first);
        self.highest = self.highest.max(transition);
        self.promised = self.promised.max(pending.rank());
        self.facts.saw(transition, self.me, hash);
        let mention = Mention { transition, hash: Some(hash), preparer: Some(self.me), first };
        self.facts.vote(self.me, mention);
        self.say_prepare(MemberId::EVERYBODY);
    }

    pub(super) fn say_prepare(&mut self, target: MemberId) {
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.drive.is_some()) else { return };
        let Pending { transition, first, .. } = *pending;
        match self.sealed() {
            true => {
                let arguments = Preparation::of(&pending.commit, first);
                self.say_raw(Opcode::Prepare, target, transition, &arguments);
            }
            false => self.say(target, transition, &Arguments::Prepare(pending.commit.clone())),
        }
    }

    pub(super) fn next_transition(&self) -> Option<TransitionId> {
        let next = TransitionId::new(self.highest.max(self.last).number().checked_add(1)?);
        self.fresh(next).is_ok().then_some(next)
    }

    pub(super) fn on_ready(
        &mut self,
        sender: MemberId,
        mention: Mention,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let transition = mention.transition;
        let under_way = self.pending.as_ref().is_some_and(|pending| pending.transition == transition);
        if !self.sealed() && !under_way {
            return Err(Refusal::WrongTransition(transition));
        }
        self.fresh(transition)?;
        if mention.preparer == Some(self.me) && !self.prepares(transition) {
            self.say(sender, transition, &Arguments::Abort(None));
            return Ok(());
        }
        self.facts.vote(sender, mention);
        self.evaluate(now);
        Ok(())
    }

    pub(super) fn on_execute(
        &mut self,
        sender: MemberId,
        mention: Mention,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let transition = mention.transition;
        self.fresh(transition)?;
        if !self.sealed() {
            let pending = self.pending.as_ref().filter(|pending| pending.transition == transition);
            let pending = pending.ok_or(Refusal::WrongTransition(transition))?;
            if pending.preparer != sender {
                return Err(Refusal::NotCoordinator(sender));
            }
        }
        let announced = self.facts.announced(transition, sender);
        if announced.is_some_and(|announced| !mention.means(transition, announced, sender)) {
            return Err(Refusal::AnotherCommit(transition));
        }
        self.facts.execute(sender, mention);
        let before = self.epoch;
        self.evaluate(now);
        if self.epoch == before && self.sealed() {
            self.ask(now);
        }
        Ok(())
    }

    pub(super) fn on_abort(
        &mut self,
        sender: MemberId,
        transition: TransitionId,
        reason: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let attempt = (transition, sender);
        let held = |offer: &&mut Offer| (offer.transition, offer.preparer) == attempt && offer.open;
        let closed = self.facts.offers.iter_mut().find(held).map(|offer| offer.open = false).is_some();
        let released = self.sealed() && self.retract(attempt);
        let under_way = self.pending.as_ref().filter(|pending| pending.transition == transition);
        match under_way.map(|pending| pending.preparer) {
            Some(preparer) if preparer == sender => {}
            _ if closed || released => return Ok(()),
            Some(_) => return Err(Refusal::NotCoordinator(sender)),
            None => return Err(Refusal::WrongTransition(transition)),
        }
        if self.sealed() && self.still_locked() {
            return Ok(());
        }
        let Some(pending) = self.pending.take() else { return Ok(()) };
        if !self.sealed() {
            // Deployed peers may use the number again.
            self.facts = Facts::default();
        }
        self.set_aside(pending, reason);
        self.evaluate(now);
        Ok(())
    }

    /// A deployed member says that it is locked to another transition than the one that is prepared here.
    pub(super) fn on_locked(&mut self, member: MemberId, locked: TransitionId) -> Result<(), Refusal> {
        self.fresh_outbid(locked)?;
        if self.pending.as_ref().is_some_and(|pending| pending.drive.is_some()) {
            self.highest = self.highest.max(locked);
            self.say_digest_request(member);
        }
        Ok(())
    }

    /// The engine refuses the commit.
    fn reject(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        push(&mut self.facts.rejected, pending.hash, MAX_SEEN);
        self.trouble(ErrorNumber::GBP_COMMIT_INVALID, pending.transition, Some(pending.preparer));
        self.report(pending.preparer, pending.transition, pending.hash);
    }

    pub(super) fn report(&mut self, preparer: MemberId, transition: TransitionId, hash: Hash) {
        let report = InvalidCommit {
            transition,
            reason: INVALID_COMMIT,
            commit_hash: Some(hash.to_vec()),
            details: None,
        };
        self.say(preparer, transition, &Arguments::ReportInvalidCommit(report));
    }

    pub(super) fn on_invalid_commit(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        _now: Timestamp,
    ) -> Result<(), Refusal> {
        let report = match message.arguments() {
            Ok(Arguments::ReportInvalidCommit(report)) => report,
            // Deployed peers only show it to their application, whatever it holds.
            _ if !self.sealed() => return Ok(()),
            Ok(_) => return Ok(()),
            Err(malformed) => return Err(malformed.into()),
        };
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let named = report.commit_hash.is_none_or(|named| named == pending.hash);
        let Some(drive) = pending.drive.as_mut().filter(|_| named && report.transition == pending.transition)
        else {
            return Ok(());
        };
        drive.refused.insert(sender);
        let left = self.roster.count().saturating_sub(drive.refused.len());
        let impossible = left < self.roster.quorum(pending.after.as_ref());
        self.trouble(ErrorNumber::GBP_COMMIT_INVALID, report.transition, Some(sender));
        if impossible {
            self.end_own(Some(INVALID_COMMIT));
        }
        Ok(())
    }

    /// Takes back what this member prepares, for good.
    pub(super) fn end_own(&mut self, reason: Option<u64>) {
        let Some(transition) = self.pending.as_ref().map(|pending| pending.transition) else { return };
        self.take_back(transition, reason);
        self.retract((transition, self.me));
        if self.sealed() && self.still_locked() {
            return;
        }
        if let Some(Pending { own, .. }) = self.pending.take() {
            self.facts.votes.remove(&self.me);
            self.order(Order::Discard { transition, own });
            self.emit(Event::Aborted { transition, reason });
        }
    }
}

impl Drive {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { refused: BTreeSet::new(), outbid: false, repeat: now + REPEAT, quorum_since: None }
    }
}
