//! What a peer, or a caller, can make this layer hold or do.

use coterie_types::Duration;

/// An identity is an index key in directories and a column in rosters; 1 KiB holds any name or certificate
/// fingerprint and keeps a tree of thousands of leaves small.
pub const MAX_IDENTITY_LENGTH: usize = 1024;

/// One message, whatever it carries. The largest honest one is the Welcome of a group of thousands with its
/// tree inside (1.3 MB for 500 hybrid leaves), so 32 MiB leaves room for ten thousand.
pub const MAX_MESSAGE_LENGTH: usize = 32 * 1024 * 1024;

/// What an application may put into one message. Larger things are files and travel in pieces.
pub const MAX_PLAINTEXT_LENGTH: usize = 16 * 1024 * 1024;

/// Associated data travels in the clear and is hashed into every signature: a header, not a payload.
pub const MAX_ASSOCIATED_DATA_LENGTH: usize = 64 * 1024;

/// Leaves in a tree. Above it a single fresh path commit would exceed [`MAX_MESSAGE_LENGTH`].
pub const MAX_MEMBERS: usize = 50_000;

/// Members one commit may add or remove. A larger change is several commits, so that no receiver's step
/// takes longer than a few seconds. A commit with more is refused before they are verified.
pub const MAX_CHANGES_PER_COMMIT: usize = openmls::messages::MAX_PROPOSALS_OF_A_TYPE;

/// Proposals waiting for a commit. Every one is held in memory and checked by each commit; a member who
/// proposes without end must not cost the others their memory.
pub const MAX_PENDING_PROPOSALS: usize = 1_000;

/// Past epochs whose message keys are kept, so that messages which crossed a commit on their way can still be
/// read. Each costs a secret tree; senders move on within a round trip, so a few suffice.
pub const MAX_PAST_EPOCHS: usize = 5;

/// How long the message keys of a past epoch are kept at most. A device that sealed a message and lost its network
/// sends it when it is back, mostly within a night; keys that lie about for longer serve whoever takes the device.
pub const MAX_PAST_EPOCH_AGE: Duration = Duration::from_days(1);

/// Own commits of one epoch that are remembered after they were discarded, to recognise one that the group accepted
/// all the same. A member that discards more of them in one epoch is not talking to its group at all.
pub const MAX_DISCARDED_COMMITS: usize = 64;

/// Messages of one sender that may be skipped before a gap is refused. Each skipped key is derived at once, and
/// 2,000 of them take less than the 5 ms that the event loop may be held for.
pub const MAX_FORWARD_DISTANCE: u32 = 2_000;

/// Skipped keys kept per sender for messages that arrive late.
pub const OUT_OF_ORDER_TOLERANCE: u32 = 1_000;

/// Resumption secrets of past epochs kept for proofs of descent.
pub const RESUMPTION_SECRETS: usize = 8;

/// Key packages that one call makes. Each is two key pairs and a signature, and all of them are one write.
pub const MAX_KEY_PACKAGES_PER_CALL: usize = 10_000;

/// How long a key package may wait in a directory.
pub const KEY_PACKAGE_LIFETIME: Duration = Duration::from_days(84);

/// How long the private keys of a key package are kept once it has expired: a Welcome made on its last day may wait
/// in an inbox as long as this while the device is away. After that nobody can join with them any more.
pub const EXPIRED_KEY_PACKAGE_GRACE: Duration = Duration::from_days(30);

/// Key packages that a device should have in the directory. Each invitation takes one, and a device that is away for
/// a month of a few invitations a day should not run dry; at 300 bytes (2.7 kB in the hybrid suite) fifty cost
/// nobody anything.
pub const KEY_PACKAGES_WANTED: usize = 50;

/// Key packages of one invitee that are looked at to choose a suite: a few for each. Each costs two signature checks.
pub const MAX_OFFER: usize = 16;

/// Below how many it should make more: half, so that they are made in batches and not one by one.
pub const KEY_PACKAGES_LOW: usize = 25;

/// A key package this close to its end counts as expired when it is judged whether there are enough: whoever fetches
/// it must still have the time to use it.
pub const KEY_PACKAGE_RENEWAL: Duration = Duration::from_days(14);

/// How far back a new key package's validity begins, for readers whose clocks are slow.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(3_600);

/// Bytes one call may take out of the exporter; HKDF with SHA-256 ends at 255 blocks.
pub const MAX_EXPORT_LENGTH: usize = 255 * 32;

/// Group ids that this layer chooses itself: 32 random bytes never collide.
pub const GROUP_ID_LENGTH: usize = 32;

/// Events that wait for one subscriber. A burst of a busy group fits; a consumer that is further behind than
/// this must slow the group down.
pub const EVENT_QUEUE_LENGTH: usize = 1_024;

/// Bytes of messages that wait for one subscriber, beyond which its queue counts as full.
pub const EVENT_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Messages up to this length are sealed and opened in less than the millisecond that a call may take on the
/// caller's own thread: 64 KiB and what surrounds them. Waking another thread would cost a fifth of such a message's time.
pub const QUICK_LENGTH: usize = 68 * 1024;

/// Key packages that one call makes in less than that.
pub const QUICK_KEY_PACKAGES: usize = 2;

/// The name of a pre-shared key: a row's key and part of every proposal that uses it.
pub const MAX_PSK_ID_LENGTH: usize = 256;

/// A pre-shared key. HKDF hashes longer ones anyway; a kilobyte takes the output of any exchange there is.
pub const MAX_PSK_LENGTH: usize = 1024;

/// Pre-shared keys one commit may mix in: each costs every member two key derivations and a look-up.
pub const MAX_PSKS_PER_COMMIT: usize = 64;

/// Extensions of one group. Each travels in every Welcome and is hashed into every epoch.
pub const MAX_EXTENSIONS: usize = 64;

/// One extension's bytes, for the same reason.
pub const MAX_EXTENSION_LENGTH: usize = 64 * 1024;

/// The largest step to which messages may be padded. Beyond it padding costs more than the length tells.
pub const MAX_PADDING: usize = 4 * 1024;

/// Members up to whom making, merging or taking in any commit with an Ed25519 suite stays below two milliseconds: waking
/// another thread, and working on what this one has in its caches, took a third of such a commit's time.
pub const QUICK_MEMBERS: usize = 12;

/// Members that a commit may add in that time: each is two signatures to verify and a key to agree on, 0.14 ms together.
/// More than eleven are verified on several threads, for which this one would wait.
pub const QUICK_ADDED: usize = 10;

/// Members up to whom a commit that only adds so many, and merging a commit, stays below the five milliseconds that the
/// event loop may be held for: a full tree of 512 leaves takes two of them, and one more leaf would double it.
pub const QUICK_ADDING_MEMBERS: usize = 512;

/// Members up to whom taking in a commit of [`QUICK_COMMIT_LENGTH`] does.
pub const QUICK_RECEIVING_MEMBERS: usize = 512;

/// A commit up to this length is the path of a tree that is in use, or of a fresh one of a hundred, which takes a
/// millisecond, or brings in thirty members at the most, which takes four: each has two signatures to verify.
pub const QUICK_COMMIT_LENGTH: usize = 10 * 1024;

/// A Welcome up to this length is for a group of [`QUICK_MEMBERS`], and opened as quickly.
pub const QUICK_WELCOME_LENGTH: usize = 4 * 1024;
