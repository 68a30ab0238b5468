//! Carrying out what the node wants, in its order.

use std::collections::{BTreeSet, VecDeque};

use coterie_gbp::limits::{MAX_PAST_EPOCH_AGE, MAX_PAST_EPOCHS};
use coterie_gbp::node;
use coterie_gbp::node::{Event as NodeEvent, Order, Output, RelayRow, Roster};
use coterie_mls::MlsError;
use coterie_types::{Epoch, MemberId, StreamClass, TransitionId};
use coterie_wire::Codec;
use coterie_wire::control::ControlMessage;

use crate::core::write_past;
use crate::error::StackError;
use crate::event::{CoordinatorChange, Event, ParcelKind};
use crate::protection::Stand;
use crate::rows;
use crate::step::Step;

impl Step<'_, '_, '_> {
    /// Does everything that the node wants, also what it wants because of that.
    pub(crate) fn carry_out(&mut self) -> Result<(), StackError> {
        self.core.touched = true;
        let mut waiting = VecDeque::new();
        loop {
            waiting.extend(std::iter::from_fn(|| self.core.node.poll_output()));
            let Some(output) = waiting.pop_front() else { return Ok(()) };
            self.carry_out_one(output, &waiting)?;
        }
    }

    fn carry_out_one(&mut self, output: Output, behind: &VecDeque<Output>) -> Result<(), StackError> {
        match output {
            Output::Send(outgoing) => self.say(&outgoing),
            Output::Order(Order::Stage { hash, preparer, commit, .. }) => self.stage(hash, preparer, &commit),
            Output::Order(Order::Merge { own, .. }) => self.merge(own, behind),
            Output::Order(Order::Discard { own, .. }) => self.discard(own),
            Output::Relay { transition, target } => {
                for frame in self.core.relay.frames(transition) {
                    self.hand_out(target, ParcelKind::Frame(StreamClass::Control), frame);
                }
                Ok(())
            }
            Output::Settled(transition) => self.settle(transition),
            Output::Event(event) => self.take_note(event),
        }
    }

    fn say(&mut self, outgoing: &node::Outgoing) -> Result<(), StackError> {
        if outgoing.key_epoch != self.together.epoch() {
            return Err(StackError::Internal("the engine is where the node takes it to be"));
        }
        let message = &outgoing.message;
        let frame = self.send_control(outgoing.target, message)?;
        let ahead = outgoing.key_epoch != outgoing.header_epoch;
        self.keep(self.core.own.me, message, ahead, &frame)
    }

    pub(crate) fn send_control(
        &mut self,
        target: MemberId,
        message: &ControlMessage,
    ) -> Result<Vec<u8>, StackError> {
        let (class, flags) = (StreamClass::Control, message.opcode().flags());
        let frame = self.seal(class, flags, Codec::Cbor, message.encode().as_slice().into())?;
        self.hand_out(target, ParcelKind::Frame(class), frame.clone());
        Ok(frame)
    }

    /// Keeps a control frame for those who missed it.
    pub(crate) fn keep(
        &mut self,
        sender: MemberId,
        message: &ControlMessage,
        ahead: bool,
        frame: &[u8],
    ) -> Result<(), StackError> {
        match self.core.relay.keep(sender, message, ahead, frame) {
            Some(row) => self.write_relay(row),
            None => Ok(()),
        }
    }

    fn settle(&mut self, transition: TransitionId) -> Result<(), StackError> {
        self.delete_all(rows::RELAY, &[RelayRow::CURRENT])?;
        let changed = self.core.relay.settle(transition);
        changed.into_iter().try_for_each(|row| self.write_relay(row))
    }

    fn write_relay(&mut self, row: RelayRow) -> Result<(), StackError> {
        match row.value {
            Some(value) => self.put(rows::RELAY, &row.key, value),
            None => self.delete(rows::RELAY, &row.key),
        }
    }

    fn merge(&mut self, own: bool, behind: &VecDeque<Output>) -> Result<(), StackError> {
        if own { self.together.merge_pending() } else { self.together.merge_staged() }?;
        if !self.together.is_member() {
            self.core.protection = None;
            return Ok(());
        }
        // Only for a joiner that waits is something sealed between the engine's step and the node's.
        let ahead =
            |output: &Output| matches!(output, Output::Send(sent) if sent.key_epoch != sent.header_epoch);
        match &mut self.core.protection {
            Some(protection) if behind.iter().any(ahead) => protection.rekey(self.together, &self.core.space),
            _ => Ok(()),
        }
    }

    fn discard(&mut self, own: bool) -> Result<(), StackError> {
        let done = if own { self.together.discard_pending() } else { self.together.discard_staged() };
        if !own {
            self.forget_question();
        }
        if own && self.core.inviting.is_some() {
            self.ended_inviting = self.core.inviting.take();
            self.inviting_changed = true;
        }
        match done {
            // The commit was refused, and nothing is left of it.
            Ok(()) | Err(MlsError::NoPendingCommit) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_note(&mut self, event: NodeEvent) -> Result<(), StackError> {
        let event = match event {
            NodeEvent::EpochAdvanced { epoch, transition, roster } => {
                return self.enter_epoch(epoch, transition, roster);
            }
            NodeEvent::Admitted(_) => return self.admit(),
            NodeEvent::Capabilities(member) => {
                self.note_capabilities(member);
                Event::Capabilities(member)
            }
            NodeEvent::Leaving(member) => {
                self.core.own.leaving.insert(member);
                self.own_changed = true;
                Event::Leaving(member)
            }
            NodeEvent::StateChanged { from, to } => Event::State { from, to },
            NodeEvent::Aborted { transition, reason } => Event::Aborted { transition, reason },
            NodeEvent::Trouble { number, transition, member } => {
                Event::Trouble { number, transition, member }
            }
            NodeEvent::ElectionNeeded => Event::Coordinator(CoordinatorChange::Silent),
            NodeEvent::BecameCoordinator => Event::Coordinator(CoordinatorChange::Became),
            NodeEvent::CoordinatorClaim { claimant: member, accepted } => {
                Event::Coordinator(CoordinatorChange::Claimed { member, accepted })
            }
            NodeEvent::Removed => Event::Removed,
            NodeEvent::Lost => Event::Lost,
            _ => return Ok(()),
        };
        self.tell(event);
        Ok(())
    }

    /// The node is in a new epoch: everything that stands on it goes on.
    fn enter_epoch(
        &mut self,
        epoch: Epoch,
        transition: TransitionId,
        roster: Roster,
    ) -> Result<(), StackError> {
        let before = std::mem::replace(&mut self.core.roster, roster);
        self.remember_past(epoch, &before)?;
        if let Some(protection) = &mut self.core.protection {
            let (me, roster) = (self.core.own.me, &self.core.roster);
            let stand = Stand { me, epoch, transition, roster };
            protection.advance(stand, self.now, self.together, &self.core.space)?;
        }
        self.core.audio.advance(epoch, self.now);
        self.core.text.set_epoch(epoch);
        self.tell(Event::Epoch { epoch, transition });
        self.follow_members(&before)?;
        if self.core.inviting.is_some() {
            self.ended_inviting = self.core.inviting.take();
            self.inviting_changed = true;
        }
        Ok(())
    }

    /// Notes who sat where in the epoch that ended, so that late frames of it are taken after a restart as well.
    fn remember_past(&mut self, epoch: Epoch, before: &Roster) -> Result<(), StackError> {
        let ended = epoch.number().saturating_sub(1);
        let kept = u64::try_from(MAX_PAST_EPOCHS).unwrap_or(u64::MAX);
        self.put(rows::PAST, &ended.to_be_bytes(), write_past(before, self.now + MAX_PAST_EPOCH_AGE))?;
        match ended.checked_sub(kept) {
            Some(oldest) => self.delete(rows::PAST, &oldest.to_be_bytes()),
            None => Ok(()),
        }
    }

    fn follow_members(&mut self, before: &Roster) -> Result<(), StackError> {
        let now_in: BTreeSet<MemberId> = self.core.roster.members().collect();
        let left: Vec<MemberId> = before.members().filter(|member| !now_in.contains(member)).collect();
        for member in left {
            self.core.audio.forget(member);
            self.core.own.leaving.remove(&member);
            let change = self.core.text.left(member);
            self.write_text(change.into_iter().collect())?;
            self.tell(Event::Left(member));
        }
        self.tell_joined(before)?;
        let highest = self.core.roster.members().max().unwrap_or_default().number().saturating_add(1);
        let next = self.core.own.next_member.max(MemberId::new(highest));
        (self.core.own.next_member, self.own_changed) = (next, true);
        let finished = self.core.signals.set_roster(now_in);
        finished.into_iter().for_each(|finished| self.tell(Event::SignalEnded(finished)));
        self.signals_changed = true;
        self.agree_on_catching_up();
        Ok(())
    }

    fn tell_joined(&mut self, before: &Roster) -> Result<(), StackError> {
        let joined: Vec<_> = self.core.roster.iter().filter(|(member, _)| !before.has(*member)).collect();
        if joined.is_empty() || !self.together.is_member() {
            return Ok(());
        }
        let known = self.together.members()?;
        for (member, leaf) in joined {
            let change = self.core.text.joined(member, self.core.node.epoch());
            self.write_text(vec![change.ok_or(StackError::Internal("a roster has a bound"))?])?;
            let there = known.iter().find(|known| known.leaf == leaf);
            let identity = there.map(|known| known.identity.clone()).unwrap_or_default();
            self.tell(Event::Joined { member, identity });
        }
        Ok(())
    }

    fn note_capabilities(&mut self, member: MemberId) {
        if let Some(said) = self.core.node.capabilities(member) {
            let tokens: Vec<String> = said.features().map(str::to_owned).collect();
            // The wire's limits are those of the negotiator, and members are bounded by the roster.
            let _ = self.core.signals.capabilities_mut().advertise(member, tokens);
            self.signals_changed = true;
            self.agree_on_catching_up();
        }
    }
}
