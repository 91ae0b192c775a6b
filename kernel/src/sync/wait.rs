//! How does a thread wait for a condition without missing the wake-up?
//!
//! It announces itself first and looks afterwards: queued and in its waiting state, *then* it checks the condition. A
//! waker changes the condition first and looks for waiters afterwards. Whichever order the two meet in, one sees the
//! other (LK-10.4); the run queue's lock decides the last step (`sched::block`).
use crate::{
    context_check,
    cx::{AtomicCx, Context, Irq, Level, Opens, ThreadCx},
    error::{Error, Result},
    sched,
    sync::raw::RawSpinLock,
    thread::{self, Ref, State, signal},
    time::{self, Instant, sleep},
};
use core::{cell::Cell, cmp::Ordering, ptr::NonNull};
use hw::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use logic::{
    list::{Linked, Links},
    plist::{Node, PList, Ranked},
    policy,
};

/// A thread's part in whatever it waits on; it waits on one thing at a time.
pub(crate) struct Waiting {
    /// Place among waiters by priority.
    node: Node<Ref>,
    /// In which list of a [`WaitQueue`] it is.
    list: Cell<usize>,
    /// Place among waiters in order of arrival.
    links: Links<Ref>,
    /// What it waits for was handed to it: a condition as in [`logic::wakeflag`].
    granted: AtomicU32,
    /// Name of what it waits for.
    wchan: Cell<&'static str>,
    /// The queue of waiters by priority in which it stands or stood, until it leaves the wait.
    sorted: Cell<Option<NonNull<dyn Sorted>>>,
}

/// A queue of waiters by priority.
pub(crate) trait Sorted {
    /// Puts a waiter whose level has changed where it belongs now, unless it was taken out already. Interrupts are masked.
    fn resort(&self, waiter: Ref);
}

/// What [`Sorted::resort`] does with the list. A waiter that moves goes behind its new equals.
pub(crate) fn resort(waiters: &mut PList<Ref, ByPriority>, waiter: Ref) {
    if waiters.remove(waiter) {
        waiters.insert(waiter);
    }
}

impl Waiting {
    pub(crate) const fn new() -> Self {
        Self {
            node: Node::new(),
            list: Cell::new(0),
            links: Links::new(),
            granted: AtomicU32::new(0),
            wchan: Cell::new(""),
            sorted: Cell::new(None),
        }
    }
    /// Its thread is about to stand in this queue, and says so again with `None` before it leaves the wait.
    #[inline(always)]
    pub(crate) fn stand_in(&self, queue: Option<&(dyn Sorted + 'static)>) {
        self.sorted.set(queue.map(NonNull::from));
    }
    /// The level of `me`, whose part this is, has changed. Its run queue is locked and it sleeps.
    pub(crate) fn resort(&self, me: Ref) {
        if let Some(queue) = self.sorted.get() {
            // SAFETY: the thread cannot leave its wait without being woken, which needs the run queue's lock; until
            // then it keeps the queue borrowed.
            unsafe { queue.as_ref() }.resort(me);
        }
    }
    /// `me`, whose part this is, has announced itself: if another CPU has changed its level after it was queued by priority,
    /// and before it counted as waiting, it goes where it belongs now. Who changes the level later finds it waiting.
    fn keep_place(&self, me: Ref) {
        let Some(queue) = self.sorted.get() else { return };
        fence(SeqCst);
        if self.is_misplaced(me) {
            let off = crate::irq_flags::Off::new();
            // SAFETY: the thread itself stands in the queue, which it has borrowed until it says that it does not.
            unsafe { queue.as_ref() }.resort(me);
            drop(off);
        }
    }
    /// Whether the level of `me`, whose part this is, is another one than when it was queued by priority.
    fn is_misplaced(&self, me: Ref) -> bool {
        self.node.level() != me.level.get()
    }
    /// What is wrong with the place of `me`, whose part this is, among waiters by priority, if something is. For moments at
    /// which nothing changes.
    pub(crate) fn verify(&self, me: Ref) -> Option<&'static str> {
        let waits = State::is_waiting(me.state.get());
        match (self.node.is_queued(), self.sorted.get().is_some()) {
            (false, true) if waits => Some("waits by priority, but is in no queue"),
            (true, false) => Some("among waiters by priority, but has left the wait"),
            // One that was preempted on its way looks at its level when it goes on.
            (true, true) if waits && self.is_misplaced(me) => Some("waits at another level than its own"),
            (true, true) if !PList::<Ref, ByPriority>::agrees(me) => Some("waits out of order"),
            _ => None,
        }
    }
    /// What its thread is shown to wait for; answers what was shown before.
    pub(crate) fn set_wchan(&self, name: &'static str) -> &'static str {
        self.wchan.replace(name)
    }
    pub(crate) fn wchan(&self) -> &'static str {
        self.wchan.get()
    }
    /// Hands what is waited for to the thread; a wake-up follows.
    #[inline(always)]
    pub(crate) fn grant(&self) {
        self.granted.store(1, SeqCst);
    }
    #[inline(always)]
    pub(crate) fn is_granted(&self) -> bool {
        self.granted.load(SeqCst) != 0
    }
    #[inline(always)]
    pub(crate) fn begin(&self) {
        self.granted.store(0, Relaxed);
    }
}

