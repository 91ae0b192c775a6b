//! What is a thread?
//!
//! A [`Thread`] is never freed, only used again: whoever holds a stale reference finds a dead or another thread, never
//! freed memory. Its fields are grouped by what guards them.
use crate::{
    atomic_word::Word32,
    bh,
    cx::ThreadCx,
    error::{Error, Result},
    percpu::{self, PerCpu},
    preempt::Preempt,
    rcu,
    sync::{
        robust::Holds,
        rtmutex::{Inheritance, Reads},
        short::SpinDepth,
        wait::Waiting,
    },
    time::{OnExpiry, TimerCore},
};
use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::AtomicU32 as OwnWord;
use hw::{
    atomic::{
        AtomicPtr, AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    context::Context,
};
use logic::{
    cpus::CpuSet,
    list::{Linked, Links},
    policy::{LevelCell, Policy},
    runqueue::{Movable, OnMovable, OnRunQueue},
    slice::Slice,
    wakeflag::Announced,
};

mod exit;
mod join;
mod spawn;
pub(crate) mod table;

pub use exit::exit;
pub use join::JoinHandle;
pub use spawn::{Builder, MIN_STACK, spawn};
pub use table::{Info, MAX_THREADS, for_each, info, interrupt, kill, live};

/// Longest name in bytes; longer ones are cut.
pub const NAME_LEN: usize = 31;
/// A thread's name.
pub type Name = heapless::String<NAME_LEN>;

/// Names a thread for as long as it lives; never used for another one within 2^22 spawns of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u32);

impl ThreadId {
    /// The number of every CPU's idle thread.
    pub const IDLE: Self = Self(0);
}

impl core::fmt::Display for ThreadId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It runs or is ready.
    Running = 0,
    /// It waits; a wake-up, an interruption or a kill ends the wait.
    Interruptible = 1,
    /// It waits; only a wake-up ends the wait.
    Uninterruptible = 2,
    /// It has ended.
    Dead = 4,
    /// It was not started yet: a wake-up meant for the one before it in its slot finds nobody.
    New = 8,
    /// It waits for a lock that keeps the state which it had before; only that lock's wake-up ends the wait, any other one
    /// counts for the state that is kept.
    LockWait = 16,
}

impl State {
    /// The letter that `ps` shows.
    pub const fn letter(self) -> char {
        match self {
            State::Running => 'R',
            State::Interruptible => 'S',
            State::Uninterruptible | State::New | State::LockWait => 'D',
            State::Dead => 'X',
        }
    }
    /// Whether a wake-up would make it ready.
    #[inline(always)]
    pub(crate) fn is_waiting(raw: u32) -> bool {
        raw & (State::Interruptible as u32 | State::Uninterruptible as u32) != 0
    }
    fn from_raw(raw: u32) -> Self {
        match raw {
            0 => State::Running,
            1 => State::Interruptible,
            2 => State::Uninterruptible,
            8 => State::New,
            16 => State::LockWait,
            _ => State::Dead,
        }
    }
}

bitflags::bitflags! {
    /// What makes a switch to or from a thread more than the plain case; none for a FIFO thread.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Traits: u8 {
        /// Shares its level's time: RR or fair.
        const SLICED = 1 << 0;
        /// May no longer run on its CPU, or makes room there: leaves it at the next preemption.
        const LEAVES = 1 << 1;
        /// Goes behind its equals, not before them, when it is preempted next (SC-02.4).
        const TO_TAIL = 1 << 2;
        /// The thread of last resort.
        const IDLE = 1 << 3;
    }
}
impl Traits {
    pub(crate) const PLAIN: Self = Self::empty();
    /// What a switch from or to the thread has to look at.
    pub(crate) const AT_SWITCH: Self = Self::SLICED.union(Self::LEAVES);
}

/// A thread's control block.
#[repr(C)]
pub struct Thread {
    // Changed under the lock of its home's run queue, and by the thread itself on its way to sleep. It comes first because
    // SeqCst accesses take an address without an offset.
    pub(crate) state: Announced<Word32>,

    // The running thread's own, changed only by the CPU that runs it.
    pub(crate) preempt: Preempt,
    pub(crate) context: Context,
    pub(crate) spins: SpinDepth,
    pub(crate) bh: bh::Disabled,

