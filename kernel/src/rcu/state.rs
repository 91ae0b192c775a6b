//! What do all CPUs share, and who may change it?
//!
//! One raw lock for all of it, held for a few steps. It comes after a run queue's lock, because a reader is put on its list at a
//! switch; so nobody is woken while it is held. The number of the grace period is kept outside as well, for whoever only asks.
use super::{reader::special, stall, thread as gp};
use crate::{
    atomic_word::Word32,
    bugs::{self, Bug},
    cx::Irq,
    irq_flags::Off,
    percpu::{self, MAX_CPUS},
    sync::raw::RawSpinLock,
    thread::{self, Ref},
    time::{self, Instant},
    trace,
};
use core::cell::Cell;
use hw::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use logic::{
    cpus::CpuSet,
    list::{Linked, Links},
    rcu::{Activity, Blocked, GracePeriod, Needed, OnBlocked, Progress, Seen, Seq},
};

/// A CPU's part.
pub(crate) struct CpuRcu {
    /// Whether it runs anything.
    pub(super) activity: Activity<Word32>,
    /// It is to say whether it is outside of every section: in the interrupt that follows.
    pub(super) asked: AtomicBool,
    pub(super) callbacks: super::callbacks::CpuCallbacks,
}
impl CpuRcu {
    pub(crate) const fn new() -> Self {
        Self {
            activity: Activity::new(Word32::new(1)),
            asked: AtomicBool::new(false),
            callbacks: super::callbacks::CpuCallbacks::new(),
        }
    }
    /// This CPU waits for an interrupt in `wait`, which it takes afterwards. Interrupts are masked.
    #[inline(always)]
    pub(crate) fn outside(&self, wait: impl FnOnce()) {
        self.activity.enter_wait();
        wait();
        if bugs::is_on(Bug::WaitsForEver) {
            return;
        }
        self.activity.leave_wait();
    }
}

/// A thread's part: its place among readers that lost their CPU.
pub(crate) struct Place {
    links: Links<Ref>,
    side: Cell<u8>,
}
impl Place {
    pub(crate) const fn new() -> Self {
        Self { links: Links::new(), side: Cell::new(0) }
    }
}
impl Linked<OnBlocked> for Ref {
    fn links(&self) -> &Links<Self> {
        &self.0.rcu_place.links
    }
}
impl Blocked for Ref {
    fn side(&self) -> &Cell<u8> {
        &self.0.rcu_place.side
    }
}

/// What the lock guards.
pub(super) struct State {
    pub grace: GracePeriod<Ref>,
    /// The latest grace period that somebody asked for, and the latest that is to be hurried.
    pub wanted: Needed,
    pub hurried: Needed,
    /// What was seen of each CPU that the grace period waits for.
    seen: [Option<Seen>; MAX_CPUS],
    /// Since when the grace period in progress goes on; if none does, since when one is wanted that has not begun: since it was asked
    /// for, or the one before it ended.
    pub since: Instant,
    /// How often each CPU was asked in this grace period.
    pub asked: [u32; MAX_CPUS],
    pub boost: super::boost::Boost,
}

hw::global! {
    static STATE: RawSpinLock<State, Irq> = RawSpinLock::new(State {
        grace: GracePeriod::new(),
        wanted: Needed::from_raw(Seq::START.raw()),
        hurried: Needed::from_raw(Seq::START.raw()),
        seen: [None; MAX_CPUS],
        since: Instant::from_ns(0),
        asked: [0; MAX_CPUS],
        boost: super::boost::Boost::new(),
    });
    /// The number of the grace period.
    static SEQ: AtomicU64 = AtomicU64::new(Seq::START.raw());
}

/// Runs `f` under the lock. It must not wake anybody.
pub(super) fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    let off = Off::new();
    let mut state = STATE.lock_in(off.cx());
    let result = f(&mut state);
    let seq = state.grace.seq();
    if seq.raw() != SEQ.load(Relaxed) {
        state.since = time::now();
        publish(seq);
    }
    drop(state);
    off.leave();
    result
}

/// Everybody sees the number.
fn publish(seq: Seq) {
    SEQ.store(seq.raw(), Release);
    let kind = if seq.is_in_progress() { trace::RCU_BEGIN } else { trace::RCU_END };
    trace::record(kind, seq.ended(), 0);
}

/// The number of the grace period. Whoever finds that one has ended sees what its readers did.
#[inline(always)]
pub(super) fn seq() -> Seq {
    Seq::from_raw(SEQ.load(Acquire))
}
/// What is to be reached so that whatever the caller has taken away is nobody's any more.
#[inline(always)]
pub(super) fn needed() -> Needed {
    Activity::<Word32>::before_looking();
    let seq = seq();
    if bugs::is_on(Bug::NeedsTooLittle) && seq.is_in_progress() {
        return Needed::from_raw(seq.next().raw());
    }
    seq.needed()
}