/// Tag of waiters ordered by priority.
pub(crate) enum ByPriority {}
/// Tag of waiters ordered by arrival.
pub(crate) enum ByArrival {}
impl Ranked<ByPriority> for Ref {
    #[inline(always)]
    fn node(&self) -> &Node<Self> {
        &self.0.waiting.node
    }
    #[inline(always)]
    fn rank(&self) -> policy::Level {
        self.0.level.get()
    }
}
impl Linked<ByArrival> for Ref {
    #[inline(always)]
    fn links(&self) -> &Links<Self> {
        &self.0.waiting.links
    }
}

/// How a wait may end before its condition holds.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub deadline: Option<Instant>,
    pub interruptible: bool,
    pub wchan: &'static str,
}

impl Limits {
    pub(crate) const fn none(wchan: &'static str) -> Self {
        Self { deadline: None, interruptible: false, wchan }
    }
    pub(crate) const fn until(deadline: Instant, wchan: &'static str) -> Self {
        Self { deadline: Some(deadline), interruptible: false, wchan }
    }
    pub(crate) const fn interruptible(wchan: &'static str) -> Self {
        Self { deadline: None, interruptible: true, wchan }
    }
    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        if self.interruptible { State::Interruptible } else { State::Uninterruptible }
    }
}

/// Gives the CPU away once, the state being announced. Says why the wait should end, if it should.
#[inline(always)]
pub(crate) fn park(limits: &Limits) -> Result<()> {
    let me = thread::current();
    // After the state is visible: `thread::interrupt` looks the other way round.
    if limits.interruptible && me.signals.load(SeqCst) != 0 {
        sched::set_state(State::Running);
        return Err(Error::Interrupted);
    }
    me.waiting.wchan.set(limits.wchan);
    match limits.deadline {
        None => sched::block(),
        Some(deadline) => {
            if time::now() >= deadline || !sleep::arm(me, deadline) {
                sched::set_state(State::Running);
                me.waiting.wchan.set("");
                return Err(Error::TimedOut);
            }
            sched::block();
            sleep::disarm(me);
        }
    }
    me.waiting.wchan.set("");
    if limits.interruptible && me.signals.load(Relaxed) != 0 { Err(Error::Interrupted) } else { Ok(()) }
}

/// How a wait that ran out of time or was interrupted ended after all.
pub(crate) enum Given {
    /// What was waited for had been handed over already.
    Handed,
    /// The thread is off the list.
    Up,
}

/// Parks until what the running thread waits for was handed to it. It stands in a queue and has announced its state;
/// `give_up` decides, under the queue's lock, between a hand-over and a limit that meet.
#[inline(always)]
pub(crate) fn until_granted(
    cx: &mut ThreadCx,
    limits: &Limits,
    give_up: impl FnOnce(&mut ThreadCx) -> Given,
) -> Result<()> {
    let me = thread::current();
    loop {
        me.waiting.keep_place(Ref(me));
        let parked = park(limits);
        if me.waiting.is_granted() {
            return Ok(());
        }
        if let Err(error) = parked {
            return match give_up(cx) {
                Given::Handed => Ok(()),
                Given::Up => Err(error),
            };
        }
        sched::set_state(limits.state());
        if me.waiting.is_granted() {
            sched::set_state(State::Running);
            return Ok(());
        }
    }
}

/// After a wait, whose lists the thread has left: a kill takes effect, an interruption is forgotten once reported.
#[inline(always)]
pub(crate) fn settle<T>(cx: &mut ThreadCx, result: Result<T>) -> Result<T> {
    if is_killed() {
        thread::exit(cx);
    }
    reported(result)
}

/// An interruption is forgotten once it is reported.
#[inline(always)]
pub(crate) fn reported<T>(result: Result<T>) -> Result<T> {
    if matches!(result, Err(Error::Interrupted)) {
        thread::current().signals.fetch_and(!signal::INTERRUPT, Relaxed);
    }
    result
}

