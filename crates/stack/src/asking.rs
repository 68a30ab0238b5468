//! Whoever a commit would bring in is judged before this member says that it is ready for it.
//!
//! What the engine and the group's agreements refuse, it refuses at once. Where the application has its say too, and takes longer
//! than a step may, the commit stays staged and the node unanswered: the member is not locked to it, and everything else
//! goes on. The answer is a step of its own. A restart asks again, because the staged commit is stored, and who asked as well.

use coterie_gbp::node::{Hash, Roster};
use coterie_gbp::protection::agreement;
use coterie_mls::{Candidate, CommitSummary, MlsError, Sender};
use coterie_types::{Code, ErrorCode, LeafIndex, MemberId};
use coterie_wire::ErrorNumber;

use crate::error::StackError;
use crate::event::Event;
use crate::step::Step;

/// What the application is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// SHA-256 of the commit, which [`crate::GroupNode::answer`] names.
    pub commit: Hash,
    /// Whom it would bring in. Their credentials count.
    pub candidates: Vec<Candidate>,
}

/// A staged commit that waits for the application's word.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) question: Question,
    preparer: MemberId,
    committer: Option<LeafIndex>,
    after: Roster,
}

/// What became of a commit that was looked at.
enum Looked {
    Fits(Roster),
    Waits,
}

impl Step<'_, '_, '_> {
    /// Looks at a commit and answers the node, or lets it wait. What others may not do to this group counts as a commit that is
    /// not valid.
    pub(crate) fn stage(&mut self, hash: Hash, preparer: MemberId, commit: &[u8]) -> Result<(), StackError> {
        let after = match self.look_at(hash, preparer, commit) {
            Ok(Looked::Fits(after)) => Some(after),
            Ok(Looked::Waits) => return Ok(()),
            Err(StackError::Mls(MlsError::Store(error))) => return Err(error.into()),
            Err(error) => {
                self.refuse_commit(error.code(), preparer, error.offender());
                None
            }
        };
        // Overtaken by what the node wanted next: then that is what happens.
        let _ = self.core.node.handle_staged(hash, after, self.now);
        Ok(())
    }

    fn look_at(&mut self, hash: Hash, preparer: MemberId, commit: &[u8]) -> Result<Looked, StackError> {
        // The engine opens a commit but once, and has kept this one over a restart.
        let summary = match self.core.asked_before.take_if(|before| *before == hash) {
            Some(_) => self.together.staged_summary()?,
            None => self.together.stage(commit, self.now)?,
        };
        let judged = self.judge_staged(&summary);
        let (after, candidates) =
            match judged.and_then(|after| Ok((after, self.together.staged_candidates()?))) {
                Ok(judged) => judged,
                Err(error) => {
                    self.together.discard_staged()?;
                    return Err(error);
                }
            };
        if !self.core.settings.asks || candidates.is_empty() {
            self.forget_question();
            return Ok(Looked::Fits(after));
        }
        let question = Question { commit: hash, candidates };
        let committer = committer(&summary);
        self.core.asking = Some(Asking { question, preparer, committer, after });
        self.asking_changed = true;
        Ok(Looked::Waits)
    }

    fn judge_staged(&self, summary: &CommitSummary) -> Result<Roster, StackError> {
        let extensions = self.together.staged_extensions()?;
        let agreed = extensions.iter().find(|one| one.extension_type == agreement::EXTENSION_TYPE);
        agreement::check(self.core.own.profile, agreed.map(|extension| extension.data.as_slice()))?;
        let by_member = matches!(summary.committer, Sender::Member(_));
        if !by_member || summary.succession.is_some() {
            return Err(StackError::Admission);
        }
        self.core.roster_after(summary)
    }

    /// The application's word about the commit of this hash. Nothing happens where it is not asked any more.
    pub(crate) fn answer(&mut self, commit: Hash, admitted: bool) -> Result<(), StackError> {
        // A state that was loaded again asks anew.
        self.carry_out()?;
        let asked = |asking: &mut Asking| asking.question.commit == commit;
        let Some(asking) = self.core.asking.take_if(asked) else { return Ok(()) };
        self.asking_changed = true;
        let Asking { preparer, committer, after, .. } = asking;
        if !admitted {
            self.together.discard_staged()?;
            self.refuse_commit(Code::MLS_REFUSED_BY_POLICY, preparer, committer);
        }
        let after = admitted.then_some(after);
        if self.core.node.handle_staged(commit, after, self.now).is_err() && admitted {
            self.together.discard_staged()?;
        }
        self.carry_out()
    }

    /// Whatever was asked is of no interest any more.
    pub(crate) fn forget_question(&mut self) {
        (self.core.asking, self.core.asked_before) = (None, None);
        self.asking_changed = true;
    }

    fn refuse_commit(&mut self, code: Code, preparer: MemberId, committer: Option<LeafIndex>) {
        let offender = committer.and_then(|leaf| self.core.roster.at(leaf));
        let number = Some(ErrorNumber::GBP_COMMIT_INVALID);
        self.tell(Event::Refused { code, number, claimed: Some(preparer), offender });
    }
}

fn committer(summary: &CommitSummary) -> Option<LeafIndex> {
    match &summary.committer {
        Sender::Member(member) => Some(member.leaf),
        _ => None,
    }
}
