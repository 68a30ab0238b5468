//! The control plane: which epoch the group is in, who orders the next one, and how everybody gets there.
//!
//! [`Node`] is one member's half of it. It holds no key and does no I/O: control messages that have been opened and whose
//! sender is known, answers of the MLS engine, wishes of the application and the time come in; [`Output`]s and the next
//! moment to be woken at come out. The node's epoch equals the engine's whenever the outputs of a call have been carried out; only
//! a joiner that waits for EXECUTE is behind it.
//!
//! What it promises, among members that fail by crashing, losing messages and being cut off: no two of them begin one
//! epoch with different commits. A member that said it is ready for a commit is locked: it follows no other one in that epoch
//! unless whoever prepared the first takes it back, more than half of the members are known to be ready for the other, or as
//! many promised to follow a later attempt, for which what they voted before leaves the other. In the sealed profile a member also moves only when it has itself seen that many, so a coordinator cannot
//! move it alone. A coordinator that announces two commits and votes for both can still part a group; the
//! parts then cannot read each other, and nothing that one says moves the other.
//!
//! Why that holds: an attempt is a number and whoever prepares under it. Only its preparer executes it, and only with the
//! votes of a quorum for this very attempt. Members vote and promise upwards only, and whoever announces anything but the first
//! attempt has the promises of a quorum, which show every commit that may have had its own (`ballot.rs`). A preparer that let
//! go of an attempt never takes it up again. In `interop`, where nobody promises, two coordinators at once can part a group.
//!
//! Why it goes on, once messages arrive again: who prepares repeats it to whoever is not ready; who is locked repeats its
//! vote to the preparers, and is told if an attempt is over. Of two that ask to be followed, the higher member gives way to the
//! claim of the lower. Whoever is behind gets the frames of each transition from anybody, and what it opens in this epoch it never
//! refuses for its number. A lock whose preparer stays away ends by the next coordinator completing that commit, or the one of a
//! later attempt.
//!
//! Every refusal leaves the node as it was. Everything that a peer can grow has a bound in [`limits`].

mod announcement;
mod arguments;
mod ballot;
mod election;
mod error;
mod execution;
mod facts;
pub mod limits;
mod output;
mod receive;
mod relay;
mod resync;
mod roster;
mod snapshot;
mod timers;
mod transition;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coterie_types::{Epoch, MemberId, RequestId, Timestamp, TransitionId};
use coterie_wire::Profile;
use coterie_wire::control::{Arguments, Capabilities, ControlMessage, LogEntry, Opcode};

use arguments::Readiness;
use ballot::Bid;
pub use error::Refusal;
use facts::{Facts, Rank};
pub use output::{Event, NodeState, Order, Outgoing, Output};
pub use relay::{RelayLog, RelayRow};
pub use roster::{Hash, Roster};
pub use wishes::Proposal;

use limits::{EXECUTE_TIMEOUT, MAX_SETTLED};

/// One member's half of the control plane.
#[derive(Debug)]
pub struct Node {
    me: MemberId,
    profile: Profile,
    state: NodeState,
    epoch: Epoch,
    last: TransitionId,
    /// The highest number that was seen or used: the next attempt takes a higher one.
    highest: TransitionId,
    roster: Roster,
    coordinator: Option<MemberId>,
    /// Who was the coordinator in this epoch: its announcements may still have to be completed.
    led: BTreeSet<MemberId>,
    /// When the coordinator was last heard.
    heard: Timestamp,
    electing: bool,
    /// When this member, as the coordinator, speaks again.
    heartbeat: Timestamp,
    pending: Option<Pending>,
    /// This member votes for no attempt of lower rank in this epoch.
    promised: Rank,
    bid: Option<Bid>,
    /// An own commit that waits for promises, or gave way. Others may still complete it, and only the engine's pending commit
    /// could follow.
    shelf: Option<Shelved>,
    joining: Option<Joining>,
    facts: Facts,
    log: VecDeque<LogEntry>,
    /// How the last epochs ended.
    settled: VecDeque<(Epoch, TransitionId)>,
    confirming: Option<Confirming>,
    probe: Option<Probe>,
    answered: BTreeMap<MemberId, Timestamp>,
    departed: VecDeque<MemberId>,
    capabilities: BTreeMap<MemberId, Capabilities>,
    requests: u32,
    outputs: VecDeque<Output>,
}

