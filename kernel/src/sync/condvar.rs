//! How does a thread wait for a change of what a mutex protects? The condition variable (RM-15).
//!
//! It stands in the queue before it gives the mutex back, so whoever changes the value finds it. A notification is handed over
//! under the queue's lock, so it has one of {notified, timed out}, never neither.
//!
//! `notify_all` lets nobody thunder: all who wait are notified at once, in order of urgency, but woken one after the other.
//! Each has its *turn* when the one before it owns the mutex, wakes up, lines up for the mutex behind that one, lends it
//! its priority, and passes the turn on when it owns the mutex itself. So of any number of notified threads one at a time
//! is awake and without the mutex, and it is the most urgent one.
//!
//! ```text
//! waits ──notify_one──────────────────────────► awake ──► owns the mutex
//!   └─────notify_all──► notified ──its turn──► awake ──► owns the mutex, passes the turn on
//! ```
use super::{
    mutex::{self, MutexGuard},
    raw::RawSpinLock,
    wait::{self, ByPriority, Given, Limits, Sorted, resort, until_granted},
};
use crate::{
    context_check,
    cx::{AtomicCx, Context, Irq, ThreadCx},
    error::Result,
    irq_flags::Off,
    sched,
    thread::{self, Ref, State},
    time::Instant,
};
use core::cmp::Ordering;
use logic::plist::PList;

/// What the waiters show.
const WCHAN: &str = "condvar";

/// Lists of threads that wait; one of them for those that come while a `notify_all` takes the others over.
const WAITS: usize = 2;
/// The list of threads that were notified and have yet to have their turn.
const NOTIFIED: usize = WAITS;
/// In no list: it has its turn.
const IN_TURN: usize = NOTIFIED + 1;

/// Threads that wait for a change of what a mutex protects: all of one condition variable of the same mutex.
///
/// A wait may end without a notification of its own, so it is for a condition that is looked at again.
///
/// ```
/// # kernel::simulation::boot(Default::default(), "", |cx| {
/// use kernel::{sync::{Condvar, Mutex}, thread};
/// static READY: Mutex<bool> = Mutex::new(false);
/// static CHANGED: Condvar = Condvar::new();
/// let mut waiter = thread::spawn(cx, "waiter", |cx| {
///     let mut ready = READY.lock(cx);
///     while !*ready {
///         ready = CHANGED.wait(ready, cx);
///     }
/// }).unwrap();
/// *READY.lock(cx) = true;
/// CHANGED.notify_one(cx);
/// waiter.join(cx).unwrap();
/// # });
/// ```
pub struct Condvar {
    queue: RawSpinLock<Queue, Irq>,
}

struct Queue {
    lists: [PList<Ref, ByPriority>; WAITS + 1],
    /// Counts the calls of `notify_all`; its lowest bit says to which list waiters come.
    round: usize,
    /// Somebody has its turn.
    in_turn: bool,
}

