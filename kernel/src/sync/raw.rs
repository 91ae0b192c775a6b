//! How do CPUs exclude each other for a few instructions? The lock that spins on every model (LK-01).
//!
//! First come, first served. While it is held, its CPU switches no threads, and with level [`Irq`](crate::cx::Irq) takes
//! no interrupts. The holder does something short and bounded; nothing in here sleeps.
use crate::{
    atomic_word::Word32,
    cx::{AtomicCx, Covers, Irq, Level, NoSection, Opens, Section},
    percpu, report, trace,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};
use logic::spin::TicketLock;

/// The lock word without data, for those that hold it across a switch. The algorithm is [`logic::spin`]'s.
pub(crate) struct SpinWord(TicketLock<Word32>);

impl SpinWord {
    pub(crate) const fn new() -> Self {
        Self(TicketLock::new(Word32::new(0), Word32::new(0), Word32::new(0), Word32::new(0)))
    }
    /// Takes the lock. Whatever the level asks for is masked already.
    #[inline(always)]
    pub(crate) fn acquire(&self) {
        self.acquire_as(percpu::token());
    }
    /// As [`acquire`](Self::acquire), for the many places that nobody counts: a call takes less space.
    #[inline(never)]
    pub(crate) fn acquire_called(&self) {
        self.acquire();
    }
    /// As [`acquire`](Self::acquire), by the CPU with this token, which is the one that calls.
    #[inline(always)]
    pub(crate) fn acquire_as(&self, token: u32) {
        if !self.0.try_acquire(token) {
            self.wait();
        }
        #[cfg(not(target_os = "none"))]
        super::held::taken();
    }
    /// Takes the lock unless it is held or others wait for it.
    #[inline(always)]
    pub(crate) fn try_acquire(&self) -> bool {
        let taken = self.0.try_acquire(percpu::token());
        #[cfg(not(target_os = "none"))]
        if taken {
            super::held::taken();
        }
        taken
    }
    /// Gives the lock back.
    #[inline(always)]
    pub(crate) fn release(&self) {
        #[cfg(not(target_os = "none"))]
        super::held::released();
        self.0.release();
    }
    pub(crate) fn is_held(&self) -> bool {
        self.0.owner() != 0
    }

    /// The slow path. Who finds that it holds the lock itself would wait for ever; one that makes somebody wait for a second
    /// is a lock-up.
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        const LIMIT_SECONDS: u64 = 1;
        let me = percpu::token();
        if self.0.owner() == me {
            report::bug!("spinlock recursion on {:p}", self);
        }
        trace::record(trace::LOCK_WAIT, 0, 0);
        let limit = hw::clock::ticks() + LIMIT_SECONDS * hw::clock::frequency();
        self.0.queue(me, || {
            hw::cpu::relax();
            if hw::clock::ticks() > limit {
                match percpu::of_token(self.0.owner()) {
                    Some(cpu) => report::bug!(
                        "spinlock lockup on {:p}, held by CPU {} in {}",
                        self,
                        cpu.id.get(),
                        cpu.runqueue.running_name()
                    ),
                    None => report::bug!("spinlock lockup on {:p}, which is free: its turn was lost", self),
                }
            }
        });
    }
}

/// A spinning lock that owns what it protects. `L`: the most urgent context that takes it.
pub struct RawSpinLock<T, L = Irq> {
    word: SpinWord,
    level: PhantomData<fn(L)>,
    value: UnsafeCell<T>,
}

// SAFETY: the word lets one CPU at a time reach the value.
unsafe impl<T: Send, L> Sync for RawSpinLock<T, L> {}

/// The lock is held while this lives. `'l`: the lock; `'c`: the context it was taken in.
#[must_use = "the lock is released as soon as this is dropped"]
pub struct RawGuard<'l, 'c, T, L: Level, S: Section> {
    // Dropped in this order: the lock is released before the section ends, where a switch may happen.
    held: Held<'l, T, L>,
    _section: S,
    cx: AtomicCx<'c, L>,
}
struct Held<'l, T, L>(&'l RawSpinLock<T, L>);
impl<T, L> Drop for Held<'_, T, L> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.word.release();
    }
}

