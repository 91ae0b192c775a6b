//! Which locks does somebody wait for when the machine stops? For the end of a report: whoever hangs, hangs on one of these.
//!
//! Nobody keeps a list of locks; each thread knows the one that it waits for. The report asks thread by thread and takes no
//! lock for that: the CPU that stops the machine may hold any, and one that was halted may, too. What was halted in the
//! middle of a change is read as it stands, word by word. Where a CPU goes on, a thread is looked at under its pi lock if that
//! is to be had at once, and left out otherwise.
use super::RtMutex;
use crate::{
    cx::{AtomicCx, Irq},
    thread::{MAX_THREADS, Ref, table},
};
use core::{fmt, ptr, ptr::NonNull};
use logic::cpus::CpuSet;

/// Locks that a report names.
const TOLD: usize = 16;

/// Prints one line for each lock that somebody waits for, nothing if there is none. `running`: the CPUs that were not halted.
/// Interrupts are masked. O(threads²).
pub(crate) fn print(out: &mut impl fmt::Write, running: CpuSet) {
    let mut told = 0;
    for n in 0..MAX_THREADS {
        let Some(waiter) = table::at_unlocked(n) else { continue };
        with_lock_of(waiter, running, |lock| {
            let waiters = Waiters::of(lock);
            // The first of them, in the order of slots, speaks for all.
            if waiters.first < n {
                return;
            }
            if told == 0 {
                let _ = writeln!(out, "locks that are waited for:");
            }
            told += 1;
            if told <= TOLD {
                let _ = tell(out, lock, waiter, waiters.count);
            }
        });
    }
    if let Some(more) = told.checked_sub(TOLD + 1) {
        let _ = writeln!(out, "  and {} more", more + 1);
    }
}

/// `first`: one of its waiters.
fn tell(out: &mut impl fmt::Write, lock: &RtMutex, first: Ref, count: usize) -> fmt::Result {
    let owner = Numbered(lock.word.owner());
    // Which one it is is written down a moment after that one has lined up.
    let top = lock.top_waiter().map_or(first.number(), |top| top.0);
    writeln!(out, "  {}: owner {owner}, top waiter {}, {count} waiting", lock.named(), Numbered(top))
}

/// A thread by its number.
struct Numbered(u32);
impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, table::with_number(self.0)) {
            (0, _) => f.write_str("nobody"),
            (number, Some(thread)) => write!(f, "{} ({number})", thread.name()),
            (number, None) => write!(f, "thread {number}, which has ended"),
        }
    }
}

/// The threads that wait for a lock.
struct Waiters {
    /// The lowest slot of one.
    first: usize,
    count: usize,
}
impl Waiters {
    fn of(lock: &RtMutex) -> Self {
        let mut waiters = Self { first: usize::MAX, count: 0 };
        for n in 0..MAX_THREADS {
            if table::at_unlocked(n).and_then(waits_for).is_some_and(|other| ptr::eq(other.as_ptr(), lock)) {
                waiters.first = waiters.first.min(n);
                waiters.count += 1;
            }
        }
        waiters
    }
}

/// The lock that a thread waits for, or did a moment ago if a CPU runs it.
fn waits_for(thread: Ref) -> Option<NonNull<RtMutex>> {
    let chained = thread.inheritance.chained.as_ptr();
    // SAFETY: a word that is read as it is; threads are never freed.
    unsafe { (&raw const (*chained).waits_for).read_volatile() }.map(|lock| lock.0)
}

/// Calls `f` with the lock that a thread waits for, if it does and nobody lets it go meanwhile.
fn with_lock_of(thread: Ref, running: CpuSet, f: impl FnOnce(&RtMutex)) {
    // SAFETY: interrupts are masked, which `print` asks for; the token does not leave this function.
    let masked = unsafe { AtomicCx::<Irq>::new() };
    let held = thread.inheritance.chained.try_lock_in(&masked);
    if held.is_none() && !running.is_empty() {
        return;
    }
    if let Some(lock) = waits_for(thread) {
        // SAFETY: see `LockRef`: its pi lock is held, or else nothing runs that could change what it says.
        f(unsafe { lock.as_ref() });
    }
}
