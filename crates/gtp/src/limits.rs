//! Every bound on what text keeps, with its reason.

use coterie_types::Duration;
use coterie_wire::limits::{FRAME_OVERHEAD, MAX_FRAME};

/// Messages that a history keeps where nobody says otherwise: some weeks of a lively group.
pub const DEFAULT_HISTORY: usize = 10_000;

/// Most messages that a history can be asked to keep: their index alone takes about 100 bytes each.
pub const MAX_HISTORY: usize = 1_000_000;

/// Bytes of content that a history keeps where nobody says otherwise: what a member can spare in memory.
pub const DEFAULT_HISTORY_BYTES: usize = 64 << 20;

/// Most bytes that a history can be asked to keep: its saved state must stay readable.
pub const MAX_HISTORY_BYTES: usize = 128 << 20;

/// Bytes of the messages in one replay: with its own message and frame around it, it still fits into one frame.
pub const MAX_REPLAY_BYTES: usize = MAX_FRAME - 8 * FRAME_OVERHEAD;

/// What a message takes in a replay beside its content: eight keys, nine numbers and two lengths at their longest.
pub const MESSAGE_OVERHEAD: usize = 128;

/// Longest content of a message that others can catch up on: a replay that holds nothing else.
pub const MAX_CONTENT: usize = MAX_REPLAY_BYTES - MESSAGE_OVERHEAD;

/// Pages of one exchange. With 256 messages each, this is more than a history of the default size.
pub const MAX_PAGES: u32 = 1_000;

/// Members whose coming is remembered: the largest group that the stack is used in.
pub const MAX_JOINERS: usize = 10_000;

/// How long a member may take to answer: it may be busy with a commit, but not asleep.
pub const RESYNC_TIMEOUT: Duration = Duration::from_secs(10);

/// A piece's length where nobody says otherwise: what deployed peers cut.
pub const DEFAULT_CHUNK: u32 = 65_536;

/// Longest piece that is cut: it fits into a frame with everything around it.
pub const MAX_CHUNK: u32 = 1_040_000;

/// Pieces of one attachment: the map of those that are there takes 8 KiB, and 64 KiB each make 4 GiB.
pub const MAX_CHUNKS: u32 = 65_536;

/// Bytes of one attachment where nobody says otherwise: what a person attaches, not what a machine backs up.
pub const DEFAULT_ATTACHMENT: u64 = 1 << 30;

/// Attachments of one sender under way at a time: nobody sends more at once by hand.
pub const MAX_ATTACHMENTS_OF_SENDER: usize = 16;

/// Attachments under way at a time: with the map of each full, 2 MiB.
pub const MAX_ATTACHMENTS: usize = 256;

/// Bytes of pieces held for one sender: an attachment of some size can come whole, and one sender cannot take all
/// the room.
pub const MAX_HELD_OF_SENDER: usize = 16 << 20;

/// Bytes of pieces held in total: half of what a small server process can spare for one group.
pub const MAX_HELD: usize = 64 << 20;

/// Bytes of pieces held for one sender before their manifest came: what overtakes it on a network that reorders, up to a piece of
/// the greatest length or thirty of the usual one.
pub const MAX_EARLY_OF_SENDER: usize = 2 << 20;

/// Bytes of such pieces in total: a few senders at a time.
pub const MAX_EARLY: usize = 8 << 20;

/// What holding a piece takes beside its bytes, so that a flood of tiny ones is counted for what it is.
pub const PIECE_OVERHEAD: usize = 128;

/// How long an attachment may stay without a new piece: a phone in a tunnel comes back sooner.
pub const ATTACHMENT_TIMEOUT: Duration = Duration::from_secs(600);

/// Bytes of a saved state: pieces that are held, history and everything known of senders, with room to grow.
pub const MAX_STATE: usize = 256 << 20;
