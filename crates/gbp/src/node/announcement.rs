//! What becomes of an announcement: whether its author may make one, and how it stands to what is under way.

use coterie_types::{MemberId, Timestamp};

use super::facts::{Mention, Offer, Rank};
use super::limits::MAX_COMMIT;
use super::roster::hash;
use super::{Node, Refusal};

/// What becomes of an announcement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It becomes the transition under way.
    Take,
    /// It is the one under way: say again what was said.
    Again,
    /// The commit under way goes on under this number.
    Rebase,
    /// It waits.
    Hold,
    /// A later attempt was promised to be followed.
    Outbid,
    /// This member is locked to another commit, and has not seen that enough others promised to follow this attempt.
    Prove,
    /// The engine refused this commit before.
    Rejected,
}

impl Node {
    pub(super) fn on_prepare(
        &mut self,
        (transition, preparer): Rank,
        commit: Vec<u8>,
        first: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if commit.len() > MAX_COMMIT {
            return Err(Refusal::TooLarge);
        }
        let hash = hash(&commit);
        if self.facts.announced(transition, preparer).is_some_and(|known| known != hash) {
            return Err(Refusal::AnotherCommit(transition));
        }
        let offer = Offer { transition, preparer, hash, commit, first, open: true };
        let verdict = self.judge(&offer, now)?;
        self.facts.saw(transition, preparer, hash);
        let mention = Mention { transition, hash: Some(hash), preparer: Some(preparer), first };
        self.facts.vote(preparer, mention);
        if !matches!(verdict, Verdict::Hold | Verdict::Outbid | Verdict::Prove) {
            self.highest = self.highest.max(transition);
        }
        self.carry_out(verdict, offer, now);
        self.evaluate(now);
        Ok(())
    }

    pub(super) fn carry_out(&mut self, verdict: Verdict, offer: Offer, now: Timestamp) {
        match verdict {
            Verdict::Take => {
                self.give_way(offer.transition);
                self.begin(offer, now);
            }
            Verdict::Again if !self.sealed() || self.has_voted() => self.say_ready(),
            Verdict::Again if offer.rank() < self.promised => self.say_busy(offer.preparer, self.promised.0),
            // It is being staged.
            Verdict::Again => {}
            Verdict::Rebase => self.rebase(&offer, now),
            Verdict::Hold => self.facts.offer(offer),
            Verdict::Outbid => {
                self.say_busy(offer.preparer, self.promised.0);
                self.facts.offer(offer);
            }
            Verdict::Prove => {
                self.say_digest_request(offer.preparer);
                self.facts.offer(offer);
            }
            Verdict::Rejected => self.report(offer.preparer, offer.transition, offer.hash),
        }
    }

    fn judge(&self, offer: &Offer, now: Timestamp) -> Result<Verdict, Refusal> {
        if self.facts.rejected.contains(&offer.hash) {
            return Ok(Verdict::Rejected);
        }
        let attempt = (offer.transition, offer.preparer);
        if let Some(pending) = self.pending.as_ref().filter(|pending| pending.attempt() == attempt) {
            return match pending.hash == offer.hash {
                true => Ok(Verdict::Again),
                false => Err(Refusal::AnotherCommit(offer.transition)),
            };
        }
        match self.sealed() {
            true if offer.first && !self.is_first(offer.preparer) => {
                Err(Refusal::NotCoordinator(offer.preparer))
            }
            true => Ok(self.standing(offer, now)),
            false => self.judge_deployed(offer, now),
        }
    }

    /// How an announcement of the sealed profile stands to what this member promised and is locked to. One whose sender is
    /// not the coordinator, as far as is known here, comes but once and is kept: others may have followed it.
    pub(super) fn standing(&self, offer: &Offer, now: Timestamp) -> Verdict {
        let rank = offer.rank();
        if rank < self.promised {
            return Verdict::Outbid;
        }
        if rank != self.promised && !self.entitled(offer.preparer, now) {
            return Verdict::Hold;
        }
        match &self.pending {
            None => Verdict::Take,
            Some(pending) if rank < pending.rank() => Verdict::Hold,
            Some(pending) if pending.hash == offer.hash => Verdict::Rebase,
            Some(_) if self.lock().is_none() || self.is_mandated(offer) => Verdict::Take,
            Some(_) => Verdict::Prove,
        }
    }

    /// What members of the published stack do: a commit gives way to the lower number among announcements of one transition,
    /// and what this member prepares to every lower number.
    fn judge_deployed(&self, offer: &Offer, now: Timestamp) -> Result<Verdict, Refusal> {
        let Offer { transition, preparer, hash, .. } = *offer;
        if !self.entitled(preparer, now) {
            return Err(Refusal::NotCoordinator(preparer));
        }
        let Some(pending) = &self.pending else { return Ok(Verdict::Take) };
        if pending.hash == hash && transition > pending.transition {
            return Ok(Verdict::Rebase);
        }
        let gives_way = match &pending.drive {
            Some(_) => preparer < self.me,
            None => transition == pending.transition && preparer < pending.preparer,
        };
        match pending.hash != hash && gives_way {
            true => Ok(Verdict::Take),
            false if pending.transition == transition => Err(Refusal::InProgress(transition)),
            false => Err(Refusal::WrongTransition(transition)),
        }
    }

    /// Whether `member` may announce: the coordinator, whoever ranks before it, and whoever was it in this epoch.
    pub(super) fn entitled(&self, member: MemberId, now: Timestamp) -> bool {
        self.led.contains(&member) || self.may_claim(member, now)
    }

    /// Whether `member` may be the coordinator from now on.
    pub(super) fn may_claim(&self, member: MemberId, now: Timestamp) -> bool {
        self.coordinator.is_none_or(|coordinator| member <= coordinator) || self.coordinator_silent(now)
    }
}
