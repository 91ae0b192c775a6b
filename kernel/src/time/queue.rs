//! Which timer expires next on this CPU, and who runs its callback?
//!
//! A timer is in the queue of the CPU that started it last, its *base*; whoever wants it takes that queue's lock.
//! The queue's lock is never held in a callback. An interrupt serves one expired timer and then arms the device again; when
//! more are due it fires at once. So interrupts are masked for one callback at a time, however many timers expire together,
//! and whoever is more urgent gets in between. A sleeping thread's own timer has no callback: the interrupt takes it out, arms the
//! device, and wakes the thread last, as that of a threaded line does.
use super::{Instant, Restart, instant_to_ticks, now, sleep::sleeper};
use crate::{
    cx::{self, HardIrqCx},
    irq_flags,
    percpu::{self, PerCpu},
    preempt::Balance,
    report,
    sync::raw::RawSpinLock,
    thread::{self, Ref},
    trace,
};
use core::cell::Cell;
use hw::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire, Release},
};
use logic::timerq::{InsertError, Pos, Timed, TimerQueue};

/// Timers that one CPU can have queued.
pub const MAX_TIMERS: usize = 512;
/// Immediate re-expiries, with always something due, after which the timers give up for a while (Linux `hrtimer_interrupt`).
const MAX_RETRIES: usize = 3;
/// Longest that it gives up for.
const MAX_HANG_NS: u64 = 100_000_000;

/// A timer, embedded in what it belongs to. Where it lies must not change while it is queued.
pub(crate) struct TimerCore {
    /// The CPU whose queue it is in or was in last; null before it was started. Changed under that queue's lock.
    base: AtomicPtr<PerCpu>,
    expiry: Cell<u64>,
    seq: Cell<u64>,
    pos: Pos,
    on_expiry: OnExpiry,
}

pub(crate) type Callback = fn(&TimerCore, &mut HardIrqCx<'_>) -> Restart;

/// What a timer's expiry does.
#[derive(Clone, Copy)]
pub(crate) enum OnExpiry {
    /// Calls this in the interrupt.
    Call(Callback),
    /// Wakes the thread whose own it is.
    WakeSleeper,
}

// SAFETY: the cells are touched under the queue's lock, or by the callback while nobody else does.
unsafe impl Sync for TimerCore {}
// SAFETY: a timer is not tied to the CPU that made it.
unsafe impl Send for TimerCore {}

impl TimerCore {
    pub(crate) const fn new(on_expiry: OnExpiry) -> Self {
        Self {
            base: AtomicPtr::new(core::ptr::null_mut()),
            expiry: Cell::new(0),
            seq: Cell::new(0),
            pos: Pos::new(),
            on_expiry,
        }
    }
    /// Whether it is queued; out of date as soon as it is known, unless its CPU asks under its own lock.
    #[inline(always)]
    pub(crate) fn is_queued(&self) -> bool {
        self.pos.is_queued()
    }
    fn base(&self) -> Option<&'static PerCpu> {
        // SAFETY: an area of `percpu`, or null; areas are never freed.
        unsafe { self.base.load(Acquire).cast_const().as_ref() }
    }
    fn is_based_on(&self, cpu: Option<&'static PerCpu>) -> bool {
        core::ptr::eq(self.base.load(Acquire), cpu.map_or(core::ptr::null(), core::ptr::from_ref))
    }
    pub(crate) fn expiry(&self) -> Instant {
        Instant(self.expiry.get())
    }
    /// For a callback that restarts its timer.
    pub(crate) fn set_expiry(&self, at: Instant) {
        self.expiry.set(at.0);
    }
}

/// A queued timer: it stays where it is until it is out of the queue and not running.
#[derive(Clone, Copy)]
struct Handle(*const TimerCore);
impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}
impl Eq for Handle {}
impl Handle {
    fn get(&self) -> &TimerCore {
        // SAFETY: `start` and `cancel`: whoever owns the timer takes it out before it goes away.
        unsafe { &*self.0 }
    }
}
impl Timed for Handle {
    fn key(&self) -> (u64, u64) {
        (self.get().expiry.get(), self.get().seq.get())
    }
    fn pos(&self) -> &Pos {
        // SAFETY: as `get`; the lifetime is that of the handle's borrow.
        unsafe { &(*self.0).pos }
    }
}
// SAFETY: a handle is used under the queue's lock only.
unsafe impl Send for Handle {}

