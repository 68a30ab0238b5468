//! Catching up: asking one member for what is missing, page by page, and answering.
//!
//! An answer is one page and keeps nothing: the asker says in each request how far it is. Within a page, each sender's
//! messages ascend, so that the highest of them says that. A replayed message is the word of whoever replays it: the
//! sender's own message still counts as new when it comes and says otherwise, no watermark moves beyond what senders
//! said themselves, and nobody passes on what was passed on to him. Whoever came in later is told nothing of before.

use std::collections::BTreeMap;

use coterie_types::{Epoch, MemberId, MessageId, RequestId, Timestamp};
use coterie_wire::limits::MAX_REPLAYED;
use coterie_wire::payload::TextMessage;

use crate::history::{History, Kept};
use crate::limits::{MAX_PAGES, MAX_REPLAY_BYTES, RESYNC_TIMEOUT};
use crate::receive::Verdict;

/// A request of another member for what it is missing. Answering costs up to a frame: the caller says when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Who asks.
    pub from: MemberId,
    /// What connects the answer with it.
    pub request: RequestId,
    /// How far the member is.
    pub seen: BTreeMap<MemberId, MessageId>,
}

/// What a page of an answer brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaughtUp {
    /// Who answered.
    pub from: MemberId,
    /// The messages. Those that are new were never seen; where one contradicts what was seen, that stays.
    pub messages: Vec<Replayed>,
    /// Whether to ask for the next page.
    pub more: bool,
}

/// A message that another member passed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replayed {
    /// The message.
    pub message: TextMessage,
    /// Whether it is new.
    pub verdict: Verdict,
}

/// The request of ours that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) member: MemberId,
    pub(crate) request: RequestId,
    pub(crate) deadline: Timestamp,
    /// How far the pages reached.
    reached: BTreeMap<MemberId, MessageId>,
    pages: u32,
    /// Whether a page may come: one for each request.
    waiting: bool,
}

impl Asking {
    pub(crate) fn new(member: MemberId, request: RequestId, now: Timestamp) -> Self {
        Self {
            member,
            request,
            deadline: now + RESYNC_TIMEOUT,
            reached: BTreeMap::new(),
            pages: 0,
            waiting: true,
        }
    }

    /// Whether a message is the page that was asked for last.
    pub(crate) fn is_answered_by(&self, message: &TextMessage) -> bool {
        self.waiting && self.member == message.sender && self.request == message.request
    }

    /// The next page was asked for.
    pub(crate) fn wait(&mut self, now: Timestamp) {
        self.waiting = true;
        self.deadline = now + RESYNC_TIMEOUT;
    }

    /// Takes note of a page, and answers whether to go on.
    pub(crate) fn turn(
        &mut self,
        messages: &[(Option<Epoch>, TextMessage)],
        more: bool,
        now: Timestamp,
    ) -> bool {
        for (_, message) in messages {
            let reached = self.reached.entry(message.sender).or_insert(message.id);
            *reached = message.id.max(*reached);
        }
        self.pages = self.pages.saturating_add(1);
        self.waiting = false;
        self.deadline = now + RESYNC_TIMEOUT;
        more && !messages.is_empty() && self.pages < MAX_PAGES
    }

    /// What to ask for: above what is known, or what the pages reached.
    pub(crate) fn above(&self, mut known: BTreeMap<MemberId, MessageId>) -> BTreeMap<MemberId, MessageId> {
        for (sender, reached) in &self.reached {
            let known = known.entry(*sender).or_insert(*reached);
            *known = (*known).max(*reached);
        }
        known
    }
}

/// Places of a history that answer a request, and whether others follow. Whoever `joined` later than this member gets what
/// was said since.
pub(crate) fn page(history: &History, asked: &Asked, joined: Option<Epoch>) -> (Vec<u64>, bool) {
    let since = |kept: &Kept<'_>| joined.is_none_or(|joined| kept.epoch.is_some_and(|epoch| epoch >= joined));
    let mut missing: Vec<Kept<'_>> = history
        .iter()
        .filter(since)
        .filter(|kept| !kept.relayed && kept.sender != asked.from && kept.size <= MAX_REPLAY_BYTES)
        .filter(|kept| asked.seen.get(&kept.sender).is_none_or(|seen| kept.id > *seen))
        .collect();
    in_order_of_each_sender(&mut missing);
    let (mut bytes, mut chosen) = (0_usize, Vec::new());
    for kept in &missing {
        bytes = bytes.saturating_add(kept.size);
        if bytes > MAX_REPLAY_BYTES || chosen.len() >= MAX_REPLAYED {
            break;
        }
        chosen.push(kept.position);
    }
    let more = chosen.len() < missing.len();
    (chosen, more)
}

/// Each sender's messages ascend; which places are whose stays as it was.
fn in_order_of_each_sender(missing: &mut [Kept<'_>]) {
    let mut ascending: BTreeMap<MemberId, Vec<Kept<'_>>> = BTreeMap::new();
    missing.iter().for_each(|kept| ascending.entry(kept.sender).or_default().push(*kept));
    for messages in ascending.values_mut() {
        messages.sort_by_key(|kept| std::cmp::Reverse(kept.id));
    }
    for place in missing {
        if let Some(next) = ascending.get_mut(&place.sender).and_then(Vec::pop) {
            *place = next;
        }
    }
}