/// Whether the running thread ends at its next wake-up, which is now: what it was given goes to somebody else.
#[inline(always)]
pub(crate) fn is_killed() -> bool {
    thread::current().signals.load(Relaxed) & signal::KILL != 0
}

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
        &mut self.lists[waiter.waiting.list.get() & 1]
    }
    /// Nothing happens if it is among the waiters already.
    fn insert(&mut self, waiter: Ref) {
        if self.lists[self.round & 1].insert(waiter) {
            waiter.waiting.list.set(self.round & 1);
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

    /// Waits until `f` gives a value. `f` runs under `lock`, which is not held while the thread sleeps.
    pub fn wait_until<T, L: Level, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &RawSpinLock<T, L>,
        f: impl FnMut(&mut T, &mut AtomicCx<'_, L>) -> Option<R>,
    ) -> R
    where
        ThreadCx: Opens<L>,
    {
        match self.wait_locked(cx, lock, Limits::none(self.name), f) {
            Ok(value) => value,
            Err(_) => crate::report::bug!("a wait without limits ended early"),
        }
    }
    /// As [`wait_until`](Self::wait_until), until `deadline` at most, or until the thread is interrupted.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Interrupted`]; `f` gave no value when it was last asked.
    pub fn wait_until_deadline<T, L: Level, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &RawSpinLock<T, L>,
        deadline: Instant,
        f: impl FnMut(&mut T, &mut AtomicCx<'_, L>) -> Option<R>,
    ) -> Result<R>
    where
        ThreadCx: Opens<L>,
    {
        self.wait_locked(cx, lock, Limits { interruptible: true, ..Limits::until(deadline, self.name) }, f)
    }
    /// As [`wait_until`](Self::wait_until), unless the thread is interrupted.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; `f` gave no value when it was last asked.
    pub fn wait_until_interruptible<T, L: Level, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &RawSpinLock<T, L>,
        f: impl FnMut(&mut T, &mut AtomicCx<'_, L>) -> Option<R>,
    ) -> Result<R>
    where
        ThreadCx: Opens<L>,
    {
        self.wait_locked(cx, lock, Limits::interruptible(self.name), f)
    }
    /// Waits until `condition` holds, which reads atomics.
    pub fn wait_event(&self, cx: &mut ThreadCx, mut condition: impl FnMut() -> bool) {
        let result = self.wait(cx, Limits::none(self.name), |_| condition().then_some(()));
        if result.is_err() {
            crate::report::bug!("a wait without limits ended early");
        }
    }

    fn wait_locked<T, L: Level, R>(
        &self,
        cx: &mut ThreadCx,
        lock: &RawSpinLock<T, L>,
        limits: Limits,
        mut f: impl FnMut(&mut T, &mut AtomicCx<'_, L>) -> Option<R>,
    ) -> Result<R>
    where
        ThreadCx: Opens<L>,
    {
        self.wait(cx, limits, |cx| lock.with(cx, &mut f))
    }

    #[track_caller]
    pub(crate) fn wait<R>(
        &self,
        cx: &mut ThreadCx,
        limits: Limits,
        mut check: impl FnMut(&mut ThreadCx) -> Option<R>,
    ) -> Result<R> {
        context_check::might_sleep(cx);
        if let Some(value) = check(cx) {
            return Ok(value);
        }
        let me = Ref(thread::current());
        self.waiting.fetch_add(1, SeqCst);
        me.waiting.stand_in(Some(self));
        let result = loop {
            // Announce, then look.
            self.waiters.with(cx, |waiters, _| {
                waiters.insert(me);
                sched::set_state(limits.state());
            });
            me.waiting.keep_place(me);
            if let Some(value) = check(cx) {
                sched::set_state(State::Running);
                break Some(Ok(value));
            }
            let parked = park(&limits);
            if is_killed() {
                break None;
            }
            if let Err(error) = parked {
                // A wake-up that came with the time-out or the interruption counts.
                break Some(check(cx).ok_or(error));
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

    /// Whether anybody waits, without taking the lock. Asked *after* the condition was changed with SeqCst, and it is
    /// read with SeqCst: then a "no" means that whoever comes later sees the condition ([`logic::wakeflag`]).
    #[inline(always)]
    pub(crate) fn is_waited_on(&self) -> bool {
        self.waiting.load(SeqCst) != 0
    }
    /// Wakes the most urgent waiter. False if there was none.
    #[inline]
    pub fn wake_one(&self, cx: &impl Context) -> bool {
        let _ = cx;
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
