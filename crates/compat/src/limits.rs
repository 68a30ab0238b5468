//! Every bound of this layer, and why it has its value.

use coterie_types::Duration;

/// Bytes of a group id: what the published stack compares.
pub const GROUP_ID_LENGTH: usize = 16;

/// Numbers that one reservation takes. A reservation is a write in memory; what is left of it is lost by an export that is
/// restored, so it is small.
pub const RESERVATION: u64 = 256;

/// What a restored context skips, as a share of all numbers of a key: whoever exported may have gone on sending. A
/// group of two can be restored 16,384 times in one epoch, each time after 65,536 frames that the export does not know.
pub const RESTORED_SHARE: u64 = 16_384;

/// What a restored context skips of media counters, of which there are 2^64.
pub const RESTORED_COUNTERS: u64 = 1 << 20;

/// Keys of which this process remembers how far they were used, whatever is restored: 24 bytes each.
pub const REMEMBERED_KEYS: usize = 65_536;

/// Groups that nodes of one context seal for. There is one but in tests; the oldest makes room.
pub const MAX_GROUPS: usize = 8;

/// How long frames of the epoch before are taken: the published stack's overlap of media keys.
pub const PREVIOUS_EPOCH: Duration = Duration::from_secs(10);

/// Media encryptors that a context remembers: own leaf, each label and suite. The oldest makes room, and goes on
/// counting behind its reservation when it is made again.
pub const MAX_ENCRYPTORS: usize = 64;

/// Events that wait for a node's owner. What a call adds is a handful and every call takes them all.
pub const MAX_EVENTS: usize = 1_024;

/// Sources that one client sends for, as the receiving side takes them of one member.
pub const MAX_SOURCES: usize = 256;

/// Rows that an exported state may have: a group of 50,000 has far fewer.
pub const MAX_ROWS: usize = 1_000_000;
