//! What the build script makes of `schemas/`. Nothing here leaves the crate.

/// The Protobuf messages.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(crate) mod protobuf {
    include!(concat!(env!("OUT_DIR"), "/coterie.stack.rs"));
}

/// The FlatBuffers tables. Their generator writes vectors through raw pointers.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    dead_code,
    unused_imports,
    clippy::all,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "generated"
)]
pub(crate) mod flat_buffers {
    include!(concat!(env!("OUT_DIR"), "/stack_generated.rs"));
}