struct Inner {
    queue: TimerQueue<Handle, MAX_TIMERS>,
    /// Whose callback runs on this CPU.
    running: Option<Handle>,
    /// A running timer was started or cancelled meanwhile: its own `Restart` does not count.
    touched: bool,
    /// Expiry that the device is armed for, `u64::MAX` if none.
    armed: u64,
    /// Since when there was always something due, and how often a timer was due again as soon as its callback was over.
    behind_since: Option<Instant>,
    again: usize,
    interrupts: u64,
    hangs: u64,
}

/// One CPU's timers.
pub(crate) struct CpuTimers(RawSpinLock<Inner, cx::Irq>);

impl CpuTimers {
    pub(crate) const fn new() -> Self {
        Self(RawSpinLock::new(Inner {
            queue: TimerQueue::new(),
            running: None,
            touched: false,
            armed: u64::MAX,
            behind_since: None,
            again: 0,
            interrupts: 0,
            hangs: 0,
        }))
    }
    /// Interrupts of the event device, and how often it gave up on callbacks that take longer than their period.
    pub(crate) fn counts(&self) -> (u64, u64) {
        locked(self, |inner| (inner.interrupts, inner.hangs))
    }
}

/// What is wrong with the timers of a CPU, if something is. For moments at which nothing changes.
pub(crate) fn verify(cpu: &'static PerCpu) -> Option<&'static str> {
    locked(&cpu.timers, |inner| {
        if !inner.queue.verify() {
            return Some("the heap of timers is out of order");
        }
        if !inner.queue.iter().all(|timer| timer.get().is_based_on(Some(cpu))) {
            return Some("a timer is queued on a CPU that is not its base");
        }
        // Later than that it would be late; earlier is one interrupt too many.
        let late = inner.queue.next_expiry().is_some_and(|next| inner.armed > next);
        late.then_some("the device is armed for later than the first timer")
    })
}

/// For tests of the verifier: the first timer of this CPU expires an hour later than its queue believes.
#[cfg(not(target_os = "none"))]
pub(crate) fn delay_first_timer() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    locked(&percpu::this().timers, |inner| {
        if let Some(first) = inner.queue.first() {
            first.get().expiry.set(first.get().expiry.get() + HOUR_NS);
        }
    });
}

#[track_caller]
fn locked<R>(timers: &CpuTimers, f: impl FnOnce(&mut Inner) -> R) -> R {
    let off = irq_flags::Off::new();
    let result = f(&mut timers.0.lock_in(off.cx()));
    drop(off);
    result
}

impl Inner {
    /// Arms the device for the earliest timer.
    fn arm(&mut self) {
        let next = self.queue.next_expiry().unwrap_or(u64::MAX);
        if next != self.armed {
            self.arm_for(next);
        }
    }
    #[inline(always)]
    fn arm_for(&mut self, next: u64) {
        self.armed = next;
        match next {
            u64::MAX => hw::clock::disarm(),
            at => hw::clock::arm(instant_to_ticks(Instant(at))),
        }
    }
    fn insert(&mut self, timer: Handle) -> Result<(), InsertError> {
        let t = timer.get();
        t.seq.set(self.queue.next_seq());
        self.queue.insert(timer)
    }
}

/// Queues a timer, which is taken out first if it is queued. False if the queue is full. Interrupts may be masked.
///
/// The caller keeps the timer in place until it is neither queued nor running ([`cancel`]).
pub(crate) fn start_masked(timer: &TimerCore, at: Instant) -> bool {
    let handle = Handle(timer);
    // The CPU stays the same until the timer is in its queue.
    let off = irq_flags::Off::new();
    let here = percpu::this();
    let started = loop {
        let Some(cpu) = timer.base() else {
            // Whoever starts it first at the same moment decides whose lock guards it.
            let _ = timer.base.compare_exchange(
                core::ptr::null_mut(),
                core::ptr::from_ref(here).cast_mut(),
                AcqRel,
                Acquire,
            );
            continue;
        };
        let elsewhere = !core::ptr::eq(cpu, here);
        let done = locked(&cpu.timers, |inner| {
            if !timer.is_based_on(Some(cpu)) {
                return None;
            }
            inner.queue.remove(handle);
            let running = inner.running == Some(handle);
            if elsewhere && !running {
                timer.base.store(core::ptr::from_ref(here).cast_mut(), Release);
                return None;
            }
            if running {
                // It stays with the CPU that runs it, whose interrupt arms the device at its end.
                inner.touched = true;
            }
            timer.expiry.set(at.0);
            let inserted = inner.insert(handle).is_ok();
            if !elsewhere {
                inner.arm();
            }
            Some(inserted)
        });
        if let Some(inserted) = done {
            break inserted;
        }
    };
    drop(off);
    started
}

