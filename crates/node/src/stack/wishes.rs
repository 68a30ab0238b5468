//! What a member can want of its group, across the boundary.

use coterie_stack::{GroupNode, Pattern};
use coterie_types::MemberId;
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use super::NativeGroupNode;
use crate::answer::{Answer, NativeCancellation};
use crate::arguments::{List, timestamp, unsigned};
use crate::bytes::Uint8Array;

#[napi]
impl NativeGroupNode {
    /// Adds the owners of key packages; their numbers.
    #[napi(catch_unwind, ts_return_type = "number[] | NativeFailure | Promise<number[] | NativeFailure>")]
    pub fn invite<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] key_packages: List<Uint8Array>,
        armed: bool,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<u32>>> {
        let packages: Vec<Vec<u8>> = key_packages.into_vec();
        let pattern = if armed { Pattern::Armed } else { Pattern::Direct };
        let work = move |node: &mut GroupNode| Ok(node.invite(&packages, pattern, timestamp(now))?);
        self.step(env, cancellation, work, |joiners| joiners.into_iter().map(MemberId::number).collect())
    }

    /// Removes members.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn remove<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<number>")] members: List<u32>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let members: Vec<MemberId> = members.into_vec::<u32>().into_iter().map(MemberId::new).collect();
        let work = move |node: &mut GroupNode| Ok(node.remove(&members, timestamp(now))?);
        self.step(env, cancellation, work, |()| ())
    }

    /// Renews this member's keys.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn update<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.step(env, cancellation, move |node| Ok(node.update(timestamp(now))?), |()| ())
    }

    /// Asks to be removed.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn leave<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.step(env, cancellation, move |node| Ok(node.leave(timestamp(now))?), |()| ())
    }

    /// Gives the coordinator's role to another member.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn hand_over<'env>(
        &self,
        env: &'env Env,
        heir: u32,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let heir = MemberId::new(heir);
        self.step(env, cancellation, move |node| Ok(node.hand_over(heir, timestamp(now))?), |()| ())
    }

    /// Claims the coordinator's role.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn claim<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.step(env, cancellation, move |node| Ok(node.claim(timestamp(now))?), |()| ())
    }

    /// Tells the others what this member can do.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn advertise<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<string>")] tokens: List<String>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let tokens: Vec<String> = tokens.into_vec();
        let work = move |node: &mut GroupNode| Ok(node.advertise(&tokens, timestamp(now))?);
        self.step(env, cancellation, work, |()| ())
    }

    /// Asks the others how they stand.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn resync<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        self.step(env, cancellation, move |node| Ok(node.resync(timestamp(now))?), |()| ())
    }

    /// Takes back what this member prepares.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn abort<'env>(
        &self,
        env: &'env Env,
        reason: Option<BigInt>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let reason = match reason.as_ref().map(unsigned).transpose() {
            Ok(reason) => reason,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        self.step(env, cancellation, move |node| Ok(node.abort(reason, timestamp(now))?), |()| ())
    }
}