/// The transition under way. With `after` known the commit is staged, and this member is locked to it.
#[derive(Clone, Debug)]
struct Pending {
    transition: TransitionId,
    preparer: MemberId,
    hash: Hash,
    commit: Vec<u8>,
    first: bool,
    own: bool,
    after: Option<Roster>,
    /// Joiners that wait for EXECUTE.
    armed: BTreeSet<MemberId>,
    deadline: Timestamp,
    drive: Option<Drive>,
}

/// What only the member that prepares keeps.
#[derive(Clone, Debug)]
struct Drive {
    refused: BTreeSet<MemberId>,
    /// Whether somebody has promised to follow a later attempt.
    outbid: bool,
    repeat: Timestamp,
    quorum_since: Option<Timestamp>,
}

/// An own commit that waits to be prepared, or for the epoch to end.
#[derive(Clone, Debug)]
struct Shelved {
    hash: Hash,
    commit: Vec<u8>,
    after: Roster,
    armed: BTreeSet<MemberId>,
    /// Whether others have seen it.
    announced: bool,
}

/// A joiner that waits for EXECUTE: its engine is one epoch ahead.
#[derive(Clone, Debug)]
struct Joining {
    transition: TransitionId,
    inviter: Option<MemberId>,
    deadline: Timestamp,
}

/// Who has not shown that it knows the end of the last transition.
#[derive(Clone, Debug)]
struct Confirming {
    transition: TransitionId,
    missing: BTreeSet<MemberId>,
    next: Timestamp,
    rounds: u32,
}

/// The question how the others stand, repeated until it is answered.
#[derive(Clone, Debug)]
struct Probe {
    next: Timestamp,
    tries: u32,
}

/// How a member comes into a group that exists.
#[derive(Clone, Debug)]
pub struct Joiner {
    /// Its number.
    pub me: MemberId,
    /// The node's epoch to begin at: the one of the Welcome, or the one before it for a joiner that waits for EXECUTE.
    pub epoch: Epoch,
    /// The transition that admits it.
    pub transition: TransitionId,
    /// Whether it waits for EXECUTE of that transition.
    pub armed: bool,
    /// The members, itself included.
    pub roster: Roster,
    /// Who invited it, and is taken for the coordinator.
    pub inviter: Option<MemberId>,
}

impl Node {
    /// The node of whoever creates a group, and is its coordinator.
    ///
    /// # Errors
    /// When `roster` does not hold `me`.
    pub fn create(
        me: MemberId,
        profile: Profile,
        epoch: Epoch,
        roster: Roster,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let joiner = Joiner {
            me,
            epoch,
            transition: TransitionId::default(),
            armed: false,
            roster,
            inviter: Some(me),
        };
        Self::join(joiner, profile, now)
    }

