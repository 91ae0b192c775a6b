//! How do readers go on without a lock while somebody takes away what they read? Preemptible RCU (RC-01 to RC-15).
//!
//! A reader counts how deep it is in sections, in its own thread: no atomic operation, no lock, no store that another CPU reads. It
//! may be preempted. An updater puts something new in the place of the old, which stays as it is until a *grace period* has passed:
//! until every section has ended that was open when it began. Then nobody can have the old one any more.
//!
//! ```
//! # kernel::simulation::boot(Default::default(), "", |cx| {
//! use kernel::rcu::{self, RcuPtr};
//! static LIMIT: RcuPtr<u32> = RcuPtr::null();
//! LIMIT.replace(9);
//! let reader = rcu::read(cx);
//! assert_eq!(LIMIT.load(&reader), Some(&9));
//! drop(reader);
//! let old = LIMIT.replace(7).unwrap();
//! assert_eq!(*old.wait(cx).unwrap(), 9);
//! # });
//! ```
//!
//! What counts as a reader: a section of [`read`]; disabled preemption, interrupts or bottom halves; a hard handler. One
//! [`synchronize`] waits for all of them (RC-14). Their tokens and guards are [`Reading`].
//!
//! | file | question |
//! |---|---|
//! | `reader` | how does a section begin and end, and what if its thread loses the CPU in it? |
//! | `state` | what do all CPUs share, and who may change it? |
//! | `thread` | who brings a grace period to its end? |
//! | `wait` | how does a thread wait for one, or ask whether it has passed? |
//! | `boost` | who lends a reader its priority that keeps everybody waiting? |
//! | `stall` | who says why a grace period does not end? |
//! | `waits` | for whom does it wait, in words? |
//! | `callbacks` | what runs after a grace period, and in which thread? |
//! | `barrier` | how does a thread wait until callbacks have run? |
//! | `pointer` | how is a value read, replaced and freed? |
//! | `options` | what can be chosen at boot? |
//! | `stats` | how often did what happen? |
//!
//! The rules are in [`logic::rcu`].
mod barrier;
mod boost;
mod callbacks;
mod options;
mod pointer;
mod reader;
mod stall;
mod state;
mod stats;
mod thread;
mod verify;
mod wait;
mod waits;

pub use barrier::barrier;
pub use callbacks::{Call, Counts, Then};
pub(crate) use callbacks::{Head, enqueue, start as start_callbacks};
pub(crate) use options::set as set_option;
pub use pointer::{RcuPtr, Retired, Unshared};
pub use reader::{ReadContext, ReadGuard, Reading, Section, hook, read, with};
pub(crate) use reader::{check_exit, enter, leave, section, switched_out};
pub(crate) use state::{CpuRcu, Place, asked};
pub use stats::{Stats, callback_thread, callbacks_of, stats};
pub(crate) use thread::start;
pub use verify::Broken;
#[cfg(not(target_os = "none"))]
pub(crate) use verify::list;
pub(crate) use verify::verify;
pub use wait::{Cookie, cond_sync, poll, start_poll, synchronize, synchronize_expedited};
pub use waits::Waits;