/// What a cancellation found.
pub(crate) enum Was {
    Idle,
    Queued,
    /// Its callback is running; `here`: on this CPU, so that we are the callback or called by it.
    Running {
        here: bool,
    },
}

/// Takes a timer out. When its callback runs, it will not restart, but is not over.
pub(crate) fn cancel(timer: &TimerCore) -> Was {
    let handle = Handle(timer);
    let off = irq_flags::Off::new();
    let was = loop {
        let base = timer.base();
        let Some(cpu) = base else { break Was::Idle };
        let done = locked(&cpu.timers, |inner| {
            if !timer.is_based_on(base) {
                return None;
            }
            let was_queued = inner.queue.remove(handle);
            if inner.running == Some(handle) {
                inner.touched = true;
                return Some(Was::Running { here: core::ptr::eq(cpu, percpu::this()) });
            }
            // The device stays armed: one interrupt too many costs less than arming it at every wake-up.
            Some(if was_queued { Was::Queued } else { Was::Idle })
        });
        if let Some(was) = done {
            break was;
        }
    };
    drop(off);
    was
}

/// Before a CPU waits: a timer that was cancelled must not wake it.
pub(crate) fn entering_idle() {
    // Interrupts are masked: the CPU stays the same.
    locked(&percpu::this().timers, Inner::arm);
}

/// The event device's interrupt. The answer: whose sleep is over; to wake that thread is left to the end of the interrupt.
#[inline(always)]
pub(crate) fn interrupt(cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    let mut inner = percpu::this().timers.0.lock(cx);
    let now = now();
    inner.interrupts += 1;
    let Some(timer) = inner.queue.pop_expired(now.0) else {
        inner.rearm(now);
        return None;
    };
    match timer.get().on_expiry {
        // From here on it is nobody's but its thread's, which may be awake already and start it again.
        OnExpiry::WakeSleeper => {
            inner.rearm(now);
            trace::record(trace::TIMER, timer.get().expiry.get(), 0);
            Some(sleeper(timer.get()))
        }
        OnExpiry::Call(callback) => {
            inner.begin(timer, now);
            drop(inner);
            call(timer, callback, cx);
            None
        }
    }
}

#[inline(never)]
fn call(timer: Handle, callback: Callback, cx: &mut HardIrqCx<'_>) {
    trace::record(trace::TIMER, timer.get().expiry.get(), 0);
    let me = thread::current();
    let balance = Balance::begin(me);
    let restart = callback(timer.get(), cx);
    balance.end(me, "timer callback");
    let hung = percpu::this().timers.0.with(cx, |inner, _| {
        let now = now();
        let hung = inner.finish(timer, restart, now);
        inner.rearm(now);
        hung
    });
    if let Some(spent) = hung {
        report::warn!("timer interrupt took too long, {} ns", spent);
    }
}

impl Inner {
    /// A timer that was taken out begins its callback.
    fn begin(&mut self, timer: Handle, now: Instant) {
        self.behind_since.get_or_insert(now);
        self.running = Some(timer);
        self.touched = false;
    }
    /// A callback is over: queues its timer again if it shall run again. `Some`: callbacks take longer than their periods;
    /// threads get as many nanoseconds as that has cost by now.
    fn finish(&mut self, timer: Handle, restart: Restart, now: Instant) -> Option<u64> {
        self.running = None;
        if restart == Restart::No || self.touched {
            return None;
        }
        let t = timer.get();
        if t.expiry.get() <= now.0 {
            self.again += 1;
        }
        let spent = (self.again > MAX_RETRIES).then(|| now.0 - self.behind_since.unwrap_or(now).0);
        if let Some(spent) = spent {
            self.hangs += 1;
            self.caught_up();
            t.expiry.set(now.0.saturating_add(spent.min(MAX_HANG_NS)));
        }
        // It was in the queue a moment ago, so there is room.
        let _ = self.insert(timer);
        spent
    }
    /// The end of an interrupt. It comes again at once if timers are due.
    #[inline(always)]
    fn rearm(&mut self, now: Instant) {
        let next = self.queue.next_expiry().unwrap_or(u64::MAX);
        if next > now.0 {
            self.caught_up();
        } else {
            self.behind_since.get_or_insert(now);
        }
        // Whatever it was armed for has passed.
        self.arm_for(next);
    }
    fn caught_up(&mut self) {
        (self.behind_since, self.again) = (None, 0);
    }
}
