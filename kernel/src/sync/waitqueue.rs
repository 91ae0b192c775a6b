//! How do threads wait for a condition, the most urgent first? The wait queue (LK-10).
//!
//! A waiter announces itself and then looks; who changes the condition looks for waiters afterwards ([`super::wait`]). With a
//! mutex it cannot look with its sleep announced, because it may have to sleep to get that: it queues, looks, and then
//! announces its sleep unless it was taken out of the queue since.
use super::{
    condition::ConditionLock,
    raw::RawSpinLock,
    wait::{ByPriority, Limits, Sorted, is_killed, park, reported, resort},
};
use crate::{
    context_check,
    cx::{AtomicCx, Context, Irq, ThreadCx},
    error::{Error, Result},
    sched,
    thread::{self, Ref, State},
    time::Instant,
};
use core::cmp::Ordering;
use hw::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use logic::plist::PList;

/// Threads that wait for a condition, the most urgent first.
pub struct WaitQueue {
    waiters: RawSpinLock<Waiters, Irq>,
    /// Not 0 while threads are between announcing themselves and having their answer.
    waiting: AtomicU32,
    name: &'static str,
}

/// Two lists, so that a [`WaitQueue::wake_all`] ends: whoever waits again while it lasts is in the other one.
struct Waiters {
    lists: [PList<Ref, ByPriority>; 2],
    /// Counts the calls of `wake_all`; its lowest bit says to which list waiters come.
    round: usize,
}

