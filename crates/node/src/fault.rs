//! Panics on demand: what becomes of them is tested, and no other way would stay open. Never in a published addon.

use coterie_mls::Group;
use napi::Env;
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, at_once, elsewhere};
use crate::failure::NativeFailure;
use crate::group::NativeGroup;

#[allow(clippy::panic, reason = "what this is for")]
fn panic_now() -> Result<(), NativeFailure> {
    panic!("asked for")
}

/// Panics outside of everything that would answer for it.
#[napi(catch_unwind)]
pub(crate) fn panic_bare() {
    let _ = panic_now();
}

/// Panics in work that is done at once.
#[napi(catch_unwind, ts_return_type = "undefined | NativeFailure")]
pub(crate) fn panic_at_once() -> Answer<'static, ()> {
    at_once(panic_now)
}

/// Panics in work on another thread.
#[napi(catch_unwind, ts_return_type = "Promise<undefined | NativeFailure>")]
pub(crate) fn panic_elsewhere(env: &Env) -> napi::Result<Answer<'_, ()>> {
    elsewhere(env, Cancelled::default(), panic_now, |()| ())
}

#[napi]
impl NativeGroup {
    /// Panics in work on this group: at once, or in its turn on another thread.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn panic_inside<'env>(&self, env: &'env Env, quick: bool) -> napi::Result<Answer<'env, ()>> {
        self.quickly(env, quick, None, |_: &mut Group| panic_now(), |()| ())
    }
}
