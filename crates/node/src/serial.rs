//! One value, one job at a time, in the order of the calls.
//!
//! A job is done at once where nothing is under way, or waits in a bounded queue that one thread of the pool
//! empties. A panic ends the value, not the process: what it left behind is not to be trusted.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coterie_types::Code;
use napi::bindgen_prelude::spawn_blocking;

use crate::failure::NativeFailure;

/// Jobs that may wait. Each holds its arguments; a caller that is a thousand calls ahead of the answers should
/// await some.
const MAX_WAITING: usize = 1_024;

type Job<T> = Box<dyn FnOnce(Result<&mut T, NativeFailure>) -> Fate + Send>;

/// What becomes of the value after a job.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Lives,
    Ends,
}

/// A value that is worked on by one job at a time.
pub(crate) struct Serial<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    value: Mutex<Option<T>>,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    jobs: VecDeque<Job<T>>,
    busy: bool,
    closed: bool,
}

impl<T: Send + 'static> Serial<T> {
    pub(crate) fn new(value: T) -> Self {
        let queue = Queue { jobs: VecDeque::new(), busy: false, closed: false };
        Self { shared: Arc::new(Shared { value: Mutex::new(Some(value)), queue: Mutex::new(queue) }) }
    }

    /// Does `work` at once on this thread, if nothing is under way; gives it back otherwise.
    pub(crate) fn at_once<R, W>(&self, work: W) -> Result<Result<R, NativeFailure>, W>
    where
        W: FnOnce(&mut T) -> Result<R, NativeFailure>,
    {
        {
            let mut queue = lock(&self.shared.queue);
            if queue.busy || !queue.jobs.is_empty() {
                return Err(work);
            }
            if queue.closed {
                return Ok(Err(NativeFailure::of(Code::HANDLE_CLOSED)));
            }
            queue.busy = true;
        }
        let mut value = lock(&self.shared.value);
        let (answer, fate) = attempt(value.as_mut().ok_or_else(closed), work);
        self.shared.settle(&mut value, fate);
        drop(value);
        lock(&self.shared.queue).busy = false;
        Ok(answer)
    }

    /// Lets `work` wait for its turn on another thread. `done` hears the answer there.
    pub(crate) fn later<R, W, D>(&self, work: W, done: D)
    where
        W: FnOnce(&mut T) -> Result<R, NativeFailure> + Send + 'static,
        D: FnOnce(Result<R, NativeFailure>) + Send + 'static,
    {
        let mut queue = lock(&self.shared.queue);
        let refusal = if queue.closed {
            Some(closed())
        } else if queue.jobs.len() >= MAX_WAITING {
            Some(NativeFailure::of(Code::BUSY))
        } else {
            None
        };
        if let Some(failure) = refusal {
            drop(queue);
            return done(Err(failure));
        }
        queue.jobs.push_back(Box::new(move |value| {
            let (answer, fate) = attempt(value, work);
            done(answer);
            fate
        }));
        if !queue.busy {
            queue.busy = true;
            drop(queue);
            let shared = Arc::clone(&self.shared);
            spawn_blocking(move || shared.work_off());
        }
    }

    /// Whether it refuses what comes from now on.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.shared.queue).closed
    }

    /// Refuses what comes from now on. What waits is still done; then the value is dropped.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.shared.queue);
        queue.closed = true;
        let idle = !queue.busy;
        drop(queue);
        if idle {
            drop(lock(&self.shared.value).take());
        }
    }
}

impl<T> Drop for Serial<T> {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
    }
}

impl<T> Shared<T> {
    fn work_off(&self) {
        loop {
            let job = {
                let mut queue = lock(&self.queue);
                match queue.jobs.pop_front() {
                    Some(job) => job,
                    None => {
                        if queue.closed {
                            drop(lock(&self.value).take());
                        }
                        queue.busy = false;
                        return;
                    }
                }
            };
            let mut value = lock(&self.value);
            let fate = job(value.as_mut().ok_or_else(closed));
            self.settle(&mut value, fate);
        }
    }

    fn settle(&self, value: &mut Option<T>, fate: Fate) {
        if fate == Fate::Ends {
            drop(value.take());
            lock(&self.queue).closed = true;
        }
    }
}

fn closed() -> NativeFailure {
    NativeFailure::of(Code::HANDLE_CLOSED)
}

fn attempt<T, R>(
    value: Result<&mut T, NativeFailure>,
    work: impl FnOnce(&mut T) -> Result<R, NativeFailure>,
) -> (Result<R, NativeFailure>, Fate) {
    let value = match value {
        Ok(value) => value,
        Err(failure) => return (Err(failure), Fate::Lives),
    };
    match catch_unwind(AssertUnwindSafe(|| work(value))) {
        Ok(answer) => (answer, Fate::Lives),
        Err(payload) => (Err(NativeFailure::panicked(&*payload)), Fate::Ends),
    }
}

/// Panics are caught before they reach a lock, so a poisoned one guards nothing worse than a closed value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
