//! The transition under way: who is locked to it, who leads it, and how it ends without being executed.
//!
//! What begins it stands in `announcement.rs`, what completes it in `execution.rs`.

use coterie_types::{MemberId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, ControlMessage, InvalidCommit, Opcode};

use super::announcement::binds;
use super::facts::{Facts, Mention, Offer, push};
use super::limits::{EXECUTE_TIMEOUT, MAX_REMEMBERED, MAX_SEEN, PREPARE_TIMEOUT, REPEAT};
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
        self.ready(now);
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
        // Others may still complete it, and it can be opened but once.
        if self.sealed() && !pending.own && pending.preparer != self.me {
            let Pending { transition, preparer, hash, ref commit, .. } = pending;
            self.facts.offer(Offer { transition, preparer, hash, commit: commit.clone() });
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

    /// Lets go of a commit. An own one stays in the engine, because others may complete it.
    pub(super) fn set_aside(&mut self, pending: Pending, reason: Option<u64>) {
        let Pending { transition, preparer, own, hash, commit, after, .. } = pending;
        match after.filter(|_| own) {
            Some(after) => self.shelf = Some(Shelved { hash, commit, after }),
            None => self.order(Order::Discard { transition, own }),
        }
        self.retract(transition, hash, preparer);
        self.emit(Event::Aborted { transition, reason });
    }

    /// This member is no longer locked.
    fn retract(&mut self, transition: TransitionId, hash: Hash, preparer: MemberId) {
        if let Some(votes) = self.facts.votes.get_mut(&self.me) {
            votes.retain(|vote| !vote.means(transition, hash, preparer));
        }
    }

    pub(super) fn begin(&mut self, offer: Offer, now: Timestamp) {
        let Offer { transition, preparer, hash, commit } = offer;
        self.follow_preparer(preparer, now);
        let shelved = self.shelf.take_if(|shelved| shelved.hash == hash).map(|shelved| shelved.after);
        let own = shelved.is_some();
        if !own {
            self.order(Order::Stage { transition, preparer, hash, commit: commit.clone() });
        }
        let deadline = now + EXECUTE_TIMEOUT;
        let pending =
            Pending { transition, preparer, hash, commit, own, after: shelved, deadline, drive: None };
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
        pending.transition = offer.transition;
        if !staging {
            self.ready(now);
        }
    }

    /// The commit is staged: this member is locked to it, and says so. Where it is the coordinator, whoever prepared the
    /// commit is gone, and it is completed from here.
    pub(super) fn ready(&mut self, now: Timestamp) {
        let Some(pending) = &self.pending else { return };
        if self.leads() && pending.preparer != self.me {
            self.lead_on(now);
            return;
        }
        let (hash, preparer) = (Some(pending.hash), Some(pending.preparer));
        let mention = Mention { transition: pending.transition, hash, preparer };
        self.facts.vote(self.me, mention);
        self.say_ready();
    }

    /// A member is locked to a commit, not to a number: it votes for whoever completes it.
    pub(super) fn vote_too(&mut self, offer: &Offer) {
        let staged = self.pending.as_ref().is_some_and(|pending| pending.after.is_some());
        let room = self.facts.votes.get(&self.me).is_none_or(|votes| votes.len() < MAX_REMEMBERED);
        let Offer { transition, preparer, hash, .. } = *offer;
        let mention = Mention { transition, hash: Some(hash), preparer: Some(preparer) };
        if staged && (room || self.facts.votes.get(&self.me).is_some_and(|votes| votes.contains(&mention))) {
            self.facts.vote(self.me, mention);
            self.say_of_commit(Opcode::Ready, MemberId::EVERYBODY, (transition, hash, preparer), self.epoch);
        }
    }

    /// A vote that keeps this member locked to the commit under way, whatever becomes of the number under way.
    pub(super) fn other_vote(&self) -> Option<(TransitionId, MemberId)> {
        let pending = self.pending.as_ref()?;
        let under_way = (pending.transition, pending.preparer);
        self.facts.votes.get(&self.me)?.iter().find_map(|vote| {
            let voted = (vote.transition, vote.preparer?);
            (vote.hash == Some(pending.hash) && voted != under_way && voted.1 != self.me).then_some(voted)
        })
    }

    /// The number under way was taken back: whether this member stays locked by another vote.
    fn still_locked(&mut self) -> bool {
        let Some((transition, preparer)) = self.other_vote() else { return false };
        if let Some(pending) = &mut self.pending {
            (pending.transition, pending.preparer, pending.drive) = (transition, preparer, None);
        }
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
        if pending.after.is_some() && pending.preparer != self.me {
            let of = (pending.transition, pending.hash, pending.preparer);
            self.say_of_commit(Opcode::Ready, MemberId::EVERYBODY, of, self.epoch);
        }
    }

    /// Prepares, under a number of its own, the commit that is under way here or that gave way.
    pub(super) fn lead_on(&mut self, now: Timestamp) {
        let Some(transition) = self.next_transition() else { return };
        if self.pending.is_none() {
            let Some(Shelved { hash, commit, after }) = self.shelf.take() else { return };
            self.pending = Some(self.own_pending(transition, hash, commit, after, now));
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

    pub(super) fn own_pending(
        &self,
        transition: TransitionId,
        hash: Hash,
        commit: Vec<u8>,
        after: Roster,
        now: Timestamp,
    ) -> Pending {
        let (deadline, drive) = (now + PREPARE_TIMEOUT, Some(Drive::new(now)));
        let (preparer, after) = (self.me, Some(after));
        Pending { transition, preparer, hash, commit, own: true, after, deadline, drive }
    }

    /// PREPARE of what this member leads, to everybody.
    pub(super) fn announce(&mut self) {
        let Some(pending) = &self.pending else { return };
        let (transition, hash) = (pending.transition, pending.hash);
        self.highest = self.highest.max(transition);
        self.facts.saw(transition, self.me, hash);
        let mention = Mention { transition, hash: Some(hash), preparer: Some(self.me) };
        self.facts.vote(self.me, mention);
        self.say_prepare(MemberId::EVERYBODY);
    }

    pub(super) fn say_prepare(&mut self, target: MemberId) {
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.drive.is_some()) else { return };
        let (transition, arguments) = (pending.transition, Arguments::Prepare(pending.commit.clone()));
        self.say(target, transition, &arguments);
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
        let held = |offer: &Offer| offer.transition == transition && offer.preparer == sender;
        if self.facts.offers.iter().any(held) {
            self.facts.offers.retain(|offer| !held(offer));
            return Ok(());
        }
        let also = |pending: &&Pending| (pending.transition, pending.preparer) != (transition, sender);
        if let Some(hash) = self.pending.as_ref().filter(also).map(|pending| pending.hash)
            && self.facts.voters(transition, hash, sender).contains(&self.me)
        {
            self.retract(transition, hash, sender);
            return Ok(());
        }
        let under_way = self.pending.as_ref().filter(|pending| pending.transition == transition);
        if under_way.ok_or(Refusal::WrongTransition(transition))?.preparer != sender {
            return Err(Refusal::NotCoordinator(sender));
        }
        if let Some(hash) = self.pending.as_ref().map(|pending| pending.hash) {
            self.retract(transition, hash, sender);
        }
        if self.still_locked() {
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

    /// `member` is locked to another transition than the one that is prepared here.
    pub(super) fn on_locked(
        &mut self,
        member: MemberId,
        locked: TransitionId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.fresh(locked)?;
        let announced = self.facts.announced(locked, self.me).is_some();
        if self.sealed() && announced && !self.prepares(locked) {
            self.say(member, locked, &Arguments::Abort(None));
        }
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let Some(drive) = &mut pending.drive else { return Ok(()) };
        if drive.locks.len() < MAX_SEEN {
            drive.locks.insert((locked, member));
        }
        self.highest = self.highest.max(locked);
        if self.other_vote().is_some() {
            return Ok(());
        }
        let bound = |offer: &Offer| binds((locked, member), offer.transition, offer.preparer);
        let to = self.facts.offers.iter().position(bound);
        match to {
            Some(index) => {
                let offer = self.facts.offers.remove(index);
                self.give_way(offer.transition);
                self.begin(offer, now);
                self.evaluate(now);
            }
            None => self.say_digest_request(member),
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
        let Some((transition, hash)) =
            self.pending.as_ref().map(|pending| (pending.transition, pending.hash))
        else {
            return;
        };
        self.take_back(transition, reason);
        self.retract(transition, hash, self.me);
        if self.still_locked() {
            return;
        }
        if let Some(Pending { own, .. }) = self.pending.take() {
            self.order(Order::Discard { transition, own });
            self.emit(Event::Aborted { transition, reason });
        }
    }
}

impl Drive {
    pub(super) fn new(now: Timestamp) -> Self {
        let (refused, locks, armed) = Default::default();
        Self { refused, locks, repeat: now + REPEAT, quorum_since: None, armed }
    }
}
