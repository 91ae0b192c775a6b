//! How do threads and interrupts exclude, signal and wait for each other?
//!
//! Spinning, for a few instructions: [`RawSpinLock`]. Waiting: [`WaitQueue`] for a condition, [`Completion`] for an event,
//! [`Semaphore`] for a count. Every wait goes through [`wait`], which is where lost wake-ups are ruled out.

mod completion;
mod local_lock;
mod lock;
pub mod mutex;
pub(crate) mod raw;
pub(crate) mod rtmutex;
mod rwlock;
mod rwsem;
mod semaphore;
mod short;
mod spinlock;
pub(crate) mod wait;

pub use completion::Completion;
pub use local_lock::{LocalGuard, LocalLock};
pub use lock::{Guard, Lock};
pub use mutex::{Mutex, MutexGuard};
pub use raw::{RawGuard, RawSpinLock};
pub use rtmutex::{Broken as InheritanceBroken, max_lock_depth, set_max_lock_depth};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use rwsem::{NonOwnerReadGuard, RwSemaphore, RwSemaphoreReadGuard, RwSemaphoreWriteGuard};
pub use semaphore::Semaphore;
pub use spinlock::{SpinGuard, SpinLock};
pub use wait::WaitQueue;
