//! Every bound of this layer, with its reason.

/// Events that wait for the application. Who comes back from a long pause reads them in batches; until then nothing more is
/// taken in, so that what peers send waits with whoever delivers it and not in memory.
pub const MAX_EVENTS: usize = 4_096;

/// Events that may be dropped, and are counted then, once so many wait: the rest is for what must not be lost.
pub const MAX_TRANSIENT_EVENTS: usize = 1_024;

/// Frames that wait to be sent. A step makes a few for each member; whoever cannot send that many is cut off, and what is
/// repeated by timers must not pile up meanwhile.
pub const MAX_FRAMES: usize = 4_096;

/// Bytes of frames that wait to be sent: a few of the largest, beside many small ones.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// Members that one commit adds or removes, so that its roster and Welcome stay within what a frame carries.
pub const MAX_CHANGES: usize = 256;

/// Bytes of an admission beside its Welcome: a number and a leaf of at most 1,024 members, and 256 roles.
pub const MAX_ADMISSION_OVERHEAD: usize = 128 << 10;

/// Rows that are read at once when a group is opened.
pub const ROWS_AT_ONCE: usize = 1_024;
