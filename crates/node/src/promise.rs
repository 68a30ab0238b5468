//! Promises that other threads fulfil.
//!
//! One thread-safe function for each environment brings all answers back: napi-rs makes one for each promise, which
//! takes longer than the thread hop itself. What is answered waits in a queue; JavaScript is woken when the first
//! comes in and takes all that are there. While a promise is open the process is kept alive, as by any other.
//!
//! A worker may be terminated at any time. What belongs to its promises is kept by its own thread and dropped when the
//! environment ends; other threads hold only a way to the queue, which leads nowhere from then on.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use coterie_types::Code;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, check_status, sys};

use crate::answer::guarded;
use crate::failure::{NativeFailure, Outcome, outcome};

/// One wake-up waits at the most: a second one would find nothing.
const WAKE_QUEUE: usize = 1;

type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, WAKE_QUEUE>;

/// What resolves a promise, from any thread.
pub(crate) type Done<V> = Box<dyn FnOnce(Result<V, NativeFailure>) + Send>;

type Answered = Box<dyn Any + Send>;
type Resolve = Box<dyn FnOnce(Env, Answered) -> napi::Result<()>>;

thread_local! {
    /// The open promises of each environment of this thread. There is one, or several where a host has several
    /// contexts on a thread.
    static OPEN: RefCell<HashMap<usize, Open>> = RefCell::default();
}

/// The open promises of one environment.
struct Open {
    last: u64,
    waiting: HashMap<u64, Resolve>,
    answers: Arc<Answers>,
}

/// Answers on their way back.
struct Answers {
    queue: Mutex<Vec<(u64, Answered)>>,
    wake: WakeFunction,
}

impl Answers {
    fn queue(&self) -> MutexGuard<'_, Vec<(u64, Answered)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: u64, answered: Answered) {
        let mut queue = self.queue();
        queue.push((key, answered));
        let first = queue.len() == 1;
        drop(queue);
        if first {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// A promise, and what resolves it.
pub(crate) fn promise<T, V>(
    env: &Env,
    convert: fn(V) -> T,
) -> napi::Result<(PromiseRaw<'_, Outcome<T>>, Done<V>)>
where
    T: ToNapiValue + 'static,
    V: Send + 'static,
{
    let (deferred, promise) = create(env)?;
    let resolve = move |env: Env, answered: Answered| {
        let answer = answered.downcast::<Result<V, NativeFailure>>();
        let answer = answer.map_or_else(|_| Err(NativeFailure::of(Code::INTERNAL)), |answer| *answer);
        let value = guarded(|| answer.map(convert));
        settle(&env, deferred, outcome(value))
    };
    let (key, answers) = wait(env, Box::new(resolve))?;
    let done = move |answer: Result<V, NativeFailure>| {
        if let Some(answers) = answers.upgrade() {
            answers.put(key, Box::new(answer));
        }
    };
    Ok((promise, Box::new(done)))
}

fn name(env: &Env) -> usize {
    env.raw() as usize
}

/// Keeps what resolves a promise until its answer comes.
fn wait(env: &Env, resolve: Resolve) -> napi::Result<(u64, Weak<Answers>)> {
    if !OPEN.with_borrow(|all| all.contains_key(&name(env))) {
        begin(env)?;
    }
    OPEN.with_borrow_mut(|all| {
        let open = all.get_mut(&name(env)).ok_or_else(|| napi::Error::from_status(Status::Closing))?;
        if open.waiting.is_empty() {
            hold(env, &open.answers.wake, true)?;
        }
        open.last = open.last.wrapping_add(1);
        open.waiting.insert(open.last, resolve);
        Ok((open.last, Arc::downgrade(&open.answers)))
    })
}

/// Makes the way back for an environment that had none.
fn begin(env: &Env) -> napi::Result<()> {
    let drain = env.create_function_from_closure::<(), (), _>("settle", |context| {
        drain(context.env);
        Ok(())
    })?;
    let wake = drain.build_threadsafe_function().weak::<true>().max_queue_size::<WAKE_QUEUE>().build()?;
    let answers = Arc::new(Answers { queue: Mutex::default(), wake });
    let open = Open { last: 0, waiting: HashMap::new(), answers };
    OPEN.with_borrow_mut(|all| all.insert(name(env), open));
    env.add_env_cleanup_hook(name(env), |name| drop(OPEN.with_borrow_mut(|all| all.remove(&name))))?;
    Ok(())
}

/// Resolves every promise whose answer has come.
fn drain(env: &Env) {
    let answers = OPEN.with_borrow(|all| all.get(&name(env)).map(|open| Arc::clone(&open.answers)));
    let Some(answers) = answers else { return };
    let ready = std::mem::take(&mut *answers.queue());
    for (key, answered) in ready {
        // Resolving may run JavaScript that calls in here again, so nothing is borrowed meanwhile.
        let resolve = OPEN.with_borrow_mut(|all| all.get_mut(&name(env))?.waiting.remove(&key));
        if let Some(resolve) = resolve {
            // What fails here is the environment itself: nobody is left to hear of it.
            let _ = resolve(*env, answered);
        }
    }
    let idle = OPEN.with_borrow(|all| all.get(&name(env)).is_some_and(|open| open.waiting.is_empty()));
    if idle {
        let _ = hold(env, &answers.wake, false);
    }
}

/// Says whether the process is to be kept alive.
#[allow(unsafe_code, reason = "napi-rs offers this only on a function that is not shared")]
fn hold(env: &Env, wake: &WakeFunction, alive: bool) -> napi::Result<()> {
    // SAFETY: both are called on the thread of `env`, which lives, and `wake` is released only after `env` ended or
    // by the last owner, of whom the caller is one.
    check_status!(unsafe {
        if alive {
            sys::napi_ref_threadsafe_function(env.raw(), wake.raw())
        } else {
            sys::napi_unref_threadsafe_function(env.raw(), wake.raw())
        }
    })
}

#[allow(unsafe_code, reason = "napi-rs makes promises only with a thread-safe function of their own")]
fn create<T>(env: &Env) -> napi::Result<(sys::napi_deferred, PromiseRaw<'_, T>)> {
    let (mut deferred, mut promise) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: `env` lives, and both places are written before they are read or the call fails.
    check_status!(unsafe { sys::napi_create_promise(env.raw(), &raw mut deferred, &raw mut promise) })?;
    Ok((deferred, PromiseRaw::new(env.raw(), promise)))
}

/// Resolves a promise; with a failure where the value cannot be made.
#[allow(unsafe_code, reason = "napi-rs resolves promises only by a thread-safe function of their own")]
fn settle<T: ToNapiValue>(env: &Env, deferred: sys::napi_deferred, value: Outcome<T>) -> napi::Result<()> {
    // SAFETY: `env` lives and this is its thread; `deferred` was made in it and is used here, once.
    unsafe {
        let value = ToNapiValue::to_napi_value(env.raw(), value)
            .or_else(|_| NativeFailure::to_napi_value(env.raw(), NativeFailure::of(Code::INTERNAL)))?;
        check_status!(sys::napi_resolve_deferred(env.raw(), deferred, value))
    }
}
