//! What a node asks its application, across the boundary.

use coterie_mls::Candidate;
use coterie_stack::{Admission, GroupNode, Question};
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::NativeGroupNode;
use crate::answer::{Answer, Cancelled, NativeCancellation, elsewhere};
use crate::arguments::{List, invalid, timestamp};
use crate::bytes::Uint8Array;
use crate::device::NativeDevice;
use crate::identity::{NativeCandidate, candidates};

/// Whom a commit would bring in, which waits for the application's word.
#[napi(object, object_from_js = false)]
pub struct NativeQuestion {
    /// The commit, by its digest.
    pub commit: Uint8Array,
    /// Whom it would bring in.
    pub candidates: Vec<NativeCandidate>,
}

impl From<Question> for NativeQuestion {
    fn from(Question { commit, candidates: asked }: Question) -> Self {
        Self { commit: commit.to_vec().into(), candidates: candidates(asked) }
    }
}

#[napi]
impl NativeGroupNode {
    /// Who is in the group of an admission.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn present_in<'env>(
        env: &'env Env,
        device: &NativeDevice,
        admission: Uint8Array,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let device = device.device.clone();
        let work = move || {
            let admission = Admission::decode(&admission)?;
            Ok(device.welcomed_by(&admission.welcome, None, timestamp(now))?)
        };
        elsewhere(env, Cancelled::by(cancellation), work, candidates)
    }

    /// Whom an invitation would bring in.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCandidate[] | NativeFailure | Promise<NativeCandidate[] | NativeFailure>"
    )]
    pub fn candidates<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Uint8Array>")] key_packages: List<Uint8Array>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Vec<NativeCandidate>>> {
        let packages: Vec<Vec<u8>> = key_packages.into_vec();
        let work = move |node: &mut GroupNode| -> Result<Vec<Candidate>, _> {
            Ok(node.candidates(&packages, timestamp(now))?)
        };
        self.step(env, cancellation, work, candidates)
    }

    /// What the application is asked, if anything.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeQuestion | null | NativeFailure | Promise<NativeQuestion | null | NativeFailure>"
    )]
    pub fn question<'env>(&self, env: &'env Env) -> napi::Result<Answer<'env, Option<NativeQuestion>>> {
        let work = |node: &mut GroupNode| Ok(node.question().cloned());
        self.work(env, true, None, work, |question| question.map(NativeQuestion::from))
    }

    /// The application's word about the commit.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn answer<'env>(
        &self,
        env: &'env Env,
        commit: Uint8Array,
        admitted: bool,
        now: f64,
    ) -> napi::Result<Answer<'env, ()>> {
        let Ok(commit) = <[u8; 32]>::try_from(&commit[..]) else {
            return Ok(Either::A(Either::B(invalid("commit must be a digest of 32 bytes"))));
        };
        let work = move |node: &mut GroupNode| Ok(node.answer(commit, admitted, timestamp(now))?);
        self.step(env, None, work, |()| ())
    }
}
