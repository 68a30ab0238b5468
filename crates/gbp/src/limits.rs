//! Every bound of this layer, with its reason.

use coterie_types::Duration;

/// Numbers of one stream that are told apart. Peers of the published stack take nothing late at all; networks reorder
/// by a few frames, and a second of speech in the wrong order is worthless.
pub const REPLAY_WINDOW: usize = 64;

/// Streams of one epoch that the `interop` profile remembers, each about half a kilobyte. A thousand members with four
/// streams each fit, and only whoever holds the group's keys can make one remembered.
pub const MAX_STREAMS: usize = 4_096;

/// Frames of ours, of one class and under one key, whose tags are remembered, so that a frame is not taken again under another
/// header: more than a network holds back, and under half a megabyte.
pub const REMEMBERED_TAGS: usize = 4_096;

/// For how long application frames of the previous epoch are taken at most in the `interop` profile, whose keys are
/// the whole group's. Late audio is worthless after a fraction of it; the rest is for members whose EXECUTE is late.
pub const MAX_PREVIOUS_EPOCH: Duration = Duration::from_secs(30);

/// For how long text and signals of past epochs are taken in the `sealed` profile: as long as MLS keeps their keys,
/// for a device that sealed something and lost its network.
pub const MAX_PAST_EPOCH_AGE: Duration = Duration::from_days(1);

/// Past epochs whose windows are kept in the `sealed` profile: as many as MLS keeps keys of.
pub const MAX_PAST_EPOCHS: usize = 5;

/// Numbers to reserve at once: more than a minute of speech, so that the disk is written about once a minute.
pub const RESERVATION: u64 = 4_096;

/// Once fewer numbers than this are left, it is time to reserve more: five seconds of speech.
pub const LOW_WATER: u64 = 256;

/// The part of a member's numbers that one reservation may take, so that no hundred restarts use up an epoch of a large
/// group. In the `interop` profile members share 2^31 numbers.
pub const RESERVED_SHARE: u64 = 1_024;

/// Leaves of a tree whose members can share the numbers of the `interop` profile: with more, each would have fewer
/// than 2^15 numbers. MLS itself ends at 50,000.
pub const MAX_LEAVES: u32 = 1 << 16;
