//! Every bound of this layer, with its reason.

use coterie_types::Duration;

/// Bytes in a packet's audio: 120 ms of Opus, the longest packet, at its highest rate of 510 kbit/s, with what SFrame
/// adds; rounded up.
pub const MAX_FRAME: usize = 8_192;

/// Sources that are remembered at once, over all members. Nobody can listen to as many.
pub const MAX_SOURCES: usize = 256;

/// Sources of one member that are remembered at once: microphone, screen, music and room to spare. One member alone
/// cannot take every place.
pub const MAX_SOURCES_PER_MEMBER: usize = 16;

/// A source that was silent for this long gives its place to another when all are taken.
pub const SOURCE_IDLE: Duration = Duration::from_secs(30);

/// For how long packets of an epoch that ended are taken, as the protocol says.
pub const KEY_OVERLAP: Duration = Duration::from_secs(10);

/// The longest overlap that can be chosen: what media keys are kept for at most.
pub const MAX_KEY_OVERLAP: Duration = Duration::from_secs(30);

/// Ended epochs that are remembered during their overlap: members who join one after the other make one epoch each.
pub const MAX_ENDED_EPOCHS: usize = 8;

/// Numbers of one source and epoch that are told apart: ten seconds of packets of 20 ms, far more than networks reorder.
/// What is further behind belongs to a sender that began anew.
pub const NUMBER_WINDOW: u16 = 512;

/// Packets after a leap of a source in which some from before it may still come: more than a second of 20 ms, three
/// times the longest delay.
pub const MAX_STRAGGLING: u16 = 64;

/// As many, half a second of 20 ms, and no further from where a count ended, may come after another one has begun.
pub const MAX_STRAGGLERS: u16 = 25;

/// A number further ahead than this, nine seconds of packets, is believed when another one near it follows (as in RFC
/// 3550 appendix A.1). Less than the window, so that what straggles after a leap is told to be behind.
pub const MAX_DROPOUT: u16 = NUMBER_WINDOW - MAX_STRAGGLING;

/// Two strays as near to each other as this show that their sender began anew: in the order of a network with 200 ms of
/// jitter, not by chance.
pub const STRAY_DISTANCE: u16 = 10;

/// After as many packets in a row that are behind or were seen, half a second of 20 ms, the sender has begun anew among
/// its old numbers, where timestamps do not tell sooner.
pub const MAX_BEHIND: u16 = 25;

/// A first number up to here tells how many packets of a new epoch came before it; a higher one tells nothing.
pub const MAX_FIRST_NUMBER: i64 = 64;

/// Packets that one source may have waiting: two and a half seconds of 20 ms. The oldest gives way.
pub const MAX_WAITING: usize = 128;

/// Bytes of audio that may wait over all sources: 256 speakers with half a second of 64 kbit/s take a quarter of it.
pub const MAX_WAITING_BYTES: usize = 4 << 20;

/// The delay before anything was measured.
pub const FIRST_DELAY: Duration = Duration::from_millis(60);

/// The shortest delay: one packet, because a packet is played for as long as the next may take.
pub const MIN_DELAY: Duration = Duration::from_millis(20);

/// The longest delay that the network's jitter may cause. Above it people talk into each other's words, and losing the
/// latest packets is the smaller harm.
pub const MAX_DELAY: Duration = Duration::from_millis(400);

/// What is further ahead of its time than this was never meant to be: the sender's timestamps or numbers have jumped.
pub const MAX_AHEAD: Duration = Duration::from_secs(2);

/// A longer silence between two timestamps is not believed. Beyond it only the numbers count.
pub const MAX_SILENCE: Duration = Duration::from_secs(3_600);

/// When nobody asked for packets for this long, what is due is not made up for but played from now on.
pub const MAX_STALL: Duration = Duration::from_millis(200);

/// Missing packets in a row that are reported before a source counts as silent: 100 ms of 20 ms packets. Concealment
/// has faded out by then.
pub const MAX_MISSING: u32 = 5;

/// The least delay of the network is looked for in as long a time as this, up to twice: long enough to meet it, short
/// enough to follow clocks that drift apart by 200 ppm within 4 ms.
pub const BASE_WINDOW: Duration = Duration::from_secs(10);

/// Packets after which older measurements of jitter count half: ten seconds of 20 ms.
pub const JITTER_MEMORY: u32 = 500;

/// Of a hundred packets, how many should arrive in time; the rest would cost everybody delay.
pub const IN_TIME_PERCENT: u32 = 99;

/// Packets between two that are left out to make the delay shorter: a sixteenth is hardly heard.
pub const SHORTEN_EVERY: u32 = 16;

/// Packets between two that are stretched to make the delay longer. Faster than the other way, because what arrives
/// too late is lost.
pub const LENGTHEN_EVERY: u32 = 4;

/// Sources that a member sends itself.
pub const MAX_OWN_SOURCES: usize = MAX_SOURCES_PER_MEMBER;

/// Members that are muted here: every member of the largest group that anybody speaks in.
pub const MAX_MUTED: usize = 10_000;

/// The largest plain jitter buffer that can be asked for, in packets of one source.
pub const MAX_CAPACITY: usize = 4_096;