    /// The node of a member that comes in by a Welcome.
    ///
    /// # Errors
    /// When its roster does not hold it.
    pub fn join(joiner: Joiner, profile: Profile, now: Timestamp) -> Result<Self, Refusal> {
        let Joiner { me, epoch, transition, armed, roster, inviter } = joiner;
        if let Some(stranger) = [Some(me), inviter].into_iter().flatten().find(|member| !roster.has(*member))
        {
            return Err(Refusal::NotAMember(stranger));
        }
        let last = if armed { TransitionId::default() } else { transition };
        let joining = armed.then_some(Joining { transition, inviter, deadline: now + EXECUTE_TIMEOUT });
        let mut node = Self {
            me,
            profile,
            state: NodeState::Idle,
            epoch,
            last,
            highest: transition,
            roster,
            coordinator: inviter,
            led: inviter.into_iter().collect(),
            heard: now,
            electing: false,
            heartbeat: now,
            pending: None,
            promised: Rank::default(),
            bid: None,
            shelf: None,
            joining,
            facts: Facts::default(),
            log: VecDeque::new(),
            settled: VecDeque::new(),
            confirming: None,
            probe: None,
            answered: BTreeMap::new(),
            departed: VecDeque::new(),
            capabilities: BTreeMap::new(),
            requests: 0,
            outputs: VecDeque::new(),
        };
        [NodeState::Connecting, NodeState::EstablishingGroup, NodeState::Active]
            .into_iter()
            .for_each(|state| node.enter(state));
        Ok(node)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// This member's number.
    #[must_use]
    pub const fn me(&self) -> MemberId {
        self.me
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> NodeState {
        self.state
    }

    /// The node's epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last transition that came into effect.
    #[must_use]
    pub const fn last_transition(&self) -> TransitionId {
        self.last
    }

    /// The transition under way.
    #[must_use]
    pub fn pending_transition(&self) -> Option<TransitionId> {
        let joining = self.joining.as_ref().map(|joining| joining.transition);
        let asking = self.bid.as_ref().map(|bid| bid.transition);
        self.pending.as_ref().map(|pending| pending.transition).or(asking).or(joining)
    }

    /// The commit of the transition under way: packages of deployed peers hide the arguments of PREPARE from their
    /// applications, which get it by another way.
    #[must_use]
    pub fn pending_commit(&self) -> Option<&[u8]> {
        self.pending.as_ref().map(|pending| pending.commit.as_slice())
    }

    /// The members of this epoch.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The coordinator, as far as this member knows.
    #[must_use]
    pub const fn coordinator(&self) -> Option<MemberId> {
        self.coordinator
    }

    /// Whether this member is the coordinator, as far as it knows.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.coordinator == Some(self.me)
    }

    /// What a member advertised.
    #[must_use]
    pub fn capabilities(&self, member: MemberId) -> Option<&Capabilities> {
        self.capabilities.get(&member)
    }

    /// Whether it takes part in the group: active, and not waiting to come in.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        self.present().is_ok()
    }

    fn sealed(&self) -> bool {
        self.profile == Profile::Sealed
    }

    fn others(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.roster.members().filter(|member| *member != self.me)
    }

    fn is_alone(&self) -> bool {
        self.others().next().is_none()
    }

    fn active(&self) -> Result<(), Refusal> {
        match self.state {
            NodeState::Active | NodeState::Resyncing => Ok(()),
            _ => Err(Refusal::NotActive),
        }
    }

    /// Active, and not waiting to come in: the engine of a joiner that waits has other keys than the group.
    fn present(&self) -> Result<(), Refusal> {
        self.active()?;
        if self.joining.is_some() { Err(Refusal::NotActive) } else { Ok(()) }
    }

    fn enter(&mut self, to: NodeState) {
        if to != self.state {
            self.emit(Event::StateChanged { from: self.state, to });
            self.state = to;
        }
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn order(&mut self, order: Order) {
        self.outputs.push_back(Output::Order(order));
    }

    /// Says `arguments` about `transition` in this epoch.
    fn say(&mut self, target: MemberId, transition: TransitionId, arguments: &Arguments) {
        let request = self.next_request();
        if let Ok(message) = ControlMessage::new(self.me, request, transition, arguments) {
            let engine = u64::from(self.joining.is_some()).saturating_add(self.epoch.number());
            self.send(target, message, Epoch::new(engine));
        }
    }

    /// Says READY or EXECUTE. In the sealed profile it names the commit, so that nobody can take it for another's.
    fn say_of_commit(
        &mut self,
        opcode: Opcode,
        target: MemberId,
        (transition, hash, preparer): (TransitionId, Hash, MemberId),
        key_epoch: Epoch,
    ) {
        let named = if self.sealed() { Readiness::vote(hash, preparer) } else { Vec::default() };
        let request = self.next_request();
        if let Ok(message) = ControlMessage::raw(self.me, request, transition, opcode, &named) {
            self.send(target, message, key_epoch);
        }
    }

    fn send(&mut self, target: MemberId, message: ControlMessage, key_epoch: Epoch) {
        let header_epoch = if self.joining.is_some() { key_epoch } else { self.epoch };
        self.outputs.push_back(Output::Send(Outgoing { target, header_epoch, key_epoch, message }));
    }

    fn next_request(&mut self) -> RequestId {
        self.requests = self.requests.checked_add(1).unwrap_or(1);
        RequestId::new(self.requests)
    }

    fn remember_settled(&mut self, epoch: Epoch, transition: TransitionId) {
        self.settled.push_back((epoch, transition));
        if self.settled.len() > MAX_SETTLED {
            self.settled.pop_front();
        }
    }
}
