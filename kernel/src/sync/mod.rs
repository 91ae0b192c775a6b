//! How do threads and interrupts exclude, signal and wait for each other?
//!
//! Spinning, for a few instructions: [`RawSpinLock`]. Waiting: [`WaitQueue`] for a condition, [`Completion`] for an event,
//! [`Semaphore`] for a count. Every wait goes through [`wait`], which is where lost wake-ups are ruled out.

mod completion;
pub(crate) mod raw;
mod semaphore;
pub(crate) mod wait;

pub use completion::Completion;
pub use raw::{RawGuard, RawSpinLock};
pub use semaphore::Semaphore;
pub use wait::WaitQueue;