    // Changed under the lock of its home's run queue.
    /// The CPU whose run queue's lock guards this group: it runs there, is ready there, or was there last.
    home: AtomicPtr<PerCpu>,
    /// The CPUs that it may run on.
    pub(crate) affinity: Cell<CpuSet>,
    pub(crate) move_links: Links<Ref>,
    pub(crate) among_movable: Cell<bool>,
    pub(crate) level: LevelCell,
    pub(crate) traits: Cell<Traits>,
    pub(crate) run_links: Links<Ref>,
    pub(crate) policy: Cell<Policy>,
    pub(crate) slice: Cell<Slice>,
    /// Counter ticks that it has run.
    pub(crate) runtime: Cell<u64>,
    /// The state that it goes back to when it has the lock that it waits for.
    pub(crate) kept_state: Cell<u32>,

    /// How many of its guards keep it on its CPU; its own, read by others while it does not run.
    pub(crate) pins: OwnWord,

    // Guarded by the lock of whatever it waits on.
    pub(crate) waiting: Waiting,

    // Has a lock of its own, the pi lock; `policy` and `level` are changed under both this and the run queue's.
    pub(crate) inheritance: Inheritance,

    /// What it holds for reading; its own.
    pub(crate) reads: Reads,

    // Under RCU's lock.
    pub(crate) rcu_place: rcu::Place,
    /// Its own until it ends, then RCU's.
    vacated: rcu::Head,

    // Its own, and the timer's interrupt.
    pub(crate) sleep: TimerCore,
    /// Bits of [`signal`].
    pub(crate) signals: AtomicU32,

    /// Its number from when it is listed until it ends, else 0; what [`table::find`] goes by, without a lock.
    number: AtomicU32,

    // Written before it runs for the first time.
    pub(crate) identity: UnsafeCell<Identity>,
    pub(crate) body: UnsafeCell<Option<spawn::Body>>,
    pub(crate) joiner: UnsafeCell<Option<alloc::sync::Arc<dyn join::Joiner>>>,

    /// The robust mutexes that it holds; its own.
    pub(crate) robust: Holds,
}

/// What asks a thread to stop waiting.
pub(crate) mod signal {
    pub const INTERRUPT: u32 = 1;
    pub const KILL: u32 = 2;
}

/// Who a thread is; written while nobody else can see the thread.
pub(crate) struct Identity {
    pub id: ThreadId,
    pub name: Name,
    pub stack: (usize, usize),
    pub kind: Kind,
    /// Counter value at its start.
    pub born: u64,
}

/// What a thread is for, where that restricts what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing special.
    Ordinary,
    /// Runs threaded handlers.
    Irq,
    /// Serves the kernel itself.
    Service,
    /// Runs when nobody else is ready.
    Idle,
}

// SAFETY: every field says in its group what serialises access to it; `Cell`s are touched under that only.
unsafe impl Sync for Thread {}
// SAFETY: a thread's fields are not tied to the CPU that made them.
unsafe impl Send for Thread {}

