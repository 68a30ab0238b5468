//! What a member can want of its group.

use coterie_gbp::node::Hash;
use coterie_mls::Candidate;
use coterie_types::{MemberId, Timestamp};
use coterie_wire::Profile;

use super::GroupNode;
use crate::asking::Question;
use crate::change::{Pattern, as_message};
use crate::error::StackError;

impl GroupNode {
    /// Whom an invitation of `key_packages` would bring in, for an application whose word takes longer than a call may.
    ///
    /// # Errors
    /// When a key package does not fit, a credential does not count, or this member is out.
    pub fn candidates(
        &mut self,
        key_packages: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<Vec<Candidate>, StackError> {
        let group = self.group.as_mut().ok_or(StackError::NotActive)?;
        if self.core.own.profile == Profile::Sealed {
            return Ok(group.candidates(key_packages, now)?);
        }
        let messages: Vec<_> = key_packages.iter().map(|package| as_message(package)).collect();
        Ok(group.candidates(&messages, now)?)
    }

    /// What the application is asked, where [`crate::Settings::asks`] says that it wants to be. While it does not answer, this
    /// member is not ready for the commit, and everything else goes on.
    #[must_use]
    pub fn question(&self) -> Option<&Question> {
        self.core.asking.as_ref().map(|asking| &asking.question)
    }

    /// Whether everybody may come in whom a commit brings in. One that is refused is reported, and this member does not follow
    /// it. Nothing happens where the question is not asked any more.
    ///
    /// # Errors
    /// When too much waits already, or the store fails. Then nothing was answered.
    pub fn answer(&mut self, commit: Hash, admitted: bool, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.answer(commit, admitted))
    }

    /// Adds the owners of key packages. They get the numbers that are answered, and each an admission once the commit has come
    /// into effect, which an [`Event::Joined`] says; or [`Event::NotAdmitted`] comes.
    ///
    /// # Errors
    /// When this member does not coordinate, something else is under way, or a key package does not fit.
    pub fn invite(
        &mut self,
        key_packages: &[Vec<u8>],
        pattern: Pattern,
        now: Timestamp,
    ) -> Result<Vec<MemberId>, StackError> {
        self.step(now, |step| step.invite(key_packages, pattern))
    }

    /// Removes members.
    ///
    /// # Errors
    /// When this member does not coordinate, something else is under way, or one of them is no other member.
    pub fn remove(&mut self, members: &[MemberId], now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.remove(members))
    }

    /// Renews this member's keys, and with them the group's.
    ///
    /// # Errors
    /// When this member does not coordinate, or something else is under way.
    pub fn update(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| step.update())
    }

    /// Asks to be removed. Whoever coordinates does it; a coordinator hands its role over first.
    ///
    /// # Errors
    /// When this member is alone, or prepares something.
    pub fn leave(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.leave(now)?;
            step.carry_out()
        })
    }

    /// Gives the coordinator's role to another member.
    ///
    /// # Errors
    /// When this member does not have it, or prepares something.
    pub fn hand_over(&mut self, heir: MemberId, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.hand_over(heir, now)?;
            step.carry_out()
        })
    }

    /// Claims the coordinator's role.
    ///
    /// # Errors
    /// When a coordinator with a lower number is heard.
    pub fn claim(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.claim(now)?;
            step.carry_out()
        })
    }

    /// Tells the others what this member can do.
    ///
    /// # Errors
    /// When the tokens break their limits.
    pub fn advertise(&mut self, tokens: &[String], now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            let me = step.core.own.me;
            step.core.node.advertise(tokens.iter().cloned())?;
            step.core.signals.capabilities_mut().advertise(me, tokens.iter().cloned())?;
            step.signals_changed = true;
            step.agree_on_catching_up();
            step.carry_out()
        })
    }

    /// Asks the others how they stand.
    ///
    /// # Errors
    /// When this member takes no part.
    pub fn resync(&mut self, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.resync(now)?;
            step.carry_out()
        })
    }

    /// Takes back what this member prepares.
    ///
    /// # Errors
    /// When it prepares nothing.
    pub fn abort(&mut self, reason: Option<u64>, now: Timestamp) -> Result<(), StackError> {
        self.step(now, |step| {
            step.core.node.abort(reason)?;
            step.carry_out()
        })
    }
}
