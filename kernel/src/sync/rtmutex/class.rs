//! What is a lock used for, and what is it called?
use crate::report;
use core::{fmt, panic::Location};
use logic::pi::Steal;

/// What a lock is used for; says how its waiters wait, and names it in reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Mutex,
    RobustMutex,
    SpinLock,
    LocalLock,
    Bh,
    RwLock,
    RwSemaphore,
    /// What an RCU reader owns that is lent priority.
    Rcu,
}
impl Class {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Class::Mutex => "mutex",
            Class::RobustMutex => "robust-mutex",
            Class::SpinLock => "spinlock",
            Class::LocalLock => "local_lock",
            Class::Bh => "bh",
            Class::RwLock => "rwlock",
            Class::RwSemaphore => "rw-semaphore",
            Class::Rcu => "rcu",
        }
    }
    /// Whether it is what spins under the other models, so that its waiters keep their state.
    pub(super) const fn is_spinning(self) -> bool {
        !matches!(self, Class::Mutex | Class::RobustMutex | Class::RwSemaphore | Class::Rcu)
    }
    pub(super) const fn steal(self) -> Steal {
        if self.is_spinning() { Steal::Lateral } else { Steal::Higher }
    }
}

/// For reports: what kind of lock it is and where it was made.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) class: Class,
    pub(super) site: &'static Location<'static>,
}
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.class.name(), report::Site(Some(self.site)))
    }
}
