//! What happens in a group, for whoever wants to watch.
//!
//! Each subscription has its own bounded queue. A full queue is not answered by dropping events: the call that
//! would add one is refused before it changes anything, and succeeds once the subscriber has caught up or gone.
//! A subscription that is dropped is forgotten at the next event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use coterie_types::Epoch;

use crate::error::MlsError;
use crate::limits::{EVENT_QUEUE_BYTES, EVENT_QUEUE_LENGTH};
use crate::roster::{CommitSummary, Member, ProposalSummary, Sender};
use crate::succession::Succession;

/// Something that happened in a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum GroupEvent {
    /// A member said something.
    Message {
        /// Who.
        sender: Member,
        /// In which epoch.
        epoch: Epoch,
        /// What.
        plaintext: Vec<u8>,
        /// What travelled beside it in the clear.
        associated_data: Vec<u8>,
    },
    /// A proposal waits for a commit.
    Proposal {
        /// Whose.
        sender: Sender,
        /// What is proposed.
        proposal: ProposalSummary,
    },
    /// A commit waits to be merged or discarded.
    CommitStaged {
        /// What it would do.
        commit: CommitSummary,
    },
    /// A commit was merged: a new epoch has begun, or, where it removes this device, ended.
    EpochChanged {
        /// What it did.
        commit: CommitSummary,
        /// Whether a pending commit of this member was dropped, because this one came first.
        superseded_own: bool,
    },
    /// The commit merged last ended the group in favour of another.
    Succeeded {
        /// Which one takes its place.
        succession: Succession,
        /// The last epoch here.
        epoch: Epoch,
    },
}

impl GroupEvent {
    /// Bytes that peers can make arbitrarily many of.
    fn size(&self) -> usize {
        match self {
            Self::Message { plaintext, associated_data, .. } => {
                plaintext.len().saturating_add(associated_data.len())
            }
            _ => 0,
        }
    }
}

/// Where a group's events are to be had, without waiting for the group itself.
#[derive(Clone, Default)]
pub struct Events {
    subscribers: Arc<Mutex<Vec<Weak<Mutex<Queue>>>>>,
}

/// One subscriber's events.
pub struct Subscription {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<GroupEvent>,
    bytes: usize,
    waker: Option<Waker>,
    ended: bool,
}

impl Events {
    /// Everything that happens in the group from now on, in order.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let mut subscribers = lock(&self.subscribers);
        subscribers.retain(|subscriber| subscriber.strong_count() > 0);
        subscribers.push(Arc::downgrade(&queue));
        Subscription { queue }
    }

    pub(crate) fn are_wanted(&self) -> bool {
        !lock(&self.subscribers).is_empty()
    }

    pub(crate) fn check_room(&self) -> Result<(), MlsError> {
        self.check_room_for(1)
    }

    pub(crate) fn check_room_for(&self, count: usize) -> Result<(), MlsError> {
        let full = lock(&self.subscribers).iter().filter_map(Weak::upgrade).any(|queue| {
            let queue = lock(&queue);
            let length = queue.events.len().saturating_add(count);
            !queue.ended && (queue.bytes >= EVENT_QUEUE_BYTES || length > EVENT_QUEUE_LENGTH)
        });
        if full { Err(MlsError::FeedFull) } else { Ok(()) }
    }

    pub(crate) fn publish(&self, event: &GroupEvent) {
        lock(&self.subscribers).retain(|subscriber| {
            let Some(queue) = subscriber.upgrade() else { return false };
            let mut queue = lock(&queue);
            if queue.ended {
                return false;
            }
            queue.bytes = queue.bytes.saturating_add(event.size());
            queue.events.push_back(event.clone());
            queue.ring();
            true
        });
    }

    /// The group is gone: subscribers take what waits, and then hear that there is no more.
    pub(crate) fn end(&self) {
        for queue in lock(&self.subscribers).drain(..).filter_map(|subscriber| subscriber.upgrade()) {
            let mut queue = lock(&queue);
            queue.ended = true;
            queue.ring();
        }
    }
}

impl Queue {
    fn ring(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Subscription {
    /// Up to `max` events; pending while there are none, empty once the group is closed and all were taken.
    pub fn poll_next(&self, context: &mut Context<'_>, max: usize) -> Poll<Vec<GroupEvent>> {
        let mut queue = lock(&self.queue);
        if queue.events.is_empty() && !queue.ended {
            queue.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = max.max(1).min(queue.events.len());
        let events: Vec<GroupEvent> = queue.events.drain(..count).collect();
        let taken = events.iter().map(GroupEvent::size).fold(0, usize::saturating_add);
        queue.bytes = queue.bytes.saturating_sub(taken);
        Poll::Ready(events)
    }

    /// Ends this subscription: what waits is dropped, and a poll under way is woken to an empty answer.
    pub fn close(&self) {
        let mut queue = lock(&self.queue);
        queue.ended = true;
        queue.events.clear();
        queue.bytes = 0;
        queue.ring();
    }
}

/// No code panics while it holds one of these locks, so what a poisoned one guards is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
