//! Every bound of this layer, with its reason.

use coterie_types::Duration;

/// Counters of one key that are told apart: 20 seconds of 50 frames a second, far more than a network reorders.
/// The deployed peers of the Group Protocol Stack use the same.
pub const REPLAY_WINDOW: u64 = 1_024;

/// Key ids of one epoch that are remembered, each about a kilobyte. Nobody can listen to more speakers, and only
/// whoever holds the group's keys can make one remembered.
pub const MAX_KEY_IDS: usize = 4_096;

/// For how long frames of the previous epoch are taken at most. Late audio is worthless after a fraction of it; the
/// rest is for members whose commit arrives late.
pub const MAX_PREVIOUS_EPOCH: Duration = Duration::from_secs(30);

/// Counters to reserve at once: 80 seconds of speech, so that the disk is written about once a minute, and a crash
/// wastes next to nothing of 2^64.
pub const RESERVATION: u64 = 4_096;

pub use coterie_crypto::counters::MAX_RESERVATION;

/// What reservations grow to for a sender that uses them up faster than the store writes: at a million frames a second,
/// the disk is then written about once a second.
pub const LARGE_RESERVATION: u64 = 1 << 20;

/// Once fewer counters than this are left, it is time to reserve more: five seconds of speech.
pub const LOW_WATER: u64 = 256;

/// Frames that may fail to open under a short tag in one epoch. With the shortest tag of 32 bits, a forger succeeds
/// before that once in four million epochs.
pub const MAX_FORGERIES: u32 = 1_024;

/// Longest header: the first byte, then key id and counter of eight bytes each.
pub const MAX_HEADER: usize = 17;

/// What sealing adds at most: a header and a tag.
pub const MAX_OVERHEAD: usize = MAX_HEADER + 16;
