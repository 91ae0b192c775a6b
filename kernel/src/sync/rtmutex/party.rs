//! What does a thread carry for the locks that it waits for and owns, and how urgent does that make it?
use super::{RtMutex, switch};
use crate::{
    cx::{AtomicCx, Irq, NoSection},
    irq_flags::Off,
    sched,
    sync::raw::{RawGuard, RawSpinLock},
    thread::Ref,
    trace,
};
use core::{cell::Cell, ptr::NonNull};
use logic::{
    pi,
    plist::{Node, PList, Ranked},
    policy::Level,
};

/// Tag of the waiters of a lock.
pub(crate) enum ByUrgency {}
/// Tag of the donors of a thread.
pub(crate) enum ByDonation {}
impl Ranked<ByUrgency> for Ref {
    #[inline(always)]
    fn node(&self) -> &Node<Self> {
        &self.0.inheritance.waiter
    }
    #[inline(always)]
    fn rank(&self) -> Level {
        self.0.level.get()
    }
}
impl Ranked<ByDonation> for Ref {
    #[inline(always)]
    fn node(&self) -> &Node<Self> {
        &self.0.inheritance.donor
    }
    /// It gives what it waits with.
    #[inline(always)]
    fn rank(&self) -> Level {
        self.0.inheritance.waiter.level()
    }
}
pub(super) type Waiters = PList<Ref, ByUrgency>;
pub(super) type WaitersGuard<'l, 'c> = RawGuard<'l, 'c, Waiters, Irq, NoSection>;

/// A thread's part: it waits for one lock at a time, and owns any number.
pub(crate) struct Inheritance {
    pub(super) chained: RawSpinLock<Chained, Irq>,
    pub(super) waiter: Node<Ref>,
    pub(super) donor: Node<Ref>,
    /// It waits for a lock that keeps its state (LK-02). Its own; others read it while it lines up, under the wait lock.
    pub(super) keeps_state: Cell<bool>,
}

/// What the pi lock guards; the thread's policy and level too.
pub(crate) struct Chained {
    pub(super) donors: PList<Ref, ByDonation>,
    pub(super) waits_for: Option<LockRef>,
    /// Times that it has lined up: tells two waits for the same lock apart.
    pub(super) waits: u32,
}

/// A lock that a thread waits for. It is there while a thread's `waits_for` names it and that thread's pi lock is held: the
/// thread borrows it until it has taken it out, under that lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct LockRef(pub(super) NonNull<RtMutex>);
// SAFETY: an `RtMutex` is `Sync`.
unsafe impl Send for LockRef {}

impl Inheritance {
    pub(crate) const fn new() -> Self {
        Self {
            chained: RawSpinLock::new(Chained { donors: PList::new(), waits_for: None, waits: 0 }),
            waiter: Node::new(),
            donor: Node::new(),
            keeps_state: Cell::new(false),
        }
    }
    /// Whether its thread stands among the waiters of a lock. For moments at which nothing changes.
    pub(crate) fn is_queued(&self) -> bool {
        self.waiter.is_queued()
    }
    /// Takes the pi lock. Interrupts are masked.
    #[inline(always)]
    pub(crate) fn lock<'l, 'c>(&'l self, masked: &'c AtomicCx<'_, Irq>) -> RawGuard<'l, 'c, Chained, Irq, NoSection> {
        self.chained.lock_in(masked)
    }
}

impl Chained {
    /// How urgent its thread is if its policy has level `base`.
    #[inline(always)]
    pub(crate) fn effective(&self, base: Level) -> Level {
        if switch::inherits() { pi::effective(base, self.donors.first_level()) } else { base }
    }
    /// Whether its thread waits for a lock.
    #[inline(always)]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits_for.is_some()
    }
}

/// Gives `thread` the level that its policy and donors make. Its pi lock is held and interrupts are masked.
#[inline(always)]
pub(super) fn recompute(thread: Ref, chained: &Chained) {
    if let Some(level) = change_of_level(thread, chained) {
        sched::inherit(thread, level);
    }
}
/// The level that policy and donors make, if the thread has another one; the change is recorded. As [`recompute`].
#[inline(always)]
pub(super) fn change_of_level(thread: Ref, chained: &Chained) -> Option<Level> {
    let level = chained.effective(thread.policy.get().level());
    let before = thread.level.get();
    if level == before {
        return None;
    }
    trace::record(trace::INHERIT, u64::from(thread.id().0), u64::from(before.get()) << 8 | u64::from(level.get()));
    Some(level)
}

/// The kind of lock that a thread waits for, if it does.
pub(crate) fn waits_for(thread: Ref) -> Option<&'static str> {
    let off = Off::new();
    let chained = thread.inheritance.lock(off.cx());
    // SAFETY: see `LockRef`.
    chained.waits_for.map(|lock| unsafe { lock.0.as_ref() }.class.name())
}
