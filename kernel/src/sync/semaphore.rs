//! How do threads share a number of equal things? The counting semaphore (LK-05).
//!
//! No owner and so no priority inheritance; waiters pass in the order they came, whatever their priority. Without
//! waiters `down` and `up` are one compare-exchange each; with waiters `up` hands its unit to the first of them.
use crate::{
    context_check,
    cx::{Context, Irq, ThreadCx},
    error::{Error, Result},
    irq_flags, sched,
    sync::{
        raw::RawSpinLock,
        wait::{ByArrival, Given, Limits, is_killed, park_in_place, reported, until_granted},
    },
    thread::{self, Ref},
    time::Instant,
};
use hw::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use logic::list::List;

/// Set in the word while threads wait; the count is 0 then.
const WAITERS: u32 = 1 << 31;

/// A count that `down` waits to take one from.
pub struct Semaphore {
    word: AtomicU32,
    waiters: RawSpinLock<List<Ref, ByArrival>, Irq>,
}

impl Semaphore {
    /// The largest count.
    pub const MAX: u32 = WAITERS - 1;

    /// A semaphore with this count, at most [`Self::MAX`].
    pub const fn new(count: u32) -> Self {
        assert!(count <= Self::MAX);
        Self { word: AtomicU32::new(count), waiters: RawSpinLock::new(List::new()) }
    }
    /// The count now.
    pub fn count(&self) -> u32 {
        self.word.load(Relaxed) & !WAITERS
    }
    /// Takes one, waiting until there is one.
    #[inline(always)]
    #[track_caller]
    pub fn down(&self, cx: &mut ThreadCx) {
        context_check::might_sleep(cx);
        if !self.take() {
            self.wait_forever(cx);
        }
    }
    /// Takes one unless the thread is interrupted before there is one.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: nothing was taken.
    #[track_caller]
    pub fn down_interruptible(&self, cx: &mut ThreadCx) -> Result<()> {
        context_check::might_sleep(cx);
        if self.take() { Ok(()) } else { self.wait_limited(cx, Limits::interruptible("semaphore")) }
    }
    /// Takes one if there is one before `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: nothing was taken.
    #[track_caller]
    pub fn down_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<()> {
        context_check::might_sleep(cx);
        if self.take() { Ok(()) } else { self.wait_limited(cx, Limits::until(deadline, "semaphore")) }
    }
    /// Takes one if there is one now; from any context.
    pub fn try_down(&self) -> bool {
        self.take()
    }
    #[inline(always)]
    fn take(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        // Not with the flag set either, whatever the count: who has set it may be about to take what it found.
        while word.wrapping_sub(1) < Self::MAX {
            match self.word.compare_exchange_weak(word, word - 1, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }
    /// Gives one back; from any context. Wakes the thread that has waited longest.
    ///
    /// # Errors
    /// [`Error::Overflow`]: the count is [`Self::MAX`].
    #[inline(always)]
    pub fn up(&self, cx: &impl Context) -> Result<()> {
        let _ = cx;
        let mut word = self.word.load(Relaxed);
        while word < Self::MAX {
            match self.word.compare_exchange_weak(word, word + 1, Release, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        self.up_slow()
    }
    #[inline(never)]
    fn up_slow(&self) -> Result<()> {
        let off = irq_flags::Off::new();
        let mut waiters = self.waiters.lock_in(off.cx());
        let Some(first) = waiters.pop_front() else {
            // Full, or the last waiter gave up between the look at the word and the lock. Counted under the lock: no
            // new waiter can overlook it.
            let counted = self.word.fetch_update(Release, Relaxed, |word| (word < Self::MAX).then_some(word + 1));
            return counted.map(drop).map_err(|_| Error::Overflow);
        };
        if waiters.is_empty() {
            self.word.fetch_and(!WAITERS, Relaxed);
        }
        first.waiting.grant();
        drop(waiters);
        sched::wake_last_in_place(first, off);
        Ok(())
    }

    /// Without limits the wait ends when a unit was handed over.
    #[inline(never)]
    fn wait_forever(&self, cx: &mut ThreadCx) {
        let _ = self.wait(cx, Limits::none("semaphore"));
    }
    #[inline(never)]
    fn wait_limited(&self, cx: &mut ThreadCx, limits: Limits) -> Result<()> {
        self.wait(cx, limits)
    }
    #[inline(always)]
    fn wait(&self, cx: &mut ThreadCx, limits: Limits) -> Result<()> {
        let me = Ref(thread::current());
        let queued = self.waiters.with(cx, |waiters, _| {
            // Under the lock an `up` either sees the flag and comes here, or has raised the count already.
            let before = self.word.fetch_or(WAITERS, Acquire);
            if before & !WAITERS != 0 {
                // With the flag set nobody else takes it. Flag and unit in one step: between two, somebody would.
                self.word.fetch_sub(WAITERS + 1, Acquire);
                return false;
            }
            me.waiting.begin();
            waiters.push_back(me);
            sched::set_state(limits.state());
            true
        });
        if !queued {
            return Ok(());
        }
        // Handed over in the last moment, or off the list: never both, never neither (LK-05.7).
        let result = until_granted(cx, &limits, park_in_place, |cx| {
            self.waiters.with(cx, |waiters, _| {
                if me.waiting.is_granted() {
                    return Given::Handed;
                }
                waiters.remove(me);
                if waiters.is_empty() {
                    self.word.fetch_and(!WAITERS, Relaxed);
                }
                Given::Up
            })
        });
        if is_killed() {
            if result.is_ok() {
                // It does not get to use it. Nothing is lost if the count is full.
                let _ = self.up(cx);
            }
            thread::exit(cx);
        }
        reported(result)
    }
}
