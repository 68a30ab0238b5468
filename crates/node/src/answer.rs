//! An answer now or a promise of one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use coterie_types::Code;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, ToNapiValue};
use napi::bindgen_prelude::{spawn, spawn_blocking, within_runtime_if_available};
use napi_derive::napi;

use crate::failure::{NativeFailure, Outcome, outcome};
use crate::promise::promise;
use crate::serial::Serial;

/// The outcome, or a promise of it. A promise is only ever resolved: failures are outcomes.
pub(crate) type Answer<'env, T> = Either<Outcome<T>, PromiseRaw<'env, Outcome<T>>>;

/// What an AbortSignal becomes on this side: it stops work that has not begun, or that waits for somebody else.
#[napi]
pub struct NativeCancellation {
    cancelled: Arc<Flag>,
}

#[derive(Default)]
struct Flag {
    fired: AtomicBool,
    /// What waits for somebody else.
    waiting: Mutex<Option<Waker>>,
}

#[napi]
impl NativeCancellation {
    /// One that has not fired.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { cancelled: Arc::default() }
    }

    /// Work that has not begun is not begun any more, and nobody is waited for.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.fired.store(true, Ordering::Release);
        let waiting = self.cancelled.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

/// Asked when work begins.
#[derive(Clone, Default)]
pub(crate) struct Cancelled(Option<Arc<Flag>>);

impl Cancelled {
    pub(crate) fn by(cancellation: Option<&NativeCancellation>) -> Self {
        Self(cancellation.map(|cancellation| Arc::clone(&cancellation.cancelled)))
    }

    fn check(&self) -> Result<(), NativeFailure> {
        match &self.0 {
            Some(flag) if flag.fired.load(Ordering::Acquire) => Err(NativeFailure::of(Code::ABORTED)),
            _ => Ok(()),
        }
    }

    /// The same, and whoever asks is woken when it fires.
    fn check_again(&self, waker: &Waker) -> Result<(), NativeFailure> {
        if let Some(flag) = &self.0 {
            *flag.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        }
        self.check()
    }
}

/// Work that is quick enough for this thread.
pub(crate) fn at_once<'env, T: ToNapiValue>(
    work: impl FnOnce() -> Result<T, NativeFailure>,
) -> Answer<'env, T> {
    Either::A(outcome(guarded(work)))
}

/// Work for another thread, on nothing that others work on.
pub(crate) fn elsewhere<T, V>(
    env: &Env,
    cancelled: Cancelled,
    work: impl FnOnce() -> Result<V, NativeFailure> + Send + 'static,
    convert: fn(V) -> T,
) -> napi::Result<Answer<'_, T>>
where
    T: ToNapiValue + 'static,
    V: Send + 'static,
{
    let (promise, done) = promise(env, convert)?;
    spawn_blocking(move || done(guarded(|| cancelled.check().and_then(|()| work()))));
    Ok(Either::B(promise))
}

/// Work on nothing that others work on: on this thread where it is quick.
pub(crate) fn by_itself<'env, T, V>(
    env: &'env Env,
    quick: bool,
    cancellation: Option<&NativeCancellation>,
    work: impl FnOnce() -> Result<V, NativeFailure> + Send + 'static,
    convert: fn(V) -> T,
) -> napi::Result<Answer<'env, T>>
where
    T: ToNapiValue + 'static,
    V: Send + 'static,
{
    if quick {
        return Ok(at_once(|| work().map(convert)));
    }
    elsewhere(env, Cancelled::by(cancellation), work, convert)
}

/// Work that waits for others: begun on this thread, in the order of the calls, and gone on with on the runtime where it
/// has to wait. It is left in the middle when it is cancelled.
pub(crate) fn awaited<T, V>(
    env: &Env,
    cancelled: Cancelled,
    work: impl Future<Output = Result<V, NativeFailure>> + Send + 'static,
    convert: fn(V) -> T,
) -> napi::Result<Answer<'_, T>>
where
    T: ToNapiValue + 'static,
    V: Send + 'static,
{
    let mut work = Box::pin(work);
    let mut begun = Context::from_waker(Waker::noop());
    if let Poll::Ready(answer) = within_runtime_if_available(|| go_on(work.as_mut(), &cancelled, &mut begun))
    {
        return Ok(Either::A(outcome(answer.map(convert))));
    }
    let (promise, done) = promise(env, convert)?;
    spawn(async move {
        done(std::future::poll_fn(|context| go_on(work.as_mut(), &cancelled, context)).await);
    });
    Ok(Either::B(promise))
}

fn go_on<V>(
    work: Pin<&mut impl Future<Output = Result<V, NativeFailure>>>,
    cancelled: &Cancelled,
    context: &mut Context<'_>,
) -> Poll<Result<V, NativeFailure>> {
    if let Err(aborted) = cancelled.check_again(context.waker()) {
        return Poll::Ready(Err(aborted));
    }
    let polled = catch_unwind(AssertUnwindSafe(|| work.poll(context)));
    polled.unwrap_or_else(|payload| Poll::Ready(Err(NativeFailure::panicked(&*payload))))
}

/// Work on a value that does one job at a time: at once where `quick` says so and nothing is under way, else in
/// its turn on another thread.
pub(crate) fn in_turn<'env, S, T, V>(
    env: &'env Env,
    serial: &Serial<S>,
    cancelled: Cancelled,
    quick: bool,
    work: impl FnOnce(&mut S) -> Result<V, NativeFailure> + Send + 'static,
    convert: fn(V) -> T,
) -> napi::Result<Answer<'env, T>>
where
    S: Send + 'static,
    T: ToNapiValue + 'static,
    V: Send + 'static,
{
    let work = move |value: &mut S| cancelled.check().and_then(|()| work(value));
    let work = if quick {
        match serial.at_once(work) {
            Ok(answer) => return Ok(Either::A(outcome(answer.map(convert)))),
            Err(work) => work,
        }
    } else {
        work
    };
    let (promise, done) = promise(env, convert)?;
    serial.later(work, done);
    Ok(Either::B(promise))
}

/// A panic is a failure like any other.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, NativeFailure>) -> Result<T, NativeFailure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(NativeFailure::panicked(&*payload)))
}
