//! When has every reader left that may still use what was taken away? The rules of RCU (RC-01, RC-03, RC-11, RC-15).
//!
//! | file | question |
//! |---|---|
//! | `seq` | which grace periods have ended, in numbers? |
//! | `grace` | for whom does this grace period still wait? |
//! | `activity` | has a CPU read anything since, if nobody can ask it? |
mod activity;
mod grace;
mod seq;

pub use activity::{Activity, Seen};
pub use grace::{Blocked, GracePeriod, OnBlocked, Progress};
pub use seq::{Needed, Seq};
