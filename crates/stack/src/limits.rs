//! Every bound of this layer, with its reason.

use coterie_gtp::limits::MAX_CONTENT;

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

/// Frames that one step takes in. More would save little, and be much to do again where the step fails.
pub const MAX_FRAMES_AT_ONCE: usize = 256;

/// Bytes of the frames that one step takes in, but for the last: what it writes is held in memory until it is stored.
pub const MAX_BYTES_AT_ONCE: usize = 4 << 20;

/// Texts that one step says. They all wait to be carried away then.
pub const MAX_TEXTS_AT_ONCE: usize = 1_024;

/// Bytes of the texts that one step says: what may wait to be carried away at all.
pub const MAX_TEXT_BYTES_AT_ONCE: usize = MAX_FRAME_BYTES;

/// Bytes of a text, or of a signal's arguments: what fits into a frame of either profile with everything around it, and
/// can be caught up on by whoever misses it.
pub const MAX_SAID: usize = MAX_CONTENT;

/// Frames of the `interop` profile that are sealed or opened in less than the millisecond that a call may take on the
/// caller's own thread.
pub const QUICK_FRAMES: usize = 128;

/// Bytes of those: in long ones they take 1.3 milliseconds, and longer where another thread has to be woken, to work on what this one
/// has in its caches.
pub const QUICK_BYTES: usize = 1 << 20;

/// The same of the `sealed` profile, each of which has a signature.
pub const QUICK_SEALED_FRAMES: usize = 8;

/// Bytes of those.
pub const QUICK_SEALED_BYTES: usize = coterie_mls::limits::QUICK_LENGTH;
