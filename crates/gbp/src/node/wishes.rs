//! What the application wants.

use std::collections::BTreeSet;

use coterie_types::{MemberId, Timestamp, TransitionId};
use coterie_wire::control::{Arguments, Capabilities};

use super::election::LEAVING;
use super::limits::MAX_COMMIT;
use super::roster::hash;
use super::{Node, NodeState, Order, Refusal, Roster, Shelved};

/// A commit of this member, pending in the engine.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The commit.
    pub commit: Vec<u8>,
    /// Who belongs to the group after it.
    pub after: Roster,
    /// Joiners that have their Welcome already and wait for EXECUTE. All others get it at [`super::Event::Admitted`].
    pub armed: BTreeSet<MemberId>,
}

impl Node {
    /// Whether this member may make a commit now. If one of its own gave way before, the engine is told to drop it.
    ///
    /// # Errors
    /// When it is not the coordinator, or another transition is under way.
    pub fn clear_for_proposal(&mut self) -> Result<(), Refusal> {
        self.may_propose()?;
        if self.shelf.take().is_some() {
            let transition = self.last;
            self.order(Order::Discard { transition, own: true });
        }
        Ok(())
    }

    fn may_propose(&self) -> Result<(), Refusal> {
        self.active()?;
        if self.joining.is_some() || !self.leads() {
            return Err(Refusal::NotCoordinator(self.me));
        }
        self.pending_transition().map_or(Ok(()), |transition| Err(Refusal::InProgress(transition)))
    }

    /// Announces a commit of this member. It comes into effect, or does not, by a later event.
    ///
    /// # Errors
    /// As [`Self::clear_for_proposal`], and when the commit is too large or its joiners are not new members.
    pub fn propose(&mut self, proposal: Proposal, now: Timestamp) -> Result<TransitionId, Refusal> {
        let Proposal { commit, after, armed } = proposal;
        self.may_propose()?;
        if commit.len() > MAX_COMMIT {
            return Err(Refusal::TooLarge);
        }
        let joins = |member: &MemberId| after.has(*member) && !self.roster.has(*member);
        if let Some(member) = armed.iter().find(|member| !joins(member)) {
            return Err(Refusal::NotAMember(*member));
        }
        let transition = self.next_transition().ok_or(Refusal::Exhausted)?;
        let own = Shelved { hash: hash(&commit), commit, after, armed, announced: false };
        if self.sealed() && !self.may_go_first() {
            self.shelf = Some(own);
            self.bid(now);
        } else {
            self.pending = Some(self.own_pending(transition, own, now));
            self.shelf = None;
            self.announce();
        }
        self.evaluate(now);
        Ok(transition)
    }

    /// Takes back what this member prepares. Should others complete it all the same, this member cannot follow them: it is
    /// for commits that must not be, not for slow ones.
    ///
    /// # Errors
    /// When it prepares nothing.
    pub fn abort(&mut self, reason: Option<u64>) -> Result<(), Refusal> {
        self.active()?;
        if self.shelf.as_ref().is_some_and(|shelved| !shelved.announced) {
            self.withdraw();
            return Ok(());
        }
        if self.pending.as_ref().is_none_or(|pending| pending.drive.is_none()) {
            return Err(Refusal::WrongTransition(self.last));
        }
        self.end_own(reason);
        Ok(())
    }

    /// Tells the others that this member wants to leave; whoever is the coordinator removes it. A coordinator hands its role
    /// to the lowest other number first.
    ///
    /// # Errors
    /// When a transition is under way that this member prepares, or it is alone.
    pub fn leave(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.present()?;
        if self.leads() {
            let heir = self.others().next().ok_or(Refusal::NotAMember(self.me))?;
            self.hand_over(heir, now)?;
        }
        self.advertise([LEAVING.to_owned()])
    }

    /// Tells the others what this member can do.
    ///
    /// # Errors
    /// When the tokens break their limits.
    pub fn advertise(&mut self, features: impl IntoIterator<Item = String>) -> Result<(), Refusal> {
        self.present()?;
        let said = Capabilities::new(features)?;
        self.say(MemberId::EVERYBODY, self.last, &Arguments::Capabilities(said));
        Ok(())
    }

    /// Asks the others how they stand. A member that is alone knows: nobody else could have gone on.
    ///
    /// # Errors
    /// When the node takes no part in the group.
    pub fn resync(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.present()?;
        if self.is_alone() {
            return Ok(());
        }
        self.enter(NodeState::Resyncing);
        self.probe = None;
        self.ask(now);
        Ok(())
    }

    /// The group and this node do not fit together any more, as the caller has found out.
    pub fn fail(&mut self) {
        if self.state != NodeState::Closed {
            self.enter(NodeState::Failed);
        }
    }

    /// Takes no further part.
    pub fn close(&mut self) {
        self.enter(NodeState::Closed);
    }
}
