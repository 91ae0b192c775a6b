//! How does one side tell another that something has happened? The completion (LK-10).
//!
//! Completing before anybody waits is remembered, so there is no order to get wrong.
use crate::{
    bugs::{self, Bug},
    context_check,
    cx::{AtomicCx, Context, Irq, ThreadCx},
    error::Result,
    irq_flags, report, sched,
    sync::{
        raw::RawSpinLock,
        wait::{self, ByPriority, Given, Limits, Sorted, is_killed, reported, until_granted},
    },
    thread::{self, Ref},
    time::Instant,
};
use logic::plist::PList;

/// `done` of a completion that is complete for everybody.
const ALL: u32 = u32::MAX;

struct Inner {
    /// Waits that may pass at once.
    done: u32,
    waiters: PList<Ref, ByPriority>,
}

/// An event that can be waited for: each [`complete`](Self::complete) lets one wait pass.
pub struct Completion {
    inner: RawSpinLock<Inner, Irq>,
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}

impl Sorted for Completion {
    fn resort(&self, waiter: Ref) {
        // SAFETY: interrupts are masked, which `resort` asks for; the token does not leave this function.
        let masked = unsafe { AtomicCx::<Irq>::new() };
        wait::resort(&mut self.inner.lock_in(&masked).waiters, waiter);
    }
}

impl Completion {
    /// Not complete.
    pub const fn new() -> Self {
        Self { inner: RawSpinLock::new(Inner { done: 0, waiters: PList::new() }) }
    }
    /// Waits until it is complete.
    #[track_caller]
    pub fn wait(&self, cx: &mut ThreadCx) {
        // Without limits only a completion ends the wait.
        let _ = self.wait_limited(cx, Limits::none("completion"));
    }
    /// Waits until it is complete, until `deadline` at most.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut): no completion was taken.
    #[track_caller]
    pub fn wait_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<()> {
        self.wait_limited(cx, Limits::until(deadline, "completion"))
    }
    /// Waits until it is complete unless the thread is interrupted.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted): no completion was taken.
    #[track_caller]
    pub fn wait_interruptible(&self, cx: &mut ThreadCx) -> Result<()> {
        self.wait_limited(cx, Limits::interruptible("completion"))
    }
    /// Takes a completion if there is one.
    pub fn try_wait(&self, cx: &mut ThreadCx) -> bool {
        self.inner.with(cx, |inner, _| inner.take())
    }
    /// Whether a wait would pass at once.
    pub fn is_done(&self) -> bool {
        self.locked(|inner| inner.done != 0)
    }
    /// Lets one wait pass: the most urgent one, or the next to come. From any context.
    pub fn complete(&self, cx: &impl Context) {
        let _ = cx;
        self.complete_one();
    }
    #[inline(never)]
    fn complete_one(&self) {
        let off = irq_flags::Off::new();
        let mut inner = self.inner.lock_in(off.cx());
        match inner.let_go() {
            Some(first) => {
                drop(inner);
                sched::wake_last(first, off);
            }
            None => {
                if inner.done < ALL - 1 {
                    inner.done += 1;
                }
                drop(inner);
                drop(off);
            }
        }
    }
    /// Lets every wait pass until [`reinit`](Self::reinit). Wakes without bound, so: from threads.
    ///
    /// Called in a hard handler it warns and does it all the same (LK-10.6).
    pub fn complete_all(&self, cx: &impl Context) {
        let _ = cx;
        self.complete_for_all();
    }
    fn complete_for_all(&self) {
        if !crate::preempt::context::in_task() || crate::preempt::context::in_atomic() {
            report::warn!("complete_all in atomic context wakes without bound");
        }
        self.locked(|inner| inner.done = ALL);
        // One at a time, the lock dropped in between.
        while let Some(first) = self.locked(Inner::let_go) {
            sched::wake(first);
        }
    }
    /// Forgets completions.
    pub fn reinit(&self, cx: &mut ThreadCx) {
        self.inner.with(cx, |inner, _| inner.done = 0);
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let off = irq_flags::Off::new();
        let result = f(&mut self.inner.lock_in(off.cx()));
        drop(off);
        result
    }

    #[track_caller]
    fn wait_limited(&self, cx: &mut ThreadCx, limits: Limits) -> Result<()> {
        context_check::might_sleep(cx);
        let me = Ref(thread::current());
        let passed = self.inner.with(cx, |inner, _| {
            if inner.take() {
                return true;
            }
            me.waiting.begin();
            me.waiting.stand_in(Some(self));
            inner.waiters.insert(me);
            sched::set_state(limits.state());
            false
        });
        if passed {
            return Ok(());
        }
        // Completed in the last moment, or off the list (LK-10.3).
        let result = until_granted(cx, &limits, wait::park, |cx| {
            self.inner.with(cx, |inner, _| {
                if me.waiting.is_granted() {
                    return Given::Handed;
                }
                inner.waiters.remove(me);
                Given::Up
            })
        });
        // Whoever completed this is done with it when the lock is free: now the waiter may give its memory back.
        if !bugs::is_on(Bug::CompletionUnheld) {
            self.inner.with(cx, |_, _| ());
        }
        me.waiting.stand_in(None);
        if is_killed() {
            if result.is_ok() {
                self.complete(cx);
            }
            thread::exit(cx);
        }
        reported(result)
    }
}

impl Inner {
    /// Takes the most urgent waiter out. Granted under the lock: one that is off the list without having been let go takes
    /// its wait for over, and may be in the next one when the grant comes.
    fn let_go(&mut self) -> Option<Ref> {
        let first = self.waiters.pop_first()?;
        first.waiting.grant();
        Some(first)
    }
    fn take(&mut self) -> bool {
        match self.done {
            0 => false,
            ALL => true,
            _ => {
                self.done -= 1;
                true
            }
        }
    }
}
