//! Media of a node across the boundary: sessions of SFrame that go on with its group.

use std::sync::Arc;

use coterie_stack::GroupNode;
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::NativeGroupNode;
use crate::answer::{Answer, NativeCancellation};
use crate::bytes::Uint8Array;
use crate::sframe::{NativeSframeOptions, NativeSframeSession, Wanted};

#[napi]
impl NativeGroupNode {
    /// Begins a session of this group's media.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSframeSession | NativeFailure | Promise<NativeSframeSession | NativeFailure>"
    )]
    pub fn sframe_session<'env>(
        &self,
        env: &'env Env,
        options: NativeSframeOptions,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeSframeSession>> {
        let wanted = match Wanted::parse(options) {
            Ok(wanted) => wanted,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let view = Arc::clone(&self.view);
        let work = move |node: &mut GroupNode| wanted.begin(node, &view.followers);
        self.step(env, cancellation, work, NativeSframeSession::new)
    }

    /// A secret of this epoch for another protocol.
    #[napi(catch_unwind, ts_return_type = "Uint8Array | NativeFailure | Promise<Uint8Array | NativeFailure>")]
    pub fn export_secret<'env>(
        &self,
        env: &'env Env,
        label: String,
        context: Uint8Array,
        length: u32,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Uint8Array>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let work = move |node: &mut GroupNode| Ok(node.export_secret(&label, &context, length)?);
        self.step(env, cancellation, work, Uint8Array::from)
    }
}
