//! Every bound of the links, with its reason.

use std::time::Duration;

/// The longest blob: what the published stack's transport takes, inclusive. No frame is longer.
pub const MAX_BLOB: usize = 1 << 20;

/// How much room is made at a time for what a length has only announced: a peer that says a million and sends nothing
/// costs this.
pub const READ_AHEAD: usize = 64 << 10;

/// How long a blob that has begun to come may stand still. Mobile networks pause for some seconds; a peer that stops in
/// the middle for longer only holds memory.
pub const STALL: Duration = Duration::from_secs(30);

/// How long a TCP peer may leave unread what is sent to it. A program that pauses does that, and so does one that is gone:
/// TCP does not tell them apart. QUIC does, so nothing there waits by the clock.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long connecting and agreeing may take.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// After this long without a packet a QUIC connection is over: the published stack's own default.
pub const IDLE: Duration = Duration::from_secs(30);

/// How often a QUIC link says that it is there, so that two packets may be lost before it counts as gone.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What a peer may have under way on one stream of our QUIC link: one blob and a bit, so that the next is on its way.
pub const STREAM_WINDOW: u32 = 1_250_000;

/// What it may have under way in all. Three streams fit whole, so a full one takes no room from the others.
pub const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Streams that a peer may have open at once on the published stack's link: that stack's default.
pub const PUBLISHED_STREAMS: u32 = 100;

/// Audio that waits to leave: what fifty speakers say in a fiftieth of a second, at 160 bytes. More would be late.
pub const AUDIO_SENDING: usize = 12 << 10;

/// Audio that waits to be taken: a second of fifty speakers would be 400 kB, and a tenth of it is late already.
pub const AUDIO_RECEIVING: usize = 64 << 10;

/// Frames that may wait to be sent on one link. Each holds its bytes; whoever is so far ahead should await some.
pub const MAX_SENDING: usize = 256;

/// Frames that are handed out together, and how many bytes they may have before no more are looked for: a wake-up is worth
/// many small frames, and one that is long is enough.
pub const BATCH: usize = 64;
/// See [`BATCH`].
pub const BATCH_BYTES: usize = 256 << 10;

/// Connections of a listener whose links are not made yet, and those of published peers, who open several links on one.
pub const MAX_ARRIVING: usize = 256;

/// Links that are made and wait to be accepted. Whoever does not accept slows down those who come.
pub const MAX_ACCEPTED: usize = 16;

/// Certificates that can be trusted at once: everybody's of a large group.
pub const MAX_TRUSTED: usize = 1_024;

/// Addresses of one name that are tried, one after the other.
pub const MAX_ADDRESSES: usize = 4;

/// Connections that wait to be accepted.
pub const WAITING: usize = 64;

/// Bytes that connections which wait to be accepted may bring with them, each and together.
pub const WAITING_BYTES: u64 = 64 << 10;

/// The longest certificate or private key that is looked at.
pub const MAX_CERTIFICATE: usize = 64 << 10;