/// Whether a grace period was begun.
pub(super) enum Begun {
    /// One is in progress already.
    No,
    /// It was, at this moment.
    GoesOn(Instant),
    /// It was, and has ended: nobody is there to wait for.
    Ended,
}

impl State {
    /// The CPUs that may be in a section: those that run something, but for this one, whose thread is in none.
    fn running(&mut self) -> CpuSet {
        Activity::<Word32>::before_looking();
        let this = percpu::this().id.get();
        let mut running = CpuSet::EMPTY;
        for cpu in percpu::online().without(this).iter() {
            let seen = percpu::area(cpu).rcu.activity.look();
            self.seen[cpu] = Some(seen);
            if !seen.is_outside() {
                running = running.with(cpu);
            }
        }
        running
    }
    /// Begins a grace period if none is in progress. It ends at once if nobody is there to wait for. Called by a thread that is in
    /// no section.
    pub(super) fn begin(&mut self) -> Begun {
        if self.grace.seq().is_in_progress() {
            return Begun::No;
        }
        self.since = time::now();
        self.asked = [0; MAX_CPUS];
        self.grace.begin();
        // Everybody sees the number before this looks who runs. Otherwise a CPU that begins to run in between could read what
        // another one then takes away, who would take this grace period for one that begins afterwards.
        if !bugs::is_on(Bug::NumberLate) {
            publish(self.grace.seq());
        }
        let running = self.running();
        match self.grace.wait_for(running) {
            Progress::Ended => Begun::Ended,
            Progress::None => Begun::GoesOn(self.since),
        }
    }
    /// Looks once more at the CPUs that are waited for: who has waited for an interrupt meanwhile was outside.
    pub(super) fn look_again(&mut self) -> Progress {
        let mut progress = Progress::None;
        for cpu in self.grace.waits_for().iter() {
            let now = percpu::area(cpu).rcu.activity.look();
            if self.seen[cpu].is_some_and(|before| now.was_outside_since(before)) {
                progress = self.grace.quiescent(cpu);
            }
        }
        progress
    }
    /// Whether somebody waits for a grace period that has not passed yet.
    pub(super) fn is_wanted(&self) -> bool {
        !self.wanted.is_reached(self.grace.seq())
    }
    /// Whether one is in progress, or wanted.
    pub(super) fn goes_on(&self) -> bool {
        self.grace.seq().is_in_progress() || self.is_wanted()
    }
    /// Whether the grace period in progress is to be hurried.
    pub(super) fn is_hurried(&self) -> bool {
        !self.hurried.is_reached(self.grace.seq())
    }
}

/// Asks for a grace period, and for haste if `hurry`. From any context, but under no run queue's lock.
pub(super) fn request(needed: Needed, hurry: bool) {
    let (news, waits) = with(|state| {
        let (wanted, hurried) = (state.wanted, state.hurried);
        let idle = !state.grace.seq().is_in_progress() && !state.is_wanted();
        state.wanted = needed.later(wanted);
        if hurry {
            state.hurried = needed.later(hurried);
        }
        let waits = !state.grace.seq().is_in_progress() && state.is_wanted() && gp::is_started();
        if idle && waits {
            state.since = time::now();
        }
        // One that others asked for may have passed since the caller saw the number, and nobody looks for the caller any more.
        let passed = needed.is_reached(state.grace.seq());
        (passed || state.wanted != wanted || state.hurried != hurried, waits.then_some(state.since))
    });
    // An interrupt has no time for it: the next thread that asks does it, or `rcu_gp` when it begins the grace period.
    if let Some(since) = waits
        && !hw::cpu::in_interrupt()
        && !stall::is_watching()
    {
        stall::watch(since);
    }
    if news {
        gp::tell();
    }
}

/// Whoever sent the interrupt that this CPU serves may want to know whether it is outside of every section (RC-11).
#[inline(always)]
pub(crate) fn asked() {
    if percpu::this().rcu.asked.load(Relaxed) {
        answer();
    }
}
/// The thread that was interrupted is outside unless it has disabled something or is in a section of its own. A section that is in
/// a list speaks for itself: the CPU is outside of every other one.
#[inline(never)]
fn answer() {
    let here = percpu::this();
    here.rcu.asked.store(false, Relaxed);
    let me = &thread::current().preempt;
    if me.own() != 0 {
        return;
    }
    let reads = me.readers() != 0 && me.special() & special::BLOCKED == 0;
    if reads && !bugs::is_on(Bug::AnswersInSection) {
        me.add_special(special::ASKED);
    } else if with(|state| state.grace.quiescent(here.id.get())) == Progress::Ended {
        gp::tell();
    }
}
