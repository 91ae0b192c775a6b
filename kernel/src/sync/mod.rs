//! How do threads and interrupts exclude, signal and wait for each other?
//!
//! Spinning, for a few instructions: [`RawSpinLock`]. Waiting: [`WaitQueue`] for a condition, [`Completion`] for an event,
//! [`EventFlags`] for some of several events, [`Semaphore`] for a count, [`MessageQueue`] for a value. Every wait goes
//! through [`wait`], which is where lost wake-ups are ruled out.

mod completion;
mod condition;
mod condvar;
mod event_flags;
#[cfg(not(target_os = "none"))]
pub(crate) mod held;
mod local_lock;
mod lock;
pub mod mutex;
pub mod queue;
pub(crate) mod raw;
pub mod robust;
pub(crate) mod rtmutex;
mod rwlock;
mod rwsem;
mod rwspin;
mod semaphore;
pub(crate) mod short;
mod spinlock;
pub(crate) mod wait;
mod waitqueue;

pub use completion::Completion;
pub use condition::ConditionLock;
pub use condvar::Condvar;
pub use event_flags::{EventFlags, OnExit};
pub use local_lock::{LocalGuard, LocalLock};
pub use lock::{Guard, Lock};
pub use mutex::{Mutex, MutexGuard};
pub use queue::{MessageQueue, Unsent};
pub use raw::{RawGuard, RawSpinLock};
pub use robust::{OrphanGuard, RobustError, RobustGuard, RobustMutex, RobustResult};
#[cfg(not(target_os = "none"))]
pub use rtmutex::hold::Pending;
pub use rtmutex::{Broken as InheritanceBroken, max_lock_depth, set_max_lock_depth};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use rwsem::{NonOwnerReadGuard, RwSemaphore, RwSemaphoreReadGuard, RwSemaphoreWriteGuard};
pub use semaphore::Semaphore;
pub use spinlock::{SpinGuard, SpinLevel, SpinLock};
pub use waitqueue::WaitQueue;
