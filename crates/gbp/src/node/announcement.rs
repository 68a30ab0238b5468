//! What becomes of an announcement: whether its author may make one, and how it stands to what is under way.

use coterie_types::{MemberId, Timestamp, TransitionId};

use super::facts::{Mention, Offer};
use super::limits::MAX_COMMIT;
use super::roster::{Hash, hash};
use super::{Node, Pending, Refusal};

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
    pub(super) fn entitled(&self, member: MemberId, now: Timestamp) -> bool {
        self.coordinator.is_none_or(|coordinator| member <= coordinator)
            || self.led.contains(&member)
            || self.coordinator_silent(now)
    }
}

/// Whether who is locked to `locked` cannot let go of it for what `preparer` announces under `transition`: it is that very
/// attempt of another member, or its own one for a commit that it is locked to by another attempt.
pub(super) fn binds(
    (locked, by): (TransitionId, MemberId),
    transition: TransitionId,
    preparer: MemberId,
) -> bool {
    (locked == transition) != (by == preparer)
}
