//! Every bound and every span of time of the control plane, with its reason.

use coterie_types::Duration;

/// Members of a group that a coordinator orders. Every member tells every other one that it is ready, so the messages
/// of one transition grow with the square; larger groups have a delivery service.
pub const MAX_MEMBERS: usize = 1_024;

/// Bytes in a commit: a frame carries it with the names of five fields around it.
pub const MAX_COMMIT: usize = coterie_wire::limits::MAX_FRAME.saturating_sub(4_096);

/// How far a transition's number may be above the last one. Numbers of aborted attempts are skipped; without a bound one
/// hostile number would leave none for everybody after it.
pub const MAX_SKIP: u32 = 65_536;

/// Votes, announcements and orders to execute that are remembered of each member within an epoch: its latest, so that whoever floods
/// pushes out its own.
pub const MAX_REMEMBERED: usize = 16;

/// Commits that wait because another one is under way, or because their sender is not the coordinator as far as is known
/// here. Each may be as large as a frame.
pub const MAX_OFFERS: usize = 8;

/// Those of one member: its latest, and the one before it that others may be locked to.
pub const MAX_OFFERS_OF_MEMBER: usize = 2;

/// Refused commits that are remembered within an epoch; they have a fixed size.
pub const MAX_SEEN: usize = 32;

/// How far the number of an attempt that a member says it promised to follow may be above the last one: half of
/// [`MAX_SKIP`], so that a liar leaves numbers to outbid it with.
pub const MAX_OUTBID: u32 = 32_768;

/// Transitions that a member which fell behind can be led through, as long as the protocol keeps its control log.
pub const MAX_SETTLED: usize = coterie_wire::limits::MAX_LOG;

/// Transitions that one request is answered with. Whoever is further behind asks again.
pub const MAX_RELAYED: usize = 4;

/// Members that are led on in one round after a transition, so that a round is bounded in a large group.
pub const MAX_CONFIRMED: usize = 32;

/// Members that left and are still answered, because they may not know it.
pub const MAX_DEPARTED: usize = 64;

/// Bytes of frames that a relay keeps: 64 transitions with commits of the usual few kilobytes, and a few of the largest.
pub const MAX_RELAY_BYTES: usize = 8 << 20;

/// Announcements of one member that are kept within an epoch: the last one, and the one before it that others may follow.
pub const MAX_RELAY_COMMITS: usize = 2;

/// Bytes of a kept frame that carries no commit: a hash, a signature and a header have a few hundred.
pub const MAX_RELAY_SMALL: usize = 4_096;

/// The protocol's T_prepare_max: how long a coordinator waits for a quorum.
pub const PREPARE_TIMEOUT: Duration = Duration::from_secs(5);

/// The protocol's T_execute_max: how long a member waits before it asks what became of a transition.
pub const EXECUTE_TIMEOUT: Duration = Duration::from_secs(10);

/// The protocol's T_quorum_grace: how long a coordinator that has its quorum waits for the rest.
pub const QUORUM_GRACE: Duration = Duration::from_secs(2);

/// The protocol's T_coordinator_grace: how long a coordinator may be silent.
pub const COORDINATOR_GRACE: Duration = Duration::from_secs(10);

/// How often a coordinator says that it is there. Two of three may be lost before anybody misses it.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long each further member leaves the one before it in rank to claim the role.
pub const CLAIM_STAGGER: Duration = Duration::from_secs(2);

/// How often what was not answered is said again.
pub const REPEAT: Duration = Duration::from_secs(1);

/// How often one member's request is answered at most: an answer is many times larger than a request.
pub const ANSWER_INTERVAL: Duration = Duration::from_millis(900);

/// The longest pause between two requests for the state, after which each further one waits as long.
pub const PROBE_PAUSE: Duration = Duration::from_secs(16);

/// How often a transition's end is told to those who have not shown that they know it.
pub const CONFIRM_ROUNDS: u32 = 5;
