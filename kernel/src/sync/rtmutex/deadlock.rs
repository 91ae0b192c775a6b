//! Does a thread wait for itself, through other locks and their owners?
//!
//! Looked for whenever somebody lines up behind an owner that waits itself: after it has lined up, so that of two that close a
//! circle at once one sees the other. The look holds one raw lock at a time and so sees the links of the circle one after the
//! other; that they were there all at once is proved by a second look that finds the same waits, each counted by its
//! thread: what was the same at both looks was so in between, too.
use super::{Named, RtMutex};
use crate::{
    irq_flags::Off,
    report,
    thread::{Name, Ref, table},
};
use core::fmt;
use hw::atomic::{AtomicU32, Ordering::Relaxed};

/// Locks in a row that are looked at, unless set otherwise (Linux `max_lock_depth`).
const DEFAULT_DEPTH: u32 = 1024;
/// Looks at a circle that changes all the time.
const LOOKS: u32 = 16;

hw::global! {
    static DEPTH: AtomicU32 = AtomicU32::new(DEFAULT_DEPTH);
}

/// How long a chain of locks and owners may be.
pub fn max_lock_depth() -> u32 {
    DEPTH.load(Relaxed)
}
/// Sets it; 0 means the default of 1,024. A longer chain is reported, and whatever can fail fails with
/// [`Deadlock`](crate::Error::Deadlock).
pub fn set_max_lock_depth(locks: u32) {
    DEPTH.store(if locks == 0 { DEFAULT_DEPTH } else { locks }, Relaxed);
}

/// What one look along the chain came to.
enum Look {
    /// Somebody does not wait.
    Ends,
    /// It leads back; the number stands for all the waits on the way.
    Circle(u64),
    /// It is longer than it may be.
    TooLong,
}

/// What is wrong with the chain that a thread has joined.
pub(super) enum Wrong {
    /// It waits for itself.
    Circle,
    /// There are more locks in it than there may be.
    TooLong,
}

/// What is wrong with the chain from `lock` on, among whose waiters `me` stands.
pub(super) fn wrong(lock: &RtMutex, me: Ref) -> Option<Wrong> {
    let mut known = None;
    for _ in 0..LOOKS {
        match look(lock, me, None) {
            Look::Ends => return None,
            Look::TooLong => {
                report::warn!("maximum lock depth {} reached by {} at {}", max_lock_depth(), me.name(), lock.named());
                return Some(Wrong::TooLong);
            }
            Look::Circle(waits) if known == Some(waits) => return Some(Wrong::Circle),
            Look::Circle(waits) => known = Some(waits),
        }
    }
    None
}

/// Is told each owner in a chain and the lock that it waits for.
type See<'f> = &'f mut dyn FnMut(Ref, &RtMutex);

/// Goes from `lock` to its owner, to the lock that that one waits for, and so on. `see` is told each owner and the lock that
/// it waits for.
fn look(lock: &RtMutex, me: Ref, mut see: Option<See<'_>>) -> Look {
    let mut waits = 0u64;
    let mut number = lock.word.owner();
    for _ in 0..max_lock_depth() {
        let Some(owner) = table::with_number(number) else { return Look::Ends };
        if owner == me {
            return Look::Circle(waits);
        }
        let off = Off::new();
        let chained = owner.inheritance.lock(off.cx());
        let Some(next) = chained.waits_for else { return Look::Ends };
        // SAFETY: the owner waits for it and its pi lock is held.
        let next = unsafe { next.0.as_ref() };
        if let Some(see) = &mut see {
            see(owner, next);
        }
        waits = hashed(hashed(waits, owner.number()), chained.waits);
        number = next.word.owner();
        drop(chained);
        off.leave();
    }
    Look::TooLong
}

/// A step of FNV-1a, over the threads and which of its waits each is in.
#[inline(always)]
fn hashed(waits: u64, part: u32) -> u64 {
    (waits ^ u64::from(part)).wrapping_mul(0x100_0000_01b3)
}

/// Links of a circle that a report names.
const TOLD: usize = 16;

/// A thread and the lock that it waits for.
struct Link {
    thread: Name,
    lock: Named,
}

/// Who waits for what in a circle: for a report.
struct Told {
    links: heapless::Vec<Link, TOLD>,
    more: usize,
}
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, link) in self.links.iter().enumerate() {
            let by = if n == 0 { "" } else { ", owned by " };
            write!(f, "{by}{} waits for {}", link.thread, link.lock)?;
        }
        match (self.more, self.links.first()) {
            (0, Some(first)) => write!(f, ", owned by {}", first.thread),
            (more, _) => write!(f, ", and {more} more"),
        }
    }
}

/// The machine stops: `me`, which stands among the waiters of `lock`, would wait for ever.
#[cold]
pub(super) fn stop(lock: &RtMutex, me: Ref) -> ! {
    let mut told = Told { links: heapless::Vec::new(), more: 0 };
    let mut add = |thread: Ref, lock: &RtMutex| {
        let link = Link { thread: thread.identity().name.clone(), lock: lock.named() };
        told.more += usize::from(told.links.push(link).is_err());
    };
    add(me, lock);
    look(lock, me, Some(&mut add));
    report::bug!("deadlock: {}", told)
}
