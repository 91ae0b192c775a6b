//! How do threads of one CPU exclude each other from what is that CPU's own, under a name? The local lock (LK-09).
//!
//! Under the `rt` model each CPU has a sleeping lock with priority inheritance, and its holder is pinned; under the others the
//! lock is no more than preemption off, or interrupts off. Other CPUs are never waited for.
use super::{
    lock::{Exclusive, Guard, InSection, Lock, Release},
    rtmutex::{Class, RtMutex},
    short::{Held, Masks},
    spinlock::masks,
};
use crate::{
    bh, context_check,
    cx::{Irq, SpinContext, SpinCx, Thread},
    percpu::{self, MAX_CPUS},
    preempt, report, thread,
};
use core::{
    mem::{ManuallyDrop, MaybeUninit},
    panic::Location,
};

/// The kind of lock that each CPU's part of a [`LocalLock`] is.
pub struct Local(RtMutex);
/// What a holder of a local lock has: the token of its section.
pub struct LocalHeld<'c, L> {
    held: Held,
    cx: SpinCx<'c, L>,
}

/// A value for each CPU, which one thread of that CPU uses at a time.
pub struct LocalLock<T>([Lock<T, Local>; MAX_CPUS]);
/// This CPU's value is held while this lives. It borrows the token of the context it was taken in.
pub type LocalGuard<'l, 'c, T, L = Thread> = Guard<'l, T, Local, LocalHeld<'c, L>>;

// SAFETY: one holder at a time has the value.
unsafe impl<T: Send> Sync for Lock<T, Local> {}

impl<L> Release<Local> for LocalHeld<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &Local) {
        self.held.end(&backend.0);
    }
}
impl<L> Exclusive for LocalHeld<'_, L> {}
impl<'c, L> InSection for LocalHeld<'c, L> {
    type Cx = SpinCx<'c, L>;
    #[inline(always)]
    fn token(&mut self) -> &mut SpinCx<'c, L> {
        &mut self.cx
    }
}

#[cold]
#[inline(never)]
fn not_nested(site: &'static Location<'static>) {
    if report::once_a_second(site) {
        let (site, name) = (report::Site(Some(site)), thread::current().name());
        report::warn!("lock_nested_bh at {} with bottom halves enabled, by {}", site, name);
    }
}

impl<T> LocalLock<T> {
    /// A free lock with these values by CPU number. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(values: [T; MAX_CPUS]) -> Self {
        let values = ManuallyDrop::new(values);
        let mut each = [const { MaybeUninit::<Lock<T, Local>>::uninit() }; MAX_CPUS];
        let mut n = 0;
        while n < MAX_CPUS {
            // SAFETY: each value is read once, and never dropped where it was.
            let value = unsafe { core::ptr::from_ref(&values).cast::<T>().add(n).read() };
            each[n] = MaybeUninit::new(Lock::with_backend(Local(RtMutex::new(Class::LocalLock)), value));
            n += 1;
        }
        // SAFETY: all of them were written, and they are not dropped as what they were.
        Self(unsafe { core::mem::transmute_copy(&each) })
    }
    /// `masks`: what level `L` asks for.
    #[inline(always)]
    #[track_caller]
    fn take<'l, 'c, L>(&'l self, masks: Masks) -> LocalGuard<'l, 'c, T, L> {
        context_check::might_wait();
        let held = Held::open(masks);
        // From here on the thread stays on its CPU.
        let this = &self.0[percpu::this().id.get()];
        held.acquire(&this.backend.0);
        // SAFETY: just taken, in a context whose token the callers borrow for as long as the guard is there.
        unsafe { this.guard(LocalHeld { held, cx: SpinCx::new() }) }
    }
    /// Takes this CPU's lock.
    #[track_caller]
    pub fn lock<'l, 'c, C: SpinContext<Thread>>(&'l self, cx: &'c mut C) -> LocalGuard<'l, 'c, T> {
        let _ = cx;
        self.take(masks::<Thread>())
    }
    /// As [`lock`](Self::lock), for a value that ordinary interrupt handlers use too: where the lock does not sleep, interrupts
    /// are off.
    #[track_caller]
    pub fn lock_irq<'l, 'c, C: SpinContext<Irq>>(&'l self, cx: &'c mut C) -> LocalGuard<'l, 'c, T, Irq> {
        let _ = cx;
        self.take(masks::<Irq>())
    }
    /// As [`lock`](Self::lock), inside a section with bottom halves disabled. Where that keeps the others out, no more than
    /// a second holder is looked for; under `rt` it is this lock that does. With bottom halves enabled it warns, and is as
    /// `lock`. Who takes it this way does so everywhere (Linux `local_lock_nested_bh`).
    #[track_caller]
    pub fn lock_nested_bh<'l, 'c, C: SpinContext<Thread>>(&'l self, cx: &'c mut C) -> LocalGuard<'l, 'c, T> {
        let _ = cx;
        if bh::excludes() {
            return self.take(Masks::Nothing);
        }
        if !preempt::context::in_softirq() {
            not_nested(Location::caller());
        }
        self.take(masks::<Thread>())
    }
    /// Takes this CPU's lock if it is free and nobody more urgent waits for it.
    #[track_caller]
    pub fn try_lock<'l, 'c, C: SpinContext<Thread>>(&'l self, cx: &'c mut C) -> Option<LocalGuard<'l, 'c, T>> {
        let _ = cx;
        context_check::might_wait();
        let mut held = Held::open(masks::<Thread>());
        let this = &self.0[percpu::this().id.get()];
        if held.try_acquire(&this.backend.0) {
            // SAFETY: as `take`.
            return Some(unsafe { this.guard(LocalHeld { held, cx: SpinCx::new() }) });
        }
        held.close();
        None
    }
    /// A CPU's lock, for tests of who gets it.
    #[cfg(not(target_os = "none"))]
    pub fn pending(&self, cpu: usize) -> &dyn super::Pending {
        &self.0[cpu].backend.0
    }
}
