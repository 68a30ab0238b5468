//! From PREPARE to EXECUTE or ABORT.

use coterie_types::{Epoch, MemberId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, ControlMessage, InvalidCommit, LogEntry, Opcode};

use super::facts::{Facts, Mention, Offer, push};
use super::limits::{
    EXECUTE_TIMEOUT, MAX_COMMIT, MAX_DEPARTED, MAX_REMEMBERED, MAX_SEEN, PREPARE_TIMEOUT, QUORUM_GRACE,
    REPEAT,
};
use super::roster::{Hash, Roster, hash};
use super::{Drive, Event, Node, NodeState, Order, Pending, Refusal, Shelved};

/// The reason of an ABORT because of a commit that members could not process.
pub(super) const INVALID_COMMIT: u64 = 7;

/// What becomes of an announcement.
enum Verdict {
    /// It becomes the transition under way.
    Take,
    /// It is the one under way: say again what was said.
    Again,
    /// The commit under way goes on under this number.
    Rebase,
    /// Another commit is locked: it waits.
    Hold,
    /// It is the commit under way, under another number: what is locked may be voted for under any.
    Note,
    /// The engine refused this commit before.
    Rejected,
}

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

    pub(super) fn on_prepare(
        &mut self,
        sender: MemberId,
        transition: TransitionId,
        commit: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.fresh(transition)?;
        if commit.len() > MAX_COMMIT {
            return Err(Refusal::TooLarge);
        }
        let hash = hash(commit);
        if self.facts.announced(transition, sender).is_some_and(|known| known != hash) {
            return Err(Refusal::AnotherCommit(transition));
        }
        let verdict = self.judge(sender, transition, hash, now)?;
        let offer = Offer { transition, preparer: sender, hash, commit: commit.to_vec() };
        self.facts.saw(transition, sender, hash);
        let mention = Mention { transition, hash: Some(hash), preparer: Some(sender) };
        self.facts.vote(sender, mention);
        if !matches!(verdict, Verdict::Hold) {
            self.highest = self.highest.max(transition);
        }
        self.carry_out(verdict, offer, now);
        self.evaluate(now);
        Ok(())
    }

    fn carry_out(&mut self, verdict: Verdict, offer: Offer, now: Timestamp) {
        match verdict {
            Verdict::Take => {
                self.give_way(offer.transition);
                self.begin(offer, now);
            }
            Verdict::Again => self.say_ready(),
            Verdict::Rebase => self.rebase(&offer, now),
            Verdict::Hold => {
                let under_way = self.pending.as_ref().map(|pending| pending.transition);
                // What another one prepares binds this member more than what it prepares itself.
                let locked = self.other_vote().map(|(transition, _)| transition).or(under_way);
                if let Some(locked) = locked {
                    self.say_busy(offer.preparer, locked);
                }
                self.facts.offer(offer);
            }
            Verdict::Note => self.vote_too(&offer),
            Verdict::Rejected => self.report(offer.preparer, offer.transition, offer.hash),
        }
    }

    fn judge(
        &self,
        sender: MemberId,
        transition: TransitionId,
        hash: Hash,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        if self.facts.rejected.contains(&hash) {
            return Ok(Verdict::Rejected);
        }
        let entitled = self.entitled(sender, now);
        let Some(pending) = &self.pending else {
            return if entitled { Ok(Verdict::Take) } else { self.unentitled(sender) };
        };
        if pending.transition == transition && pending.preparer == sender {
            return if pending.hash == hash {
                Ok(Verdict::Again)
            } else {
                Err(Refusal::AnotherCommit(transition))
            };
        }
        if self.sealed() && pending.hash == hash && (!entitled || transition < pending.transition) {
            return Ok(Verdict::Note);
        }
        if !(entitled || self.sealed() && self.gives_way(pending, sender, transition, hash)) {
            return self.unentitled(sender);
        }
        if pending.hash == hash && transition > pending.transition {
            return Ok(Verdict::Rebase);
        }
        if self.gives_way(pending, sender, transition, hash) {
            return Ok(Verdict::Take);
        }
        match self.sealed() {
            true if pending.hash == hash => Ok(Verdict::Note),
            true => Ok(Verdict::Hold),
            false if pending.transition == transition => Err(Refusal::InProgress(transition)),
            false => Err(Refusal::WrongTransition(transition)),
        }
    }

    /// Somebody who is not the coordinator as far as is known here. It may be to the others, and they may have followed it:
    /// its announcement comes but once, so it is kept.
    fn unentitled(&self, sender: MemberId) -> Result<Verdict, Refusal> {
        if self.sealed() { Ok(Verdict::Hold) } else { Err(Refusal::NotCoordinator(sender)) }
    }

    /// Whether the transition under way ends for another commit. What this member prepares gives way to a lower
    /// number, and to a commit that others are locked to; a commit that it is not yet locked to, to the lower number
    /// among announcements of one transition. Deployed peers let the lower number win at any time.
    fn gives_way(&self, pending: &Pending, sender: MemberId, transition: TransitionId, hash: Hash) -> bool {
        if pending.hash == hash || self.other_vote().is_some() {
            return false;
        }
        match &pending.drive {
            Some(drive) => {
                sender < self.me || drive.locks.iter().any(|lock| binds(*lock, transition, sender))
            }
            None => {
                let unlocked = pending.after.is_none() || !self.sealed();
                transition == pending.transition && sender < pending.preparer && unlocked
            }
        }
    }

    /// Whether `member` may announce: the coordinator, whoever ranks before it, and whoever was it in this epoch.
    fn entitled(&self, member: MemberId, now: Timestamp) -> bool {
        self.coordinator.is_none_or(|coordinator| member <= coordinator)
            || self.led.contains(&member)
            || self.coordinator_silent(now)
    }

    /// Ends the transition under way for another one.
    fn give_way(&mut self, to: TransitionId) {
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
    fn prepares(&self, transition: TransitionId) -> bool {
        let pending = self.pending.as_ref().filter(|pending| pending.transition == transition);
        pending.is_some_and(|pending| pending.drive.is_some() && pending.preparer == self.me)
    }

    /// Lets go of a commit. An own one stays in the engine, because others may complete it.
    fn set_aside(&mut self, pending: Pending, reason: Option<u64>) {
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

    fn begin(&mut self, offer: Offer, now: Timestamp) {
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
    fn rebase(&mut self, offer: &Offer, now: Timestamp) {
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
    fn ready(&mut self, now: Timestamp) {
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
    fn vote_too(&mut self, offer: &Offer) {
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
    fn other_vote(&self) -> Option<(TransitionId, MemberId)> {
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

    fn report(&mut self, preparer: MemberId, transition: TransitionId, hash: Hash) {
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

    /// Looks whether what is known suffices for a step.
    pub(super) fn evaluate(&mut self, now: Timestamp) {
        if let Some((transition, preparer, hash)) = self.decided() {
            self.follow(transition, preparer, hash, now);
        } else if self.may_execute(now) {
            self.execute(now);
        } else if self.pending.is_none() {
            self.take_offer(now);
        }
    }

    fn take_offer(&mut self, now: Timestamp) {
        // Whoever is locked to it took its preparer for the coordinator.
        let is_locked = |offer: &Offer| {
            let mut voters = self.facts.voters(offer.transition, offer.hash, offer.preparer).into_iter();
            self.sealed() && self.leads() && voters.any(|voter| voter != offer.preparer)
        };
        let entitled = |offer: &Offer| self.entitled(offer.preparer, now) || is_locked(offer);
        let Some(index) = self.facts.offers.iter().rposition(entitled) else { return };
        let offer = self.facts.offers.remove(index);
        self.begin(offer, now);
    }

    /// A transition that its preparer executes, as far as it may be believed.
    fn decided(&self) -> Option<(TransitionId, MemberId, Hash)> {
        let ordered =
            self.facts.executes.iter().flat_map(|(by, orders)| orders.iter().map(|order| (*by, order)));
        ordered.into_iter().find_map(|(by, order)| {
            let hash = self.facts.announced(order.transition, by)?;
            let believed = order.means(order.transition, hash, by)
                && match self.sealed() {
                    true => self.certified(by, order.transition, hash),
                    false => self.pending.as_ref().is_some_and(|pending| pending.preparer == by),
                };
            believed.then_some((order.transition, by, hash))
        })
    }

    /// Whether `preparer` orders to execute this commit and enough members are known to be ready for it.
    fn certified(&self, preparer: MemberId, transition: TransitionId, hash: Hash) -> bool {
        let orders = self.facts.executes.get(&preparer);
        let ordered =
            orders.is_some_and(|orders| orders.iter().any(|order| order.means(transition, hash, preparer)));
        let mut ready = self.facts.voters(transition, hash, preparer);
        ready.insert(preparer);
        let pending = self.pending.as_ref().filter(|pending| pending.hash == hash);
        let after = pending.and_then(|pending| pending.after.as_ref());
        self.sealed() && ordered && ready.len() >= self.roster.quorum(after)
    }

    fn follow(&mut self, transition: TransitionId, preparer: MemberId, hash: Hash, now: Timestamp) {
        if self.facts.rejected.contains(&hash) {
            self.emit(Event::Lost);
            self.enter(NodeState::Failed);
            return;
        }
        match &self.pending {
            Some(pending) if pending.hash == hash && pending.after.is_none() => return,
            Some(pending) if pending.hash == hash => {
                self.follow_preparer(preparer, now);
                self.merge();
                self.begin_epoch(transition, preparer, now);
                self.acknowledge(preparer);
                return;
            }
            _ => {}
        }
        let offer = self.facts.offers.iter().position(|offer| offer.hash == hash);
        let shelved = self.shelf.as_ref().filter(|shelved| shelved.hash == hash);
        let offer = match (offer, shelved) {
            (Some(index), _) => self.facts.offers.remove(index),
            (None, Some(Shelved { commit, .. })) => {
                Offer { transition, preparer, hash, commit: commit.clone() }
            }
            (None, None) => return self.ask(now),
        };
        if let Some(pending) = self.pending.take() {
            self.set_aside(pending, None);
        }
        self.begin(offer, now);
        if self.pending.as_ref().is_some_and(|pending| pending.after.is_some()) {
            self.evaluate(now);
        }
    }

    fn acknowledge(&mut self, preparer: MemberId) {
        if self.sealed() && self.active().is_ok() && self.roster.has(preparer) {
            self.say(preparer, self.last, &Arguments::Ack(coterie_types::RequestId::default()));
        }
    }

    /// Whether what this member leads has its quorum, and whoever is late had its grace.
    pub(super) fn may_execute(&mut self, now: Timestamp) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        let Some(drive) = &mut pending.drive else { return false };
        let ready = self.facts.voters(pending.transition, pending.hash, pending.preparer).len();
        if ready < self.roster.quorum(pending.after.as_ref()) {
            return false;
        }
        let parting = self
            .roster
            .members()
            .filter(|member| !pending.after.as_ref().is_some_and(|after| after.has(*member)));
        let awaited = self.roster.count().saturating_sub(parting.count());
        let since = *drive.quorum_since.get_or_insert(now);
        ready >= awaited || now >= since + QUORUM_GRACE
    }

    fn execute(&mut self, now: Timestamp) {
        let Some(pending) = &self.pending else { return };
        let (transition, hash) = (pending.transition, pending.hash);
        let armed = pending.drive.as_ref().map(|drive| drive.armed.clone()).unwrap_or_default();
        let after = pending.after.clone().unwrap_or_default();
        let ready = self.facts.voters(transition, hash, self.me);
        let late: Vec<MemberId> =
            self.others().filter(|member| after.has(*member) && !ready.contains(member)).collect();
        for member in late {
            self.trouble(ErrorNumber::GBP_READY_TIMEOUT, transition, Some(member));
        }
        self.say_of_commit(Opcode::Execute, MemberId::EVERYBODY, (transition, hash, self.me), self.epoch);
        self.merge();
        let next = Epoch::new(self.epoch.number().saturating_add(1));
        for joiner in &armed {
            self.say_of_commit(Opcode::Execute, *joiner, (transition, hash, self.me), next);
        }
        let existing: Vec<MemberId> = self.others().collect();
        self.begin_epoch(transition, self.me, now);
        self.confirm(transition, existing.into_iter().chain(armed), now);
    }

    fn merge(&mut self) {
        if let Some(Pending { transition, commit, own, .. }) = &self.pending {
            let order = Order::Merge { transition: *transition, commit: commit.clone(), own: *own };
            self.order(order);
        }
    }

    /// The pending commit is merged.
    fn begin_epoch(&mut self, transition: TransitionId, preparer: MemberId, now: Timestamp) {
        let Some(Pending { hash, own, after: Some(after), .. }) = self.pending.take() else { return };
        push(
            &mut self.log,
            LogEntry {
                transition,
                opcode: Opcode::Execute.number(),
                sender: preparer,
                arguments_digest: hash.to_vec(),
            },
            coterie_wire::limits::MAX_LOG,
        );
        let parted: Vec<MemberId> = self.roster.members().filter(|member| !after.has(*member)).collect();
        parted.into_iter().for_each(|member| push(&mut self.departed, member, MAX_DEPARTED));
        self.roster = after;
        self.turn(transition, now);
        if own {
            self.emit(Event::Admitted(transition));
        }
        if !self.roster.has(self.me) {
            self.emit(Event::Removed);
            self.enter(NodeState::Closed);
        }
    }

    /// The next epoch begins, for a member or for a joiner that waited.
    pub(super) fn turn(&mut self, transition: TransitionId, now: Timestamp) {
        self.remember_settled(self.epoch, transition);
        self.outputs.push_back(super::Output::Settled(transition));
        self.epoch = Epoch::new(self.epoch.number().saturating_add(1));
        self.last = transition;
        self.highest = self.highest.max(transition);
        (self.facts, self.shelf, self.probe, self.confirming) = (Facts::default(), None, None, None);
        if self.coordinator.is_some_and(|coordinator| !self.roster.has(coordinator)) {
            self.coordinator = None;
            self.heard = now;
        }
        self.led = self.coordinator.into_iter().collect();
        let (roster, departed) = (&self.roster, &self.departed);
        self.answered.retain(|member, _| roster.has(*member) || departed.contains(member));
        self.capabilities.retain(|member, _| roster.has(*member));
        self.enter(NodeState::Active);
        let (epoch, roster) = (self.epoch, self.roster.clone());
        self.emit(Event::EpochAdvanced { epoch, transition, roster });
    }
}

/// Whether who is locked to `locked` cannot let go of it for what `preparer` announces under `transition`: it is that very
/// attempt of another member, or its own one for a commit that it is locked to by another attempt.
fn binds((locked, by): (TransitionId, MemberId), transition: TransitionId, preparer: MemberId) -> bool {
    (locked == transition) != (by == preparer)
}

impl Drive {
    pub(super) fn new(now: Timestamp) -> Self {
        let (refused, locks, armed) = Default::default();
        Self { refused, locks, repeat: now + REPEAT, quorum_since: None, armed }
    }
}
