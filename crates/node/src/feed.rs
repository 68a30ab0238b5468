//! Events, pulled in batches.
//!
//! The native queue wakes JavaScript when something waits, at most once until somebody looks; JavaScript then
//! takes what it wants. Waiting for events does not keep the process alive by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use coterie_mls::Subscription;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Status, bindgen_prelude::Function};
use napi_derive::napi;

use crate::values::NativeGroupEvent;

/// One wake-up waits at the most: a second one would say nothing new.
const WAKE_QUEUE: usize = 1;

type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, WAKE_QUEUE>;

/// One subscriber's events.
#[napi]
pub struct NativeFeed {
    subscription: Subscription,
    alarm: Arc<Alarm>,
}

/// A batch of events. Empty and not ended: nothing waits now; the wake-up function is called when something does.
#[napi(object, object_from_js = false)]
pub struct NativeBatch {
    /// What happened.
    #[napi(ts_type = "Array<Exclude<NativeGroupEvent, { type: 'own-echo' }>>")]
    pub events: Vec<NativeGroupEvent>,
    /// Whether no more will come.
    pub ended: bool,
}

struct Alarm {
    wake: WakeFunction,
    closed: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

impl NativeFeed {
    pub(crate) fn new(subscription: Subscription, alarm: FeedAlarm) -> Self {
        Self { subscription, alarm: alarm.0 }
    }
}

/// The way back to JavaScript.
pub(crate) struct FeedAlarm(Arc<Alarm>);

impl FeedAlarm {
    pub(crate) fn new(wake: &Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().weak::<true>().max_queue_size::<WAKE_QUEUE>().build()?;
        Ok(Self(Arc::new(Alarm { wake, closed: AtomicBool::new(false) })))
    }
}

#[napi]
impl NativeFeed {
    /// Up to `max` events that wait now.
    #[napi(catch_unwind)]
    pub fn take(&self, max: u32) -> NativeBatch {
        if self.alarm.closed.load(Ordering::Acquire) {
            return NativeBatch { events: Vec::new(), ended: true };
        }
        let waker = Waker::from(Arc::clone(&self.alarm));
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        match self.subscription.poll_next(&mut Context::from_waker(&waker), max) {
            Poll::Pending => NativeBatch { events: Vec::new(), ended: false },
            Poll::Ready(events) => NativeBatch {
                ended: events.is_empty(),
                events: events.into_iter().map(NativeGroupEvent::from).collect(),
            },
        }
    }

    /// Ends the subscription and drops what waits.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.alarm.closed.store(true, Ordering::Release);
        self.subscription.close();
    }
}
