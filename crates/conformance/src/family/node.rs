//! Nodes of our own where the recordings have a peer's: they open what the peers sent, take it, and say what the peers said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use coterie_gbp::node::{Event, Joiner, Node, NodeState, Order, Outgoing, Output, Proposal, Roster};
use coterie_gbp::protection::Opened;
use coterie_gbp::protection::interop::{ClassKeys, Opener};
use coterie_types::{Duration, Epoch, GroupId, LeafIndex, MemberId, StreamClass, TransitionId};
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{ErrorNumber, Frame, Profile};
use serde_json::Value;

use super::protection::{Answer, NOW, Said, event, keys, keys_of};
use super::stack;
use crate::case::{File, Verdict, bytes, field, list, number, same, same_bytes};
use crate::report::Outcome;

/// The members that speak in the recordings of one receiver. Its engine is no part of them: every commit passes, and changes
/// nobody.
const MEMBERS: &[u32] = &[1, 2, 7];

/// One member: what it opens with, and its node, if that was started.
pub(super) struct Seat {
    opener: Opener,
    node: Option<Node>,
    /// The keys of the epoch after this one.
    next: Arc<ClassKeys>,
    after: Roster,
    /// What the node wants to send.
    said: VecDeque<Outgoing>,
}

fn text(why: impl ToString) -> String {
    why.to_string()
}

fn transition_id(number: u64) -> Result<TransitionId, String> {
    u32::try_from(number).map(TransitionId::new).map_err(text)
}

fn member_id(number: u64) -> Result<MemberId, String> {
    u32::try_from(number).map(MemberId::new).map_err(text)
}

fn roster(members: &[u32]) -> Result<Roster, String> {
    let leaves = members.iter().map(|number| (MemberId::new(*number), LeafIndex::new(*number)));
    Roster::new(leaves).map_err(text)
}

impl Seat {
    /// The receiver of a case. One that was never started has no node.
    pub(super) fn recorded(case: &Value) -> Result<Self, String> {
        let node = field(case, "node").ok_or("node is missing")?;
        let is_started = field(node, "start").is_some();
        let epoch = Epoch::new(if is_started { number(node, "epoch")? } else { 0 });
        let first = transition_id(number(node, "first_tid")?)?;
        let joiner = Joiner {
            me: member_id(number(node, "member")?)?,
            epoch,
            transition: first,
            armed: first != TransitionId::default(),
            roster: roster(MEMBERS)?,
            inviter: None,
        };
        let (keys, last) = (keys(case)?, TransitionId::default());
        let opener = opener(&bytes(node, "group_id")?, epoch, last, Arc::clone(&keys))?;
        let mut seat = Self::new(joiner, opener, keys)?;
        seat.node = seat.node.filter(|_| is_started);
        Ok(seat)
    }

    fn new(joiner: Joiner, opener: Opener, next: Arc<ClassKeys>) -> Result<Self, String> {
        let after = joiner.roster.clone();
        let node = Node::join(joiner, Profile::Interop, NOW).map_err(text)?;
        Ok(Self { opener, node: Some(node), next, after, said: VecDeque::new() })
    }

    /// What comes of a frame.
    pub(super) fn take(&mut self, frame: &[u8]) -> Answer {
        match self.opener.open(frame, NOW) {
            Err(refused) => {
                if refused.number() == ErrorNumber::GBP_EPOCH_MISMATCH {
                    self.take_foreign(frame);
                }
                Answer::Error(refused.number().number().into())
            }
            Ok((opened, plaintext)) if opened.class == StreamClass::Control => {
                self.take_control(&opened, &plaintext)
            }
            Ok((_, plaintext)) => Answer::Plaintext(Some(hex::encode(plaintext))),
        }
    }

    fn take_foreign(&mut self, frame: &[u8]) {
        if let (Some(node), Ok(frame)) = (&mut self.node, Frame::decode(frame)) {
            let sender = frame.header.stream.member(frame.header.class).unwrap_or_default();
            // A refusal says that there is nothing to do about it.
            let _ = node.handle_foreign_epoch(sender, frame.header.epoch, NOW);
        }
        self.carry_out();
    }

    fn take_control(&mut self, opened: &Opened, plaintext: &[u8]) -> Answer {
        let message = match ControlMessage::decode(plaintext) {
            Ok(message) => message,
            Err(malformed) => return Answer::Error(malformed.number().number().into()),
        };
        let sender = opened.member().unwrap_or_default();
        let taken = self.node.as_mut().map(|node| node.handle_control(sender, opened.epoch, &message, NOW));
        if let Some(Err(refused)) = taken {
            return Answer::Error(refused.number().number().into());
        }
        self.carry_out();
        let coordinator = self.node.as_ref().and_then(Node::coordinator).filter(|_| claims(&message));
        let claimant = coordinator.map(|coordinator| coordinator.number().into());
        Answer::Control(Said { message: stack::recorded_control(&message), claimant })
    }

    /// Does what the node wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.node.as_mut().and_then(Node::poll_output) {
            match output {
                Output::Send(outgoing) => self.said.push_back(outgoing),
                Output::Order(Order::Stage { hash, .. }) => {
                    let after = Some(self.after.clone());
                    // A refusal says that the order was overtaken.
                    let _ = self.node.as_mut().map(|node| node.handle_staged(hash, after, NOW));
                }
                Output::Event(Event::EpochAdvanced { epoch, transition, .. }) => {
                    let grace = Duration::from_secs(10);
                    // A node only goes forward, and its opener with it.
                    let _ = self.opener.advance(epoch, transition, Arc::clone(&self.next), NOW, grace);
                }
                _ => {}
            }
        }
    }

    /// Compares where the node stands. A frame that is not authenticated moves no node here: it stays active where the
    /// peer's fails or resynchronises.
    pub(super) fn stands_as(&self, step: &Value) -> Verdict {
        let Some(node) = &self.node else { return Ok(()) };
        same("state", &node.state(), &NodeState::Active)?;
        same("epoch", &node.epoch().number(), &number(step, "epoch")?)?;
        same("last transition", &u64::from(node.last_transition().number()), &number(step, "last_tid")?)
    }
}