impl Waiters {
    const fn new() -> Self {
        Self { lists: [PList::new(), PList::new()], round: 0 }
    }
    /// The waiters whom a `wake_all` is waking.
    fn leaving(&mut self) -> &mut PList<Ref, ByPriority> {
        &mut self.lists[!self.round & 1]
    }
    /// The list in which a waiter is if it is in any.
    fn list_of(&mut self, waiter: Ref) -> &mut PList<Ref, ByPriority> {
        &mut self.lists[waiter.waiting.list() & 1]
    }
    /// Nothing happens if it is among the waiters already.
    fn insert(&mut self, waiter: Ref) {
        if self.lists[self.round & 1].insert(waiter) {
            waiter.waiting.set_list(self.round & 1);
        }
    }
    /// The most urgent of all; of equals, the one that has waited longer.
    fn pop_first(&mut self) -> Option<Ref> {
        let [first, second] = &self.lists;
        let list = match first.first_level().cmp(&second.first_level()) {
            Ordering::Greater => 0,
            Ordering::Less => 1,
            Ordering::Equal => !self.round & 1,
        };
        self.lists[list].pop_first()
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Sorted for WaitQueue {
    fn resort(&self, waiter: Ref) {
        // SAFETY: interrupts are masked, which `resort` asks for; the token does not leave this function.
        let masked = unsafe { AtomicCx::<Irq>::new() };
        resort(self.waiters.lock_in(&masked).list_of(waiter), waiter);
    }
}

impl WaitQueue {
    /// A queue without waiters.
    pub const fn new() -> Self {
        Self::named("wait_event")
    }
    /// A queue whose waiters show `name` as what they wait for.
    pub const fn named(name: &'static str) -> Self {
        Self { waiters: RawSpinLock::new(Waiters::new()), waiting: AtomicU32::new(0), name }
    }

    /// Waits until `f` gives a value. `f` runs under `lock`, which is not held while the thread sleeps, and may not sleep.
    pub fn wait_until<K: ConditionLock, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &K,
        f: impl FnMut(&mut K::Value, &mut K::Cx<'_>) -> Option<R>,
    ) -> R {
        match self.wait_locked(cx, lock, Limits::none(self.name), f) {
            Ok(value) => value,
            Err(_) => crate::report::bug!("a wait without limits ended early"),
        }
    }
    /// As [`wait_until`](Self::wait_until), until `deadline` at most, or until the thread is interrupted.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut), [`Interrupted`](crate::Error::Interrupted); `f` gave no value when it was last asked.
    pub fn wait_until_deadline<K: ConditionLock, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &K,
        deadline: Instant,
        f: impl FnMut(&mut K::Value, &mut K::Cx<'_>) -> Option<R>,
    ) -> Result<R> {
        self.wait_locked(cx, lock, Limits { interruptible: true, ..Limits::until(deadline, self.name) }, f)
    }
    /// As [`wait_until`](Self::wait_until), unless the thread is interrupted.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted); `f` gave no value when it was last asked.
    pub fn wait_until_interruptible<K: ConditionLock, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &K,
        f: impl FnMut(&mut K::Value, &mut K::Cx<'_>) -> Option<R>,
    ) -> Result<R> {
        self.wait_locked(cx, lock, Limits::interruptible(self.name), f)
    }
    /// Waits until `condition` holds, which reads atomics.
    pub fn wait_event(&self, cx: &mut ThreadCx, mut condition: impl FnMut() -> bool) {
        let result = self.wait(cx, &Limits::none(self.name), false, &mut |_| condition());
        if result.is_err() {
            crate::report::bug!("a wait without limits ended early");
        }
    }
    /// As [`wait_event`](Self::wait_event), until `deadline` at most, or until the thread is interrupted.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut), [`Interrupted`](crate::Error::Interrupted); `condition` did not hold when it was
    /// last asked.
    pub fn wait_event_until(
        &self,
        cx: &mut ThreadCx,
        deadline: Instant,
        mut condition: impl FnMut() -> bool,
    ) -> Result<()> {
        let limits = Limits { interruptible: true, ..Limits::until(deadline, self.name) };
        self.wait(cx, &limits, false, &mut |_| condition())
    }

    fn wait_locked<K: ConditionLock, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &K,
        limits: Limits,
        mut f: impl FnMut(&mut K::Value, &mut K::Cx<'_>) -> Option<R>,
    ) -> Result<R> {
        let mut found = None;
        let mut check = |cx: &mut ThreadCx| {
            found = lock.look(cx, &mut f);
            found.is_some()
        };
        let ended = self.wait(cx, &limits, K::SLEEPS, &mut check);
        // A wait that ends well ends with a value.
        ended.and_then(|()| found.ok_or(Error::TimedOut))
    }

    /// As [`wait_event`](Self::wait_event), until `f` gives a value or a limit is met.
    #[track_caller]
    pub(crate) fn wait_within<R>(
        &self,
        cx: &mut ThreadCx,
        limits: &Limits,
        mut f: impl FnMut() -> Option<R>,
    ) -> Result<R> {
        let mut found = None;
        let ended = self.wait(cx, limits, false, &mut |_| {
            found = f();
            found.is_some()
        });
        ended.and_then(|()| found.ok_or(Error::TimedOut))
    }

    /// Waits until `check` says that it is over: one body for whatever is waited for. `sleeps`: the check may wait for a
    /// lock, and leaves the thread running.
    #[inline(never)]
    #[track_caller]
    fn wait(
        &self,
        cx: &mut ThreadCx,
        limits: &Limits,
        sleeps: bool,
        check: &mut dyn FnMut(&mut ThreadCx) -> bool,
    ) -> Result<()> {
        context_check::might_sleep(cx);
        if check(cx) {
            return Ok(());
        }
        let me = Ref(thread::current());
        self.waiting.fetch_add(1, SeqCst);
        me.waiting.stand_in(Some(self));
        let result = loop {
            // Announce, then look.
            self.waiters.with(cx, |waiters, _| {
                waiters.insert(me);
                if !sleeps {
                    sched::set_state(limits.state());
                }
            });
            me.waiting.keep_place(me);
            if check(cx) {
                sched::set_state(State::Running);
                break Some(Ok(()));
            }
            if sleeps && !self.announce_unless_woken(cx, me, limits) {
                continue;
            }
            let parked = park(limits);
            if is_killed() {
                break None;
            }
            if let Err(error) = parked {
                // A wake-up that came with the time-out or the interruption counts.
                break Some(if check(cx) { Ok(()) } else { Err(error) });
            }
        };
        let was_woken = self.waiters.with(cx, |waiters, _| !waiters.list_of(me).remove(me));
        me.waiting.stand_in(None);
        self.waiting.fetch_sub(1, Relaxed);
        match result {
            Some(result) => reported(result),
            None => {
                // It takes nothing, so the next one may.
                if was_woken {
                    self.wake_one(cx);
                }
                thread::exit(cx)
            }
        }
    }

    /// The second half of announcing a wait, after the condition was looked at: whoever changed it since has taken the
    /// thread out of the queue, under its lock. False: then it has to look again.
    fn announce_unless_woken(&self, cx: &mut ThreadCx, me: Ref, limits: &Limits) -> bool {
        let queued = self.waiters.with(cx, |_, _| {
            let queued = me.waiting.is_queued();
            if queued {
                sched::set_state(limits.state());
            }
            queued
        });
        me.waiting.keep_place(me);
        queued
    }

    /// Whether anybody waits, without taking the lock. Asked *after* the condition was changed with SeqCst, and it is
    /// read with SeqCst: then a "no" means that whoever comes later sees the condition ([`logic::wakeflag`]).
    #[inline(always)]
    pub(crate) fn is_waited_on(&self) -> bool {
        self.waiting.load(SeqCst) != 0
    }
    /// Wakes the most urgent waiter. False if there was none.
    pub fn wake_one(&self, cx: &impl Context) -> bool {
        let _ = cx;
        self.wake_first()
    }
    #[inline(never)]
    fn wake_first(&self) -> bool {
        let off = crate::irq_flags::Off::new();
        let first = self.waiters.lock_in(off.cx()).pop_first();
        if let Some(first) = first {
            // If it runs already, it is on its way to look at its condition.
            sched::wake_masked(first);
        }
        drop(off);
        first.is_some()
    }
    /// Wakes every waiter, one at a time with interrupts enabled in between: for threads only.
    ///
    /// One that finds its condition false and waits again is not woken twice.
    pub fn wake_all(&self, cx: &mut ThreadCx) {
        let mut round = None;
        while let Some(first) = self.waiters.with(cx, |waiters, _| match round {
            // A later call has woken all whom this one still had to wake.
            Some(round) if round != waiters.round => None,
            Some(_) => waiters.leaving().pop_first(),
            // First those of an earlier call that was preempted.
            None => waiters.leaving().pop_first().or_else(|| {
                waiters.round = waiters.round.wrapping_add(1);
                round = Some(waiters.round);
                waiters.leaving().pop_first()
            }),
        }) {
            sched::wake(first);
        }
    }
}
