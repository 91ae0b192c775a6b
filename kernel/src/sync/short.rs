//! How is a lock held that sleeps under `rt` and spins under the other models? What spinlocks and local locks share.
//!
//! | | `none` to `rtb` | `rt` |
//! |---|---|---|
//! | whoever waits | spins | sleeps, lends its priority, and keeps the state that it has announced |
//! | the holder | preemption off; interrupts too, for what interrupts take | preemptible, pinned to its CPU |
//!
//! Each kind of lock says what is masked ([`Masks`]); under `rt` nothing is.
use super::rtmutex::RtMutex;
use crate::{irq_flags, model, preempt, sched, thread};
use core::cell::Cell;
use logic::preempt::Count;

/// What a lock masks where it spins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Masks {
    /// Bottom halves are disabled, which keeps out whoever else would take it.
    Nothing,
    Preemption,
    Interrupts,
}

/// A section of such a lock. It is ended by [`Self::end`], which gives the lock back, or by [`Self::close`].
pub(crate) struct Held {
    // Dropped in this order, each where there is one.
    irqs: Option<irq_flags::Off>,
    preemption: Option<preempt::Off>,
    spins: Option<Spins>,
}

impl Held {
    /// A section in which nothing is masked.
    const OPEN: Self = Self { irqs: None, preemption: None, spins: None };

    /// Opens the section, before the lock is taken: from here on the thread stays on its CPU.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn open(masks: Masks) -> Self {
        if model::current().rt() {
            sched::pin();
            return Self::OPEN;
        }
        if masks == Masks::Nothing {
            return Self::OPEN;
        }
        let preemption = preempt::Off::new();
        let irqs = (masks == Masks::Interrupts).then(irq_flags::Off::new);
        let spins = Spins::begin(irqs.as_ref().is_some_and(irq_flags::Off::will_enable));
        Self { irqs, preemption: Some(preemption), spins: Some(spins) }
    }
    /// Ends a section in which no lock was taken, or after it was given back.
    #[inline(always)]
    pub(crate) fn close(&mut self) {
        if model::current().rt() {
            sched::unpin();
        } else {
            self.spins = None;
            self.irqs = None;
            self.preemption = None;
        }
    }
    /// Takes the lock.
    #[inline(always)]
    pub(crate) fn acquire(&self, lock: &RtMutex) {
        if !model::current().rt() {
            lock.spin_word().acquire();
        } else if !lock.try_fast() {
            lock.lock_keeping_state();
        }
    }
    /// Takes the lock if it is free, and nobody more urgent waits for it.
    #[inline(always)]
    pub(crate) fn try_acquire(&self, lock: &RtMutex) -> bool {
        if model::current().rt() { lock.try_lock() } else { lock.spin_word().try_acquire() }
    }
    /// Gives the lock back and ends the section.
    #[inline(always)]
    pub(crate) fn end(&mut self, lock: &RtMutex) {
        if model::current().rt() {
            lock.unlock();
        } else {
            lock.spin_word().release();
        }
        self.close();
    }
}

/// Interrupts are masked until this is dropped, as in a spinning section: spinlocks may be taken.
pub(crate) struct Masked(Held);
impl Masked {
    pub(crate) fn new() -> Self {
        Self(Held::open(Masks::Interrupts))
    }
}
impl Drop for Masked {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The spinning sections of a thread, where they spin; its own.
pub(crate) struct SpinDepth {
    /// How many, each with preemption off.
    depth: Cell<u32>,
    /// One of them has masked interrupts.
    masks: Cell<bool>,
}
impl SpinDepth {
    pub(crate) const fn new() -> Self {
        Self { depth: Cell::new(0), masks: Cell::new(false) }
    }
    /// How many are open.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.get()
    }
    /// Whether they are all that has disabled preemption, and interrupts, in their thread.
    pub(crate) fn explain(&self, count: Count, enabled: bool) -> bool {
        count.depth() == self.depth.get() && (enabled || self.masks.get())
    }
    /// The thread ends: what it has left open is over.
    pub(crate) fn clear(&self) {
        self.depth.set(0);
        self.masks.set(false);
    }
}

/// A spinning section is open until this is dropped.
struct Spins(bool);
impl Spins {
    /// `masks`: the section has masked interrupts, which were enabled.
    fn begin(masks: bool) -> Self {
        let spins = &thread::current().spins;
        spins.depth.set(spins.depth.get() + 1);
        if masks {
            spins.masks.set(true);
        }
        Self(masks)
    }
}
impl Drop for Spins {
    fn drop(&mut self) {
        let spins = &thread::current().spins;
        spins.depth.set(spins.depth.get().saturating_sub(1));
        if self.0 {
            spins.masks.set(false);
        }
    }
}
