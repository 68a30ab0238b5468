//! Every bound on what signals keep, with its reason.

use coterie_types::Duration;

/// Members about whom anything is kept: the largest group that the stack is used in.
pub const MAX_MEMBERS: usize = 10_000;

/// Roles of a group: people have to tell them apart.
pub const MAX_ROLES: usize = 1_024;

/// Bytes in a role's name.
pub const MAX_ROLE_NAME: usize = 64;

/// Signals of ours that wait for answers at a time: nobody gives more by hand before the first is answered.
pub const MAX_WAITING: usize = 256;

/// Members whose answers are waited for, over all signals: one signal to the largest group, and some more.
pub const MAX_AWAITED: usize = 2 * MAX_MEMBERS;

/// How long members may take to answer where nobody says otherwise.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a saved state: everything above at its bound, with its tokens at their longest, is a tenth of it.
pub const MAX_STATE: usize = 64 << 20;