impl<T, L: Level> RawSpinLock<T, L> {
    /// A free lock.
    pub const fn new(value: T) -> Self {
        Self { word: SpinWord::new(), level: PhantomData, value: UnsafeCell::new(value) }
    }
    /// Takes the lock, masking first what its level needs in this context.
    #[inline(always)]
    #[track_caller]
    pub fn lock<'l, 'c, C: Opens<L>>(&'l self, cx: &'c mut C) -> RawGuard<'l, 'c, T, L, C::Section> {
        let section = cx.open();
        self.word.acquire();
        // SAFETY: the section masks what level `L` asks for, until the guard is dropped.
        RawGuard { held: Held(self), _section: section, cx: unsafe { AtomicCx::new() } }
    }
    /// Takes the lock inside a section that masks enough already; several locks can be held in any order.
    #[inline(always)]
    pub fn lock_in<'l, 'c, M: Covers<L>>(&'l self, _: &'c AtomicCx<'_, M>) -> RawGuard<'l, 'c, T, L, NoSection> {
        self.word.acquire();
        // SAFETY: the outer section masks what level `L` asks for and outlives `'c`.
        RawGuard { held: Held(self), _section: NoSection, cx: unsafe { AtomicCx::new() } }
    }
    /// Takes the lock if it is free; never spins.
    #[track_caller]
    pub fn try_lock<'l, 'c, C: Opens<L>>(&'l self, cx: &'c mut C) -> Option<RawGuard<'l, 'c, T, L, C::Section>> {
        let section = cx.open();
        self.word.try_acquire().then(|| RawGuard {
            held: Held(self),
            _section: section,
            // SAFETY: as `lock`.
            cx: unsafe { AtomicCx::new() },
        })
    }
    /// As [`lock_in`](Self::lock_in), if it is free; never spins.
    #[inline(always)]
    pub fn try_lock_in<'l, 'c, M: Covers<L>>(
        &'l self,
        _: &'c AtomicCx<'_, M>,
    ) -> Option<RawGuard<'l, 'c, T, L, NoSection>> {
        self.word.try_acquire().then(|| RawGuard {
            held: Held(self),
            _section: NoSection,
            // SAFETY: as `lock_in`.
            cx: unsafe { AtomicCx::new() },
        })
    }
    /// Runs `f` with the value and the section's token. Smaller than [`lock`](Self::lock), and some instructions slower.
    #[inline(always)]
    #[track_caller]
    pub fn with<C: Opens<L>, R>(&self, cx: &mut C, f: impl FnOnce(&mut T, &mut AtomicCx<'_, L>) -> R) -> R {
        let section = cx.open();
        self.word.acquire_called();
        // SAFETY: as `lock`.
        let mut guard = RawGuard { held: Held(self), _section: section, cx: unsafe { AtomicCx::new() } };
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// The value of a machine that has stopped, whoever holds the lock.
    ///
    /// # Safety
    /// Nobody changes the value while the reference lives.
    #[cfg(not(target_os = "none"))]
    pub(crate) unsafe fn peek(&self) -> &T {
        // SAFETY: the caller's promise.
        unsafe { &*self.value.get() }
    }
    /// Where the value is, for who reads a word of it without the lock.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.value.get()
    }
    /// The word alone, for a lock that spins under some models and sleeps under others.
    pub(crate) fn word(&self) -> &SpinWord {
        &self.word
    }
    /// Whether somebody holds it; out of date as soon as it is known.
    pub fn is_locked(&self) -> bool {
        self.word.is_held()
    }
    /// The value, when nobody else can reach it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<'c, T, L: Level, S: Section> RawGuard<'_, 'c, T, L, S> {
    /// The value and the token, to use both at once.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut T, &mut AtomicCx<'c, L>) {
        // SAFETY: the lock is held and the guard borrowed exclusively.
        (unsafe { &mut *self.held.0.value.get() }, &mut self.cx)
    }
    /// The token alone.
    #[inline(always)]
    pub fn cx(&mut self) -> &mut AtomicCx<'c, L> {
        &mut self.cx
    }
}
impl<T, L: Level, S: Section> Deref for RawGuard<'_, '_, T, L, S> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.held.0.value.get() }
    }
}
impl<T, L: Level, S: Section> DerefMut for RawGuard<'_, '_, T, L, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held and the guard borrowed exclusively.
        unsafe { &mut *self.held.0.value.get() }
    }
}
