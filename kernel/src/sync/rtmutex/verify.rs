//! Do locks, waiters, donors and levels agree (HC-06)?
use super::{ByDonation, ByUrgency, RtMutex};
use crate::{
    irq_flags::Off,
    report,
    thread::{Ref, table},
};
use core::{fmt, panic::Location};
use logic::plist::PList;

/// A rule that does not hold, and for which lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What does not hold.
    pub rule: &'static str,
    /// The lock, by kind and by where it was made, if it is about one.
    pub lock: Option<(&'static str, &'static Location<'static>)>,
}
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)?;
        match self.lock {
            Some((class, site)) => write!(f, ": {class} of {}", report::Site(Some(site))),
            None => Ok(()),
        }
    }
}

fn of_thread(rule: &'static str) -> Result<(), Broken> {
    Err(Broken { rule, lock: None })
}
fn of_lock(rule: &'static str, lock: &RtMutex) -> Result<(), Broken> {
    Err(lock.broken(rule))
}

impl RtMutex {
    /// A rule that does not hold for it.
    pub(crate) fn broken(&self, rule: &'static str) -> Broken {
        Broken { rule, lock: Some((self.class.name(), self.site)) }
    }
}

/// Looks at a thread, its donors, and the lock that it waits for. For moments at which nothing changes. O(donors + waiters).
pub(crate) fn verify(t: Ref) -> Result<(), Broken> {
    let off = Off::new();
    let chained = t.inheritance.lock(off.cx());
    if chained.effective(t.policy.get().level()) != t.level.get() {
        return of_thread("its level is not what its policy and donors make");
    }
    for donor in chained.donors.iter() {
        // SAFETY: see `LockRef`; nothing changes.
        let lock = donor.inheritance.lock(off.cx()).waits_for.map(|lock| unsafe { lock.0.as_ref() });
        match lock {
            None => return of_thread("inherits from a thread that waits for no lock"),
            Some(lock) if lock.word.owner() != t.number() => {
                return of_lock("inherits through a lock that it does not own", lock);
            }
            _ if !PList::<Ref, ByDonation>::agrees(donor) => return of_thread("its donors are out of order"),
            Some(_) => {}
        }
    }
    match chained.waits_for {
        None if t.inheritance.waiter.is_queued() => of_thread("among the waiters of a lock, but waits for none"),
        None => Ok(()),
        Some(lock) => {
            drop(chained);
            // SAFETY: as above.
            waiter(t, unsafe { lock.0.as_ref() }, &off)
        }
    }
}

fn waiter(t: Ref, lock: &RtMutex, off: &Off) -> Result<(), Broken> {
    let waiters = lock.waiters.lock_in(off.cx());
    let first = waiters.first();
    if !waiters.iter().any(|waiter| waiter == t) {
        return of_lock("not among the waiters of what it waits for", lock);
    }
    drop(waiters);
    if t.inheritance.waiter.level() != t.level.get() {
        return of_lock("waits at another level than its own", lock);
    }
    if !PList::<Ref, ByUrgency>::agrees(t) {
        return of_lock("waiters out of order", lock);
    }
    if !lock.word.has_waiters() {
        return of_lock("does not know that it has waiters", lock);
    }
    if lock.top_waiter() != first.map(|first| first.id()) {
        return of_lock("takes another thread for its top waiter", lock);
    }
    let owner = lock.word.owner();
    if owner == 0 || first != Some(t) {
        return Ok(());
    }
    match table::with_number(owner) {
        None => of_lock("owned by a thread that does not exist", lock),
        Some(owner) if !owner.inheritance.lock(off.cx()).donors.iter().any(|donor| donor == t) => {
            of_lock("its owner does not inherit from its top waiter", lock)
        }
        Some(_) => Ok(()),
    }
}
