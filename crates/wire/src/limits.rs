//! Every bound on what a peer can send, with its reason.
//!
//! A decoder looks at these before it allocates, so that no input of one frame's length can take more memory than a
//! small multiple of itself, or more time than a few passes over it.

/// The transports of the deployed stack carry no longer blob, and count this length as allowed.
pub const MAX_FRAME: usize = 1 << 20;

/// No payload is longer than the frame that carried it; without a frame (application-level storage) the same holds.
pub const MAX_PAYLOAD: usize = MAX_FRAME;

/// A frame's map, its key names and the tag together stay far below this, for any payload: what is left for content.
pub const FRAME_OVERHEAD: usize = 512;

/// The deepest message that we define (a NACK with its error object, a digest with its log) has three levels. Values of unknown
/// keys may have as many as anybody reasonably needs; the vectors ask that 200 be refused.
pub const MAX_NESTING: usize = 16;

/// Pairs in a map, known and unknown. The largest map that we define has twelve; the rest is room for extensions,
/// small enough that comparing every key with every other costs nothing.
pub const MAX_PAIRS: usize = 64;

/// Fields in a Protobuf message, repeated and unknown ones included. The largest that we define has eight.
pub const MAX_FIELDS: usize = 64;

/// Slots in a FlatBuffers table: the largest that we define has eight, and later ones must be absent.
pub const MAX_SLOTS: usize = 64;

/// Bytes in the reason of an error object: a name or a sentence, never a document.
pub const MAX_REASON: usize = 1_024;

/// Bytes in the details of an error object and of an invalid-commit report: opaque, and shown to nobody.
pub const MAX_DETAILS: usize = 4_096;

/// Tokens in a capability advertisement, and in a group's agreement about them.
pub const MAX_FEATURES: usize = 64;

/// Bytes in one capability token, such as `gbp/class-a`.
pub const MAX_FEATURE: usize = 64;

/// Entries of the control log in a state digest, as the protocol says.
pub const MAX_LOG: usize = 64;

/// Bytes in a digest. SHA-256 has 32; SHA-512 leaves room for a later one.
pub const MAX_DIGEST: usize = 64;

/// Bytes in an attachment's name: what file systems take.
pub const MAX_FILENAME: usize = 255;

/// Bytes in a MIME type: what RFC 6838 allows for both halves, with the slash.
pub const MAX_MIME: usize = 255;

/// Senders in a watermark: one for each member of the largest group that text is resynchronised in.
pub const MAX_WATERMARKS: usize = 10_000;

/// Messages in one replay. A longer history takes several, each of which says that more follow.
pub const MAX_REPLAYED: usize = 256;
