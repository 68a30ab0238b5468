//! Signals of ours that wait for answers.
//!
//! The protocol has no answer of its own to a signal. Where all members advertise [`ANSWERS`], answers are the control
//! plane's ACK and NACK with the signal's request id; elsewhere none are expected and none are sent.

use std::collections::{BTreeMap, BTreeSet};

use coterie_types::{MemberId, RequestId, Timestamp};
use coterie_wire::ErrorObject;
use coterie_wire::control::Arguments;
use coterie_wire::payload::Signal;

use crate::error::{GiveError, Refused};
use crate::limits::{MAX_AWAITED, MAX_WAITING};

/// The capability token that says that a member answers signals by ACK and NACK.
pub const ANSWERS: &str = "coterie/signal-answers-1";

/// Signals that wait for answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(BTreeMap<RequestId, Waiting>);

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) signal: Signal,
    pub(crate) awaited: BTreeSet<MemberId>,
    pub(crate) refused: BTreeMap<MemberId, ErrorObject>,
    pub(crate) deadline: Timestamp,
}

/// How a signal of ours ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The signal's request id.
    pub request: RequestId,
    /// The signal.
    pub signal: Signal,
    /// Who refused it, and why.
    pub refused: BTreeMap<MemberId, ErrorObject>,
    /// Who did not answer in time.
    pub silent: BTreeSet<MemberId>,
}

/// A member's answer to a signal, for a control message to whoever gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Who gave the signal.
    pub to: MemberId,
    /// The request that is answered.
    pub request: RequestId,
    /// Why it was refused, if it was.
    pub refused: Option<ErrorObject>,
}

impl Finished {
    /// Whether everybody carried it out.
    #[must_use]
    pub fn is_carried_out(&self) -> bool {
        self.refused.is_empty() && self.silent.is_empty()
    }
}

impl Answer {
    /// That a signal was carried out, or had been already.
    #[must_use]
    pub const fn carried_out(to: MemberId, request: RequestId) -> Self {
        Self { to, request, refused: None }
    }

    /// That a signal was refused; none where it cannot be said whose it was or the protocol has no number for it.
    #[must_use]
    pub fn refused(refused: &Refused) -> Option<Self> {
        let ((to, request), number) = (refused.request?, refused.cause.number()?);
        Some(Self { to, request, refused: Some(ErrorObject::registered(number)) })
    }

    /// What the control message says.
    #[must_use]
    pub fn arguments(&self) -> Arguments {
        match &self.refused {
            None => Arguments::Ack(self.request),
            Some(error) => Arguments::Nack(self.request, error.clone()),
        }
    }
}

impl Requests {
    pub(crate) fn may_begin(&self, request: RequestId, awaited: usize) -> Result<(), GiveError> {
        if awaited == 0 {
            return Ok(());
        }
        if request.number() == 0 || self.0.contains_key(&request) {
            return Err(GiveError::RequestTaken(request));
        }
        let before = self.0.values().map(|waiting| waiting.awaited.len()).fold(0, usize::saturating_add);
        let full = self.0.len() >= MAX_WAITING || before.saturating_add(awaited) > MAX_AWAITED;
        if full { Err(GiveError::TooManyWaiting) } else { Ok(()) }
    }

    /// Begins to wait, if there is anybody to wait for.
    pub(crate) fn begin(&mut self, request: RequestId, waiting: Waiting) {
        if !waiting.awaited.is_empty() {
            self.0.insert(request, waiting);
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (RequestId, &Waiting)> {
        self.0.iter().map(|(request, waiting)| (*request, waiting))
    }

    /// Takes an answer; the end of the request, if it was the last. Answers that nobody waits for change nothing.
    pub(crate) fn answer(
        &mut self,
        from: MemberId,
        request: RequestId,
        refused: Option<ErrorObject>,
    ) -> Option<Finished> {
        let waiting = self.0.get_mut(&request)?;
        if !waiting.awaited.remove(&from) {
            return None;
        }
        if let Some(error) = refused {
            waiting.refused.insert(from, error);
        }
        let over = waiting.awaited.is_empty();
        over.then(|| self.end(request)).flatten()
    }

    /// Nobody waits for somebody who left.
    pub(crate) fn forget(&mut self, member: MemberId) -> Vec<Finished> {
        let waiting = |(_, waiting): &(&RequestId, &mut Waiting)| waiting.awaited.contains(&member);
        let touched = self.0.iter_mut().filter(waiting);
        let over: Vec<RequestId> = touched
            .filter_map(|(request, waiting)| {
                waiting.awaited.remove(&member);
                waiting.awaited.is_empty().then_some(*request)
            })
            .collect();
        over.into_iter().filter_map(|request| self.end(request)).collect()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.0.values().map(|waiting| waiting.deadline).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Vec<Finished> {
        let late = self.0.iter().filter(|(_, waiting)| waiting.deadline <= now);
        let late: Vec<RequestId> = late.map(|(request, _)| *request).collect();
        late.into_iter().filter_map(|request| self.end(request)).collect()
    }

    /// Everybody whose answer is waited for.
    pub(crate) fn awaited(&self) -> Vec<MemberId> {
        let all: BTreeSet<MemberId> =
            self.0.values().flat_map(|waiting| waiting.awaited.iter().copied()).collect();
        all.into_iter().collect()
    }

    pub(crate) fn contains(&self, request: RequestId) -> bool {
        self.0.contains_key(&request)
    }

    fn end(&mut self, request: RequestId) -> Option<Finished> {
        let Waiting { signal, awaited, refused, .. } = self.0.remove(&request)?;
        Some(Finished { request, signal, refused, silent: awaited })
    }
}
