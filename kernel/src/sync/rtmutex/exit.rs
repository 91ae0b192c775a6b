//! What if a thread ends and owns a lock? (OW-01.3)
//!
//! Unless the lock is robust ([`RobustMutex`](crate::sync::RobustMutex)), which was handed on before, that is a BUG. A thread keeps no
//! list of what it owns, which every lock and unlock would pay for; it knows its donors, one for each of its locks that
//! somebody waits for. So the BUG comes
//!
//! - when the owner ends, if somebody waits;
//! - else when somebody comes for the lock, which has the number of a thread that has none any more.
//!
//! Nobody falls between the two and sleeps for ever: the number goes under the thread's pi lock, when no donor is left, and who
//! becomes a donor looks at it under the same lock.
use super::RtMutex;
use crate::{
    irq_flags::Off,
    report,
    thread::{Ref, ThreadId, table},
};

/// The running thread ends: nobody may wait for what it owns.
pub(crate) fn check_exit(me: Ref) {
    loop {
        let off = Off::new();
        let Some(donor) = me.inheritance.lock(off.cx()).donors.first() else { return };
        let chained = donor.inheritance.lock(off.cx());
        // SAFETY: see `LockRef`.
        let lock = chained.waits_for.map(|lock| unsafe { lock.0.as_ref() });
        // One that is giving up waits for nothing, or for another lock, before it is no donor any more.
        let mine = lock.filter(|lock| lock.word.owner() == me.number()).map(RtMutex::named);
        drop(chained);
        if let Some(lock) = mine {
            report::bug!("{} ends and owns {}, which {} waits for", me.name(), lock, donor.name());
        }
        drop(off);
        hw::cpu::relax();
    }
}

/// The running thread takes no lock any more, and nobody comes to wait for it from now on. Nobody finds it by its number.
pub(crate) fn end(me: Ref) {
    loop {
        check_exit(me);
        let off = Off::new();
        let mine = me.inheritance.lock(off.cx());
        if mine.donors.is_empty() {
            me.give_up_number();
            return;
        }
    }
}

impl RtMutex {
    /// A try has failed, for `owner` had the lock. False, unless that one has ended.
    #[inline(never)]
    pub(super) fn refused(&self, owner: u32) -> bool {
        // In this order: what it owns now, after it has ended, it will never give back.
        if table::with_number(owner).is_none() && self.word.owner() == owner {
            self.orphaned(owner);
        }
        false
    }
    #[cold]
    #[inline(never)]
    pub(super) fn orphaned(&self, owner: u32) -> ! {
        match table::former_name(ThreadId(owner)) {
            Some(name) => report::bug!("{} belongs to {} (thread {}), which has ended", self.named(), name, owner),
            None => report::bug!("{} belongs to thread {}, which has ended", self.named(), owner),
        }
    }
}