fn claims(message: &ControlMessage) -> bool {
    matches!(message.arguments(), Ok(Arguments::Capabilities(said)) if said.claims_coordinator())
}

fn opener(
    group: &[u8],
    epoch: Epoch,
    transition: TransitionId,
    keys: Arc<ClassKeys>,
) -> Result<Opener, String> {
    Opener::new(GroupId::new(group).map_err(text)?, epoch, transition, keys).map_err(text)
}

/// A whole change of members, an aborted one and a claim: each control message is what the node of its sender says here too,
/// sealed for the same epoch, and everybody who got it takes it.
pub(super) fn transition(file: &File) -> Outcome {
    file.each(|case| {
        let mut group = Group::new(case)?;
        for (index, step) in list(case, "steps").enumerate() {
            group.step(step).map_err(|why| format!("step {index}: {why}"))?;
        }
        Ok(())
    })
}

/// Members 1 and 2, and 3 that waits to come in.
struct Group {
    seats: BTreeMap<u64, Seat>,
    /// The exporter secret of each MLS epoch.
    secrets: BTreeMap<u64, Vec<u8>>,
}

impl Group {
    fn new(case: &Value) -> Result<Self, String> {
        let mut group = Self { seats: BTreeMap::new(), secrets: BTreeMap::new() };
        for epoch in [1, 2] {
            let secret = bytes(case, &format!("exporter_secret_epoch_{epoch}"))?;
            group.secrets.insert(epoch, secret);
        }
        for (member, epoch) in [(1, 1), (2, 1), (3, 2)] {
            let armed = member == 3;
            let members: &[u32] = if armed { &[1, 2, 3] } else { &[1, 2] };
            let joiner = Joiner {
                me: member_id(member)?,
                epoch: Epoch::new(1),
                transition: TransitionId::new(u32::from(armed)),
                armed,
                roster: roster(members)?,
                inviter: Some(MemberId::new(1)),
            };
            let (keys, last) = (group.keys(epoch)?, TransitionId::default());
            let opener = opener(&bytes(case, "group_id")?, Epoch::new(1), last, keys)?;
            let mut seat = Seat::new(joiner, opener, group.keys(2)?)?;
            seat.after = roster(&[1, 2, 3])?;
            group.seats.insert(member, seat);
        }
        Ok(group)
    }

    fn keys(&self, epoch: u64) -> Result<Arc<ClassKeys>, String> {
        keys_of(self.secrets.get(&epoch).ok_or("an unknown epoch")?)
    }

    fn seat(&mut self, member: u64) -> Result<&mut Seat, String> {
        self.seats.get_mut(&member).ok_or_else(|| "an unknown member".to_owned())
    }

    fn step(&mut self, step: &Value) -> Verdict {
        stack::frame(step)?;
        let sent = bytes(step, "frame")?;
        if Frame::decode(&sent).map_err(text)?.header.class == StreamClass::Control {
            self.is_said(step)?;
        }
        for received in list(step, "received") {
            let member = number(received, "by_member")?;
            let seat = self.seat(member)?;
            same(&format!("member {member}"), &seat.take(&sent), &Answer::recorded(received)?)?;
            if let Some(advanced) = event(received, "epoch_advanced") {
                let node = seat.node.as_ref().ok_or("no node")?;
                same("epoch", &node.epoch().number(), &number(advanced, "epoch")?)?;
                let last = u64::from(node.last_transition().number());
                same("transition", &last, &number(advanced, "transition_id")?)?;
            }
        }
        Ok(())
    }

    /// Compares a recorded control message with what the node of its sender says. Request ids are each sender's own.
    fn is_said(&mut self, step: &Value) -> Verdict {
        let recorded = ControlMessage::decode(&bytes(step, "plaintext")?).map_err(text)?;
        let seat = self.seat(number(step, "sender_member")?)?;
        seat.wish(&recorded)?;
        let Outgoing { header_epoch, key_epoch, message, .. } =
            seat.said.pop_front().ok_or("the node says nothing")?;
        same("opcode", &message.opcode(), &recorded.opcode())?;
        same("sender", &message.sender, &recorded.sender)?;
        same("transition", &message.transition, &recorded.transition)?;
        same_bytes("arguments", message.raw_arguments(), recorded.raw_arguments())?;
        let header = field(step, "header").ok_or("header is missing")?;
        same("header's epoch", &header_epoch.number(), &number(header, "ep")?)?;
        let secret = self.secrets.get(&key_epoch.number()).ok_or("an unknown epoch")?;
        same_bytes("exporter secret", secret, &bytes(step, "exporter_secret")?)
    }
}

impl Seat {
    /// Lets the application ask for what a node does not say of itself.
    fn wish(&mut self, recorded: &ControlMessage) -> Verdict {
        let node = self.node.as_mut().ok_or("no node")?;
        match recorded.opcode() {
            Opcode::Prepare => {
                let armed: BTreeSet<MemberId> =
                    self.after.members().filter(|member| !node.roster().has(*member)).collect();
                let (commit, after) = (recorded.raw_arguments().to_vec(), self.after.clone());
                node.propose(Proposal { commit, after, armed }, NOW).map(drop).map_err(text)?;
            }
            Opcode::Abort => node.abort(None).map_err(text)?,
            Opcode::Capabilities => node.claim(NOW).map_err(text)?,
            _ => {}
        }
        self.carry_out();
        Ok(())
    }
}