impl Queue {
    fn arriving(&self) -> usize {
        self.round % WAITS
    }
    fn leaving(&self) -> usize {
        (self.round + 1) % WAITS
    }
    fn put(&mut self, list: usize, waiter: Ref) {
        self.lists[list].insert(waiter);
        waiter.waiting.set_list(list);
    }
    /// The list in which a waiter is if it is in any.
    fn list_of(&mut self, waiter: Ref) -> Option<&mut PList<Ref, ByPriority>> {
        self.lists.get_mut(waiter.waiting.list())
    }
    /// The most urgent that waits; of equals, the one that has waited longer.
    fn pop_waiter(&mut self) -> Option<Ref> {
        let (arriving, leaving) = (self.arriving(), self.leaving());
        let list = match self.lists[arriving].first_level().cmp(&self.lists[leaving].first_level()) {
            Ordering::Greater => arriving,
            Ordering::Less | Ordering::Equal => leaving,
        };
        self.lists[list].pop_first()
    }
    /// The next that a `notify_all` notifies, which begins with `round` `None`.
    fn pop_leaving(&mut self, round: &mut Option<usize>) -> Option<Ref> {
        let left = match *round {
            // A later call has notified all whom this one still had to.
            Some(round) if round != self.round => return None,
            _ => self.lists[self.leaving()].pop_first(),
        };
        // First those of an earlier call that was preempted.
        if left.is_some() || round.is_some() {
            return left;
        }
        self.round = self.round.wrapping_add(1);
        *round = Some(self.round);
        self.lists[self.leaving()].pop_first()
    }
    /// Gives the turn to the most urgent that was notified.
    fn pass_on(&mut self) -> Option<Ref> {
        let next = self.lists[NOTIFIED].pop_first();
        self.in_turn = next.is_some();
        next.inspect(|next| {
            next.waiting.set_list(IN_TURN);
            next.waiting.grant();
        })
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl Sorted for Condvar {
    fn resort(&self, waiter: Ref) {
        // SAFETY: interrupts are masked, which `resort` asks for; the token does not leave this function.
        let masked = unsafe { AtomicCx::<Irq>::new() };
        let mut queue = self.queue.lock_in(&masked);
        if let Some(list) = queue.list_of(waiter) {
            resort(list, waiter);
        }
    }
}

impl Condvar {
    /// Without waiters.
    pub const fn new() -> Self {
        let lists = [const { PList::new() }; WAITS + 1];
        Self { queue: RawSpinLock::new(Queue { lists, round: 0, in_turn: false }) }
    }
    /// Gives the mutex back, waits until it is notified, and takes the mutex again.
    #[track_caller]
    pub fn wait<'l, T>(&self, guard: MutexGuard<'l, T>, cx: &mut ThreadCx) -> MutexGuard<'l, T> {
        // Without limits it ends when it was notified.
        self.wait_limited(guard, cx, &Limits::none(WCHAN)).0
    }
    /// As [`wait`](Self::wait), until `deadline` at most: then [`TimedOut`](crate::Error::TimedOut). The mutex is taken again
    /// in any case, which may last longer.
    #[track_caller]
    pub fn wait_until<'l, T>(
        &self,
        guard: MutexGuard<'l, T>,
        cx: &mut ThreadCx,
        deadline: Instant,
    ) -> (MutexGuard<'l, T>, Result<()>) {
        self.wait_limited(guard, cx, &Limits::until(deadline, WCHAN))
    }
    /// As [`wait`](Self::wait), unless the thread is interrupted: then [`Interrupted`](crate::Error::Interrupted). The mutex
    /// is taken again in any case.
    #[track_caller]
    pub fn wait_interruptible<'l, T>(
        &self,
        guard: MutexGuard<'l, T>,
        cx: &mut ThreadCx,
    ) -> (MutexGuard<'l, T>, Result<()>) {
        self.wait_limited(guard, cx, &Limits::interruptible(WCHAN))
    }

    #[track_caller]
    fn wait_limited<'l, T>(
        &self,
        guard: MutexGuard<'l, T>,
        cx: &mut ThreadCx,
        limits: &Limits,
    ) -> (MutexGuard<'l, T>, Result<()>) {
        context_check::might_sleep(cx);
        let me = Ref(thread::current());
        me.waiting.begin();
        me.waiting.stand_in(Some(self));
        self.queue.with(cx, |queue, _| queue.put(queue.arriving(), me));
        let (guard, (result, in_turn)) = mutex::unlocked(guard, cx, |cx| {
            let result = self.sleep(cx, me, limits);
            me.waiting.stand_in(None);
            let in_turn = me.waiting.is_granted() && me.waiting.list() == IN_TURN;
            if wait::is_killed() {
                if in_turn {
                    self.pass_turn();
                }
                self.leave_killed(cx, result.is_ok() && !in_turn);
            }
            (result, in_turn)
        });
        if in_turn {
            self.pass_turn();
        }
        if wait::is_killed() {
            drop(guard);
            self.leave_killed(cx, result.is_ok() && !in_turn);
        }
        (guard, wait::reported(result))
    }
    /// Until it is notified or a limit is met; stands in the queue.
    fn sleep(&self, cx: &mut ThreadCx, me: Ref, limits: &Limits) -> Result<()> {
        // The state comes first: a notification looks the other way round.
        sched::set_state(limits.state());
        if me.waiting.is_granted() {
            sched::set_state(State::Running);
            return Ok(());
        }
        until_granted(cx, limits, wait::park, |cx| {
            self.queue.with(cx, |queue, _| {
                let notified = me.waiting.is_granted() || me.waiting.list() == NOTIFIED;
                if !me.waiting.is_granted() {
                    // Notified or not, nobody has to wake it any more.
                    queue.list_of(me).map(|list| list.remove(me));
                }
                if notified { Given::Handed } else { Given::Up }
            })
        })
    }
    /// The running thread was killed and holds nothing: a notification that was for it alone goes to somebody else.
    fn leave_killed(&self, cx: &mut ThreadCx, notified: bool) -> ! {
        if notified {
            self.notify_one(cx);
        }
        thread::exit(cx)
    }
    #[inline(never)]
    fn pass_turn(&self) {
        let off = Off::new();
        let next = self.queue.lock_in(off.cx()).pass_on();
        if let Some(next) = next {
            sched::wake_last(next, off);
        }
    }

    /// Notifies the most urgent waiter; of equals, the one that has waited longer. False if there was none. From any context;
    /// one that holds the mutex should give it back first, or the notified thread wakes up to wait for it.
    pub fn notify_one(&self, cx: &impl Context) -> bool {
        let _ = cx;
        let off = Off::new();
        let mut queue = self.queue.lock_in(off.cx());
        // Under the lock, where a waiter whose limit is met asks for it.
        let first = queue.pop_waiter().inspect(|first| first.waiting.grant());
        drop(queue);
        if let Some(first) = first {
            sched::wake_last(first, off);
        }
        first.is_some()
    }
    /// Notifies all who wait now, in order of urgency, with interrupts enabled in between: for threads only. Each wakes up
    /// when the one before it owns the mutex.
    pub fn notify_all(&self, cx: &mut ThreadCx) {
        let _ = cx;
        let mut round = None;
        loop {
            let off = Off::new();
            let mut queue = self.queue.lock_in(off.cx());
            let Some(waiter) = queue.pop_leaving(&mut round) else { return };
            queue.put(NOTIFIED, waiter);
            let first = if queue.in_turn { None } else { queue.pass_on() };
            drop(queue);
            if let Some(first) = first {
                sched::wake_last(first, off);
            }
        }
    }
}
