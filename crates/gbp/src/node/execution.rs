//! From what is known of everybody's votes to the next epoch.

use coterie_types::{Epoch, MemberId, Timestamp, TransitionId};
use coterie_wire::ErrorNumber;
use coterie_wire::control::{Arguments, LogEntry, Opcode};

use super::announcement::Verdict;
use super::facts::{Facts, Offer, Rank, push};
use super::limits::{MAX_DEPARTED, QUORUM_GRACE};
use super::roster::Hash;
use super::{Event, Node, NodeState, Order, Pending, Shelved};

impl Node {
    /// Looks whether what is known suffices for a step.
    pub(super) fn evaluate(&mut self, now: Timestamp) {
        if let Some((transition, preparer, hash)) = self.decided() {
            self.follow(transition, preparer, hash, now);
        } else if self.may_execute(now) {
            self.execute(now);
        } else if self.sealed() {
            self.use_promises(now);
            self.take_offer(now);
            if self.may_execute(now) {
                self.execute(now);
            }
        }
    }

    /// Takes what waited, once it may be taken.
    fn take_offer(&mut self, now: Timestamp) {
        let Some((index, verdict)) = self.offered(now) else { return };
        let offer = self.facts.offers.remove(index);
        self.carry_out(verdict, offer, now);
    }

    fn offered(&self, now: Timestamp) -> Option<(usize, Verdict)> {
        let offers = self.facts.offers.iter().enumerate().rev();
        let mut open = offers.filter(|(_, offer)| offer.open && !self.facts.rejected.contains(&offer.hash));
        open.find_map(|(index, offer)| match self.standing(offer, now) {
            verdict @ (Verdict::Take | Verdict::Rebase) => Some((index, verdict)),
            _ if self.is_left(offer) => Some((index, Verdict::Take)),
            _ => None,
        })
    }

    /// Whether others are locked to a commit that this member, as the coordinator, has to complete.
    fn is_left(&self, offer: &Offer) -> bool {
        let voters = self.facts.voters(offer.transition, offer.hash, offer.preparer);
        let locked = voters.into_iter().any(|voter| voter != offer.preparer);
        self.leads() && self.pending.is_none() && locked
    }

    /// A transition that its preparer executes, as far as it may be believed.
    pub(super) fn decided(&self) -> Option<(TransitionId, MemberId, Hash)> {
        let ordered =
            self.facts.executes.iter().flat_map(|(by, orders)| orders.iter().map(|order| (*by, order)));
        ordered.into_iter().find_map(|(by, order)| {
            let hash = order.hash.or_else(|| self.facts.announced(order.transition, by))?;
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

    pub(super) fn follow(
        &mut self,
        transition: TransitionId,
        preparer: MemberId,
        hash: Hash,
        now: Timestamp,
    ) {
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
            (Some(index), _) => Offer { transition, preparer, ..self.facts.offers.remove(index) },
            (None, Some(Shelved { commit, .. })) => {
                Offer { transition, preparer, hash, commit: commit.clone(), first: false, open: false }
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

    pub(super) fn execute(&mut self, now: Timestamp) {
        let Some(pending) = &self.pending else { return };
        let (transition, hash) = (pending.transition, pending.hash);
        let armed = pending.armed.clone();
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

    pub(super) fn merge(&mut self) {
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
        (self.bid, self.promised) = (None, Rank::default());
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
