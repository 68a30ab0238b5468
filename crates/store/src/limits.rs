//! What a caller can make a store hold or do at once.

/// Bytes of a key. The longest honest one is a hybrid public key (1,216 bytes) behind a group id (255).
pub const MAX_KEY_LENGTH: usize = 4 * 1024;

/// Bytes of a value. A group of 50,000 leaves with its tree stays below 32 MiB (`coterie-mls`), and twice
/// that is still far from what SQLite holds in one row.
pub const MAX_VALUE_LENGTH: usize = 64 * 1024 * 1024;

/// Writes of one step. Joining the largest group writes a few per member at most; more is a loop that forgot
/// to commit.
pub const MAX_STEP_WRITES: usize = 200_000;

/// Key and value bytes of one step: some of the largest values together. It is held in memory, twice while
/// being committed, and written to the log before the database.
pub const MAX_STEP_BYTES: usize = 256 * 1024 * 1024;

/// Keys whose counters are held in memory although nobody seals under them just now, so that whoever comes next goes on
/// without a gap: more groups than anybody is in calls of at once. What is beyond begins behind its stored record.
pub const MAX_IDLE_COUNTERS: usize = 256;
