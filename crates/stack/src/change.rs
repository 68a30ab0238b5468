//! Changes of who belongs to the group, as this member wishes them, and admitting those who come in.

use coterie_gbp::node::{Proposal, Roster};
use coterie_mls::{Changes, MlsError};
use coterie_types::{Epoch, LeafIndex, MemberId, TransitionId};
use coterie_wire::Profile;
use coterie_wire::payload::Resync;

use crate::admission::Admission;
use crate::error::StackError;
use crate::event::ParcelKind;
use crate::inviting::Inviting;
use crate::limits::MAX_CHANGES;
use crate::step::Step;

/// How a bare key package begins: with the version and the suite.
const BARE: [u8; 4] = [0, 1, 0, 1];
/// What MLS puts before it: the version, and that it is a key package.
const MESSAGE: [u8; 4] = [0, 1, 0, 5];

/// When joiners get their Welcome.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pattern {
    /// Once the commit that adds them has come into effect: pattern C.
    #[default]
    Direct,
    /// At once; they wait for EXECUTE: pattern B, in the `interop` profile only.
    Armed,
}

impl Step<'_, '_, '_> {
    /// Adds the owners of these key packages, who get the numbers that are answered, once everybody has followed.
    pub(crate) fn invite(
        &mut self,
        key_packages: &[Vec<u8>],
        pattern: Pattern,
    ) -> Result<Vec<MemberId>, StackError> {
        if pattern == Pattern::Armed && self.core.own.profile == Profile::Sealed {
            return Err(StackError::InvalidArgument("joiners of sealed groups do not wait for EXECUTE"));
        }
        check_count(key_packages.len())?;
        if self.core.own.profile == Profile::Sealed {
            return self.propose(Changes { add: key_packages, ..Default::default() }, pattern);
        }
        let messages: Vec<_> = key_packages.iter().map(|package| as_message(package)).collect();
        self.propose(Changes { add: &messages, ..Default::default() }, pattern)
    }

    pub(crate) fn remove(&mut self, members: &[MemberId]) -> Result<(), StackError> {
        check_count(members.len())?;
        let leaves = members.iter().map(|member| self.leaf_of(*member)).collect::<Result<Vec<_>, _>>()?;
        self.propose(Changes { remove: &leaves, ..Default::default() }, Pattern::Direct).map(drop)
    }

    pub(crate) fn update(&mut self) -> Result<(), StackError> {
        self.propose(Changes { update: true, ..Default::default() }, Pattern::Direct).map(drop)
    }

    fn leaf_of(&self, member: MemberId) -> Result<LeafIndex, StackError> {
        let found = self.core.node.roster().iter().find(|(known, _)| *known == member);
        found.map(|(_, leaf)| leaf).ok_or(StackError::NotAMember(member))
    }

    /// Commits and announces it; nothing is merged before enough others are ready.
    fn propose(&mut self, changes: Changes<'_>, pattern: Pattern) -> Result<Vec<MemberId>, StackError> {
        self.make_way()?;
        let committed = self.together.commit(changes, self.now)?;
        let after = match self.core.roster_after(&committed.summary) {
            Ok(after) => after,
            Err(error) => {
                self.together.discard_pending()?;
                return Err(error);
            }
        };
        let joined = committed.summary.added.iter().filter_map(|member| after.at(member.leaf));
        let joiners: Vec<MemberId> = joined.collect();
        let armed = pattern == Pattern::Armed;
        let waiting = if armed { joiners.iter().copied().collect() } else { Default::default() };
        let before = self.core.node.epoch();
        let proposal = Proposal { commit: committed.commit, after: after.clone(), armed: waiting };
        let transition = match self.core.node.propose(proposal, self.now) {
            Ok(transition) => transition,
            Err(refusal) => {
                self.together.discard_pending()?;
                return Err(refusal.into());
            }
        };
        if let Some(welcome) = committed.welcome {
            let inviting = Inviting { joiners: joiners.clone(), armed, welcome };
            if armed {
                self.hand_out_admissions(&inviting, &after, (before, transition));
            }
            (self.core.inviting, self.inviting_changed) = (Some(inviting), true);
        }
        self.carry_out()?;
        Ok(joiners)
    }

    /// Drops a commit of this member that gave way. That stands by itself: a member in memory has nothing to undo where what
    /// follows is refused, a key package that is none for instance.
    fn make_way(&mut self) -> Result<(), StackError> {
        let touched = self.core.touched;
        self.core.node.clear_for_proposal()?;
        self.carry_out()?;
        if self.volatile {
            self.core.touched = touched;
        }
        Ok(())
    }

    /// The commit of this member has come into effect: whoever it added may come in.
    pub(crate) fn admit(&mut self) -> Result<(), StackError> {
        if let Some(inviting) = self.ended_inviting.take().filter(|inviting| !inviting.armed) {
            let roster = self.core.node.roster().clone();
            let stand = (self.core.node.epoch(), self.core.node.last_transition());
            self.hand_out_admissions(&inviting, &roster, stand);
        }
        Ok(())
    }

    fn hand_out_admissions(
        &mut self,
        inviting: &Inviting,
        roster: &Roster,
        (epoch, transition): (Epoch, TransitionId),
    ) {
        let highest = roster.members().max().unwrap_or_default().number().saturating_add(1);
        for joiner in &inviting.joiners {
            let admission = Admission {
                profile: self.core.own.profile,
                member: *joiner,
                epoch,
                transition,
                armed: inviting.armed,
                inviter: Some(self.core.own.me),
                members: roster.iter().collect(),
                next_member: self.core.own.next_member.max(MemberId::new(highest)),
                roles: self.core.signals.roles().clone(),
                welcome: inviting.welcome.clone(),
            };
            self.hand_out(*joiner, ParcelKind::Admission, admission.encode());
        }
    }

    /// Removes those who asked for it, if this member coordinates and nothing else is under way.
    pub(crate) fn remove_those_who_leave(&mut self) -> Result<(), StackError> {
        let node = &self.core.node;
        let free = node.takes_part() && node.leads() && node.pending_transition().is_none();
        let gone = self.core.own.leaving.iter().filter(|member| **member != self.core.own.me);
        let gone: Vec<MemberId> = gone.copied().filter(|member| node.roster().has(*member)).collect();
        if !free || gone.is_empty() || self.core.protection.is_none() {
            return Ok(());
        }
        match self.remove(&gone) {
            Ok(()) => Ok(()),
            Err(error @ StackError::Mls(MlsError::Store(_))) => Err(error),
            // Nothing that comes in may fail because of it. Whoever still wants to leave asks again.
            Err(_) => {
                self.core.own.leaving.clear();
                self.own_changed = true;
                Ok(())
            }
        }
    }

    /// Whether members can ask each other for what is missing: always among our own, elsewhere when all say so.
    pub(crate) fn agree_on_catching_up(&mut self) {
        if self.core.own.profile == Profile::Interop {
            let members = self.core.roster.members().collect();
            let agreed = self.core.signals.capabilities().all_support(&members, Resync::CAPABILITY);
            self.core.text.set_resync(agreed);
        }
    }
}

/// A key package as MLS carries it, also where it comes as deployed peers hand it out: bare, and of their only suite.
pub(crate) fn as_message(key_package: &[u8]) -> Vec<u8> {
    if key_package.starts_with(&BARE) { [&MESSAGE, key_package].concat() } else { key_package.to_vec() }
}

fn check_count(count: usize) -> Result<(), StackError> {
    match count {
        1..=MAX_CHANGES => Ok(()),
        0 => Err(StackError::InvalidArgument("nobody is named")),
        _ => Err(StackError::InvalidArgument("one change names at most 256 members")),
    }
}