impl Thread {
    pub(crate) const fn new() -> Self {
        let policy = crate::sched::NORMAL;
        Self {
            preempt: Preempt::new(0),
            context: Context::empty(),
            spins: SpinDepth::new(),
            bh: bh::Disabled::new(),
            state: Announced::new(Word32::new(State::Dead as u32)),
            home: AtomicPtr::new(core::ptr::null_mut()),
            affinity: Cell::new(CpuSet::ALL),
            move_links: Links::new(),
            among_movable: Cell::new(false),
            pins: OwnWord::new(0),
            level: LevelCell::new(policy.level()),
            traits: Cell::new(Traits::SLICED),
            run_links: Links::new(),
            policy: Cell::new(policy),
            slice: Cell::new(Slice::full(logic::slice::FAIR_SLICE_NS)),
            runtime: Cell::new(0),
            kept_state: Cell::new(State::Running as u32),
            inheritance: Inheritance::new(),
            reads: Reads::new(),
            rcu_place: rcu::Place::new(),
            vacated: table::vacated(),
            waiting: Waiting::new(),
            sleep: TimerCore::new(OnExpiry::WakeSleeper),
            signals: AtomicU32::new(0),
            number: AtomicU32::new(0),
            identity: UnsafeCell::new(Identity {
                id: ThreadId(0),
                name: Name::new(),
                stack: (0, 0),
                kind: Kind::Ordinary,
                born: 0,
            }),
            body: UnsafeCell::new(None),
            joiner: UnsafeCell::new(None),
            robust: Holds::new(),
        }
    }
    /// Whether this is the thread of that number, which has not ended. Under the lock of its home's run queue it does not leave
    /// its slot, under its pi lock it does not end.
    pub(crate) fn is_listed_as(&self, id: ThreadId) -> bool {
        self.number.load(Acquire) == id.0
    }
    /// Whether it has not ended, being the thread of that number a moment ago. Its pi lock is held.
    #[inline(always)]
    pub(crate) fn has_number(&self, number: u32) -> bool {
        self.number.load(Relaxed) == number
    }
    /// It ends: nobody finds it any more. Its pi lock is held.
    pub(crate) fn give_up_number(&self) {
        self.number.store(0, Release);
    }
    /// The CPU that it runs on, is ready on, or ran on last. Stable under the lock of that CPU's run queue only.
    #[inline(always)]
    pub(crate) fn home(&self) -> &'static PerCpu {
        // SAFETY: an area of `percpu`, stored when the thread was made and whenever it moves; areas are never freed.
        unsafe { &*self.home.load(Acquire) }
    }
    /// Whether that is this CPU.
    #[inline(always)]
    pub(crate) fn is_at(&self, cpu: &'static PerCpu) -> bool {
        core::ptr::eq(self.home.load(Relaxed), cpu)
    }
    /// The lock of its home's run queue is held and it is out of the queue, or nobody else sees it.
    pub(crate) fn set_home(&self, cpu: &'static PerCpu) {
        self.home.store(core::ptr::from_ref(cpu).cast_mut(), Release);
    }
    /// Whether it may run on a CPU. The lock of its home's run queue is held.
    pub(crate) fn may_run_on(&self, cpu: &'static PerCpu) -> bool {
        if self.is_pinned() { self.is_at(cpu) } else { self.affinity.get().contains(cpu.id.get()) }
    }
    /// Whether a guard keeps it on its home.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pins.load(core::sync::atomic::Ordering::Relaxed) != 0
    }
    /// Whether it may run on another CPU than its home. The lock of its home's run queue is held.
    pub(crate) fn may_leave(&self) -> bool {
        let elsewhere = percpu::online().without(self.home().id.get());
        !self.is_pinned() && !self.affinity.get().and(elsewhere).is_empty()
    }
    pub(crate) fn identity(&self) -> &Identity {
        // SAFETY: written only while the thread is in nobody's hands (spawn, before it is listed).
        unsafe { &*self.identity.get() }
    }
    pub(crate) fn state(&self) -> State {
        State::from_raw(self.state.get())
    }
    /// Its name, at most [`NAME_LEN`] bytes.
    pub fn name(&self) -> &str {
        &self.identity().name
    }
    /// Its number, as a word.
    #[inline(always)]
    pub(crate) fn number(&self) -> u32 {
        self.identity().id.0
    }
    /// Its number.
    pub fn id(&self) -> ThreadId {
        self.identity().id
    }
}

/// A thread, by reference; copyable and compared by identity.
#[derive(Clone, Copy)]
pub(crate) struct Ref(pub &'static Thread);
impl PartialEq for Ref {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}
impl Eq for Ref {}
impl core::ops::Deref for Ref {
    type Target = Thread;
    #[inline(always)]
    fn deref(&self) -> &Thread {
        self.0
    }
}
impl Linked<OnRunQueue> for Ref {
    #[inline(always)]
    fn links(&self) -> &Links<Self> {
        &self.0.run_links
    }
}

impl Linked<OnMovable> for Ref {
    #[inline(always)]
    fn links(&self) -> &Links<Self> {
        &self.0.move_links
    }
}
impl Movable for Ref {
    fn is_movable(&self) -> bool {
        self.0.may_leave()
    }
    fn among_movable(&self) -> &Cell<bool> {
        &self.0.among_movable
    }
}

/// The running thread.
#[inline(always)]
pub fn current() -> &'static Thread {
    // SAFETY: the register holds a thread from the first instruction of `boot` on, and threads are never freed.
    unsafe { &*hw::cpu::current().cast() }
}

/// Number of the running thread.
pub fn current_id() -> ThreadId {
    current().id()
}

/// Lets equals of the running thread run first; returns at once when there are none.
pub fn yield_now(cx: &mut ThreadCx) {
    let _ = cx;
    crate::sched::yield_now();
}

/// Bytes of the running thread's stack that were ever used, in whole words; 0 where stacks are not painted.
pub fn stack_high_water() -> usize {
    table::high_water(current())
}

/// Whether the running thread was interrupted since it last waited or asked; a kill takes effect here.
pub fn interrupted(cx: &mut ThreadCx) -> bool {
    let me = current();
    if me.signals.load(Relaxed) == 0 {
        return false;
    }
    if me.signals.load(Relaxed) & signal::KILL != 0 {
        exit(cx);
    }
    me.signals.fetch_and(!signal::INTERRUPT, Relaxed) & signal::INTERRUPT != 0
}

/// The policy of a live thread.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread.
pub fn policy(id: ThreadId) -> Result<Policy> {
    table::find(id).map(|t| t.policy.get()).ok_or(Error::NotFound)
}
