//! How does a thread wait for a condition without missing the wake-up?
//!
//! It announces itself first and looks afterwards: queued and in its waiting state, *then* it checks the condition. A
//! waker changes the condition first and looks for waiters afterwards. Whichever order the two meet in, one sees the
//! other (LK-10.4); the run queue's lock decides the last step (`sched::block`).
use crate::{
    cx::ThreadCx,
    error::{Error, Result},
    sched,
    thread::{self, Ref, State, signal},
    time::{Instant, sleep},
};
use core::{cell::Cell, ptr::NonNull};
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
    /// In which list of a queue that has several it is; under that queue's lock.
    list: Cell<usize>,
    /// What it lends, on its stack, to whoever ends its wait, for as long as it is in a list.
    pub(super) parcel: Cell<*const ()>,
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
            parcel: Cell::new(core::ptr::null()),
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
    #[inline(always)]
    pub(crate) fn keep_place(&self, me: Ref) {
        if let Some(queue) = self.sorted.get() {
            self.keep_place_in(queue, me);
        }
    }
    #[inline(never)]
    fn keep_place_in(&self, queue: NonNull<dyn Sorted>, me: Ref) {
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
            // One that was woken may have to wait for a mutex before it looks at its condition.
            (false, true) if waits && !me.inheritance.is_queued() => Some("waits by priority, but is in no queue"),
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
    /// Whether its thread stands among waiters by priority. Under the queue's lock.
    pub(crate) fn is_queued(&self) -> bool {
        self.node.is_queued()
    }
    pub(crate) fn list(&self) -> usize {
        self.list.get()
    }
    pub(crate) fn set_list(&self, list: usize) {
        self.list.set(list);
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

/// Gives the CPU away once, the state being announced. Says why the wait should end, if it should: with no timer to be had for
/// its deadline, its time is up.
#[inline(never)]
pub(crate) fn park(limits: &Limits) -> Result<()> {
    park_timed(limits).map_err(|error| if error == Error::NoResource { Error::TimedOut } else { error })
}
/// As [`park`], in place as far as there are no limits: for the paths that are counted.
#[inline(always)]
pub(crate) fn park_in_place(limits: &Limits) -> Result<()> {
    if limits.deadline.is_some() || limits.interruptible {
        return park(limits);
    }
    let me = thread::current();
    me.waiting.wchan.set(limits.wchan);
    sched::block_in_place();
    me.waiting.wchan.set("");
    Ok(())
}
/// As [`park`], but says [`Error::NoResource`] if the timer queue is full.
#[inline(always)]
pub(crate) fn park_timed(limits: &Limits) -> Result<()> {
    let me = thread::current();
    // After the state is visible: `thread::interrupt` looks the other way round.
    if limits.interruptible && me.signals.load(SeqCst) != 0 {
        sched::set_state(State::Running);
        return Err(Error::Interrupted);
    }
    me.waiting.wchan.set(limits.wchan);
    let ended = match limits.deadline {
        None => {
            sched::block();
            Ok(())
        }
        Some(deadline) => sleep::block_until(me, deadline),
    };
    me.waiting.wchan.set("");
    if limits.interruptible && me.signals.load(Relaxed) != 0 { Err(Error::Interrupted) } else { ended }
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
///
/// `park`: [`park`] or [`park_in_place`].
#[inline(always)]
pub(crate) fn until_granted(
    cx: &mut ThreadCx,
    limits: &Limits,
    park: impl Fn(&Limits) -> Result<()>,
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
