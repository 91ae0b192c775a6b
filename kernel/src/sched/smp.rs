//! On which CPU does a ready thread run, if there are several?
//!
//! The rule (SC-11): no thread is ready and does not run while a CPU that it may use runs something less urgent. A thread
//! breaks it when it becomes ready behind another one, and a CPU breaks it when what it runs becomes less urgent. So
//!
//! - whoever leaves a thread waiting in a queue *publishes* how urgent it is, then looks for a less urgent CPU and **pushes**;
//! - whoever makes a CPU less urgent publishes how urgent it is now, then looks for a more urgent thread and **pulls**.
//!
//! Both publish first and look afterwards, with a full fence in between: if the two meet, one of them sees the other
//! ([`logic::balance`]).
//!
//! Nobody holds the locks of two queues. A thread that moves is taken out of its queue, its home is changed under that
//! queue's lock, and it is put into the other queue: in between it is ready, in no queue, and in the hands of whoever
//! moves it. Who wants to change it meanwhile takes the lock of its new home, finds it in no queue, and changes its fields
//! only; the mover looks at them when it queues it. Interrupts are masked all the while, and everything here takes at most
//! one step a CPU.
use super::{
    CpuQueue, Inner, class,
    preempt::{prepare_preemption, stay_ready},
};
use crate::{
    atomic_word::Word32,
    bugs::{self, Bug},
    ipi, mask,
    percpu::{self, MAX_CPUS, PerCpu},
    thread::{self, Ref, State, Traits},
    trace,
};
use core::sync::atomic::AtomicU32 as BootWord;
use logic::{
    balance::{Now, Urgency},
    policy::Level,
    runqueue::{Place, preempts},
};

/// The idle thread's, or nobody's.
const NOBODY: Urgency = 0;

/// How urgent a thread at this level is.
pub(super) fn of_level(level: Level) -> Urgency {
    Urgency::from(level.get()) + 1
}

/// What other CPUs know of a queue without its lock.
pub(super) struct Published {
    /// Other CPUs that run threads; changed while they start, when nobody minds an old value.
    others: BootWord,
    urgencies: Words,
}
type Words = logic::balance::Published<Word32>;

impl Published {
    pub(super) const fn new() -> Self {
        let urgencies = Words::new(Word32::new(NOBODY), Word32::new(NOBODY), Word32::new(NOBODY));
        Self { others: BootWord::new(0), urgencies }
    }
}

impl CpuQueue {
    /// Whether this is the only CPU that runs threads: then nothing in this file is to be done.
    #[inline(always)]
    pub(super) fn is_alone(&self) -> bool {
        self.published.others.load(core::sync::atomic::Ordering::Relaxed) == 0
    }
    pub(crate) fn set_others(&self, others: u32) {
        self.published.others.store(others, core::sync::atomic::Ordering::Relaxed);
    }
    fn known(&self) -> &Words {
        &self.published.urgencies
    }
    /// Tells the other CPUs what is here. The lock is held.
    fn publish(&self, q: &Inner) {
        let first = q.ready.peek().map_or(NOBODY, |(_, level)| of_level(level));
        let next = next_here(q);
        let waits = q.ready.first_movable(|t, _| Some(t) != next).map_or(NOBODY, |(_, level)| of_level(level));
        let stuck = next.is_none()
            && q.ready.movable_level().map_or(NOBODY, of_level) < first
            && q.running.is_some_and(|t| t.may_leave());
        let (runs, bound) = (running_urgency(q).max(first), if stuck { first } else { NOBODY });
        self.known().publish(Now { runs, waits, bound });
    }
}

pub(super) fn running_urgency(q: &Inner) -> Urgency {
    match q.running {
        Some(t) if q.idle != Some(t) => of_level(t.level.get()),
        _ => NOBODY,
    }
}

/// The ready thread that preempts the running one at the next opportunity.
pub(super) fn next_here(q: &Inner) -> Option<Ref> {
    q.ready.peek().filter(|&(_, level)| of_level(level) > running_urgency(q)).map(|(t, _)| t)
}

/// The CPUs but this one, by number.
fn others(here: &PerCpu) -> impl Iterator<Item = &'static PerCpu> + use<> {
    percpu::online().without(here.id.get()).iter().map(percpu::area)
}

/// The least urgent CPU of those that a thread may go to, if it is less urgent than `below`.
fn least_urgent(t: Ref, below: Urgency) -> Option<&'static PerCpu> {
    if t.is_pinned() {
        return None;
    }
    let usable = t.affinity.get().and(percpu::online()).iter().map(percpu::area);
    let least = usable.map(|cpu| (cpu.runqueue.known().runs(), cpu)).min_by_key(|&(runs, _)| runs);
    least.filter(|&(runs, _)| runs < below).map(|(_, cpu)| cpu)
}

/// Takes the lock of a thread's home. Interrupts are masked.
fn lock_home(t: Ref) -> (&'static PerCpu, &'static mut Inner) {
    loop {
        let cpu = t.home();
        // SAFETY: interrupts are masked; unlocked here, or by the caller of this function.
        let q = unsafe { cpu.runqueue.lock() };
        if t.is_at(cpu) {
            return (cpu, q);
        }
        // SAFETY: taken above; it moved in between.
        unsafe { cpu.runqueue.unlock() };
    }
}

/// Runs `f` under the lock of a thread's home.
#[track_caller]
pub(super) fn with_home<R>(t: Ref, f: impl FnOnce(&mut Inner) -> R) -> R {
    let saved = mask::save();
    let (cpu, q) = lock_home(t);
    let result = f(q);
    // SAFETY: taken above.
    unsafe { cpu.runqueue.unlock() };
    mask::restore(saved);
    result
}

/// Runs `f` while a thread does not run and cannot begin to.
///
/// # Errors
/// The thread runs on the CPU of this number.
#[cfg(target_os = "none")]
pub(crate) fn while_suspended<R>(t: Ref, f: impl FnOnce() -> R) -> core::result::Result<R, usize> {
    with_home(t, |q| if q.running == Some(t) { Err(t.home().id.get()) } else { Ok(f()) })
}

/// Runs `f`, which changes a thread, under the lock of its home, and sees to what follows from the change on that CPU. `f`
/// is told whether that is this CPU.
#[track_caller]
pub(super) fn change<R>(t: Ref, f: impl FnOnce(&mut Inner, bool) -> R) -> R {
    let saved = mask::save();
    let here = percpu::this();
    let (home, q) = lock_home(t);
    let local = core::ptr::eq(home, here);
    let result = f(q, local);
    if home.runqueue.is_alone() {
        // SAFETY: taken above.
        unsafe { home.runqueue.unlock() };
    } else {
        // SAFETY: as above.
        unsafe { unlock_and_tell(home, q, local) };
    }
    mask::restore(saved);
    if saved.was_enabled() && thread::current().preempt.preempt_due() != 0 {
        super::preempt();
    }
    result
}

/// # Safety
/// The lock of `cpu`'s queue is held, the queue is `q`, and `q` is not used any more.
unsafe fn unlock_and_tell(cpu: &'static PerCpu, q: &mut Inner, local: bool) {
    cpu.runqueue.publish(q);
    // SAFETY: the caller's promise.
    unsafe { cpu.runqueue.unlock() };
    if local { balance(cpu) } else { ipi::resched(cpu) }
}

/// Drops the lock of this CPU's queue after a change that another CPU may have to know of.
///
/// # Safety
/// The lock is held, the queue is `q`, and `q` is not used any more. Interrupts are masked.
pub(super) unsafe fn unlock_and_balance(here: &'static PerCpu, q: &mut Inner) {
    // SAFETY: the caller's promise.
    unsafe { unlock_and_tell(here, q, true) };
}

/// Second half of a switch where there are several CPUs.
///
/// # Safety
/// As [`super::finish_switch`].
#[inline(never)]
pub(super) unsafe fn finish_switch() {
    loop {
        let here = percpu::this();
        // SAFETY: the lock is held: the previous thread took it on this CPU and left it to us.
        let q = unsafe { &mut *here.runqueue.inner.get() };
        // One that sleeps is placed when it wakes.
        let outgoing = q.outgoing.take().filter(|&t| {
            t.set_home(least_urgent(t, Urgency::MAX).unwrap_or(here));
            t.state() == State::Running
        });
        here.runqueue.publish(q);
        // SAFETY: as above.
        unsafe { here.runqueue.unlock() };
        if let Some(t) = outgoing {
            place(t);
        }
        balance(here);
        // Somebody more urgent may have been pulled: then it runs first.
        if thread::current().preempt.preempt_due() == 0 || is_failing() {
            return;
        }
        let Some((prev, next)) = prepare_preemption() else { return };
        // SAFETY: interrupts are masked; the queue's lock keeps every other CPU from both contexts.
        unsafe { hw::context::switch(&prev.context, &next.context) };
    }
}

/// A test that fails unwinds through here, and nobody else runs.
fn is_failing() -> bool {
    #[cfg(not(target_os = "none"))]
    return std::thread::panicking();
    #[cfg(target_os = "none")]
    false
}

/// Whether a thread that was told to leave this CPU really does: it may not stay, or makes room for a more urgent one than
/// where it can go.
pub(super) fn leaves(q: &Inner, t: Ref) -> bool {
    if !t.may_run_on(percpu::this()) {
        return true;
    }
    let first = q.ready.peek().map_or(NOBODY, |(_, level)| of_level(level));
    least_urgent(t, of_level(t.level.get()).min(first)).is_some()
}

/// `prev` is switched away from: if it goes to sleep where it may no longer run, it wakes elsewhere.
#[inline(never)]
pub(super) fn leave_at_switch(q: &mut Inner, prev: Ref) {
    let traits = prev.traits.get();
    if traits.contains(Traits::LEAVES) {
        prev.traits.set(traits - Traits::LEAVES);
        if State::is_waiting(prev.state.get()) && !prev.may_run_on(percpu::this()) {
            // Not yet: until it has left its stack, this queue's lock is what keeps others from it.
            q.outgoing = Some(prev);
        }
    }
}

/// A waiting thread that is off its CPU may no longer run there: it wakes elsewhere. The lock of its home is held.
pub(super) fn move_home(t: Ref) {
    if let Some(cpu) = least_urgent(t, Urgency::MAX) {
        t.set_home(cpu);
    }
}

/// Makes a waiting thread ready whose home is another CPU. False if it was not waiting.
#[cold]
#[inline(never)]
pub(super) fn wake_elsewhere(t: Ref) -> bool {
    make_ready_elsewhere(t, State::is_waiting)
}

/// Makes a new thread ready that does not begin on this CPU.
#[cold]
#[inline(never)]
pub(super) fn start_elsewhere(t: Ref) {
    make_ready_elsewhere(t, |state| state == State::New as u32);
}

fn make_ready_elsewhere(t: Ref, due: impl FnOnce(u32) -> bool) -> bool {
    let (home, q) = lock_home(t);
    if !due(t.state.look()) {
        // SAFETY: taken above.
        unsafe { home.runqueue.unlock() };
        return false;
    }
    stay_ready(t);
    trace::record(trace::WAKE, u64::from(t.id().0), 0);
    if q.running == Some(t) {
        // On its way to sleep and not off its CPU yet: it will see its state.
        // SAFETY: as above.
        unsafe { home.runqueue.unlock() };
        return true;
    }
    // Where it was before if it runs there at once, else where it displaces the least.
    let urgency = of_level(t.level.get());
    let stays = t.may_run_on(home) && home.runqueue.known().runs() < urgency;
    if !stays && let Some(cpu) = least_urgent(t, if t.may_run_on(home) { urgency } else { Urgency::MAX }) {
        t.set_home(cpu);
    }
    // SAFETY: as above.
    unsafe { home.runqueue.unlock() };
    place(t);
    true
}

/// Queues a ready thread that is in no queue, at its home or where it displaces less. Interrupts are masked.
pub(super) fn place(t: Ref) {
    let here = percpu::this();
    for _ in 0..MAX_CPUS {
        let (home, q) = lock_home(t);
        if !t.may_run_on(home)
            && let Some(cpu) = least_urgent(t, Urgency::MAX)
        {
            // Its affinity changed while it was on its way.
            t.set_home(cpu);
            // SAFETY: taken above.
            unsafe { home.runqueue.unlock() };
            continue;
        }
        let urgency = of_level(t.level.get());
        q.ready.enqueue(t, t.level.get(), Place::Tail);
        let preempting = next_here(q).is_some();
        let kicked = arrive(q, t, core::ptr::eq(home, here));
        home.runqueue.publish(q);
        // SAFETY: as above.
        unsafe { home.runqueue.unlock() };
        if kicked && !core::ptr::eq(home, here) {
            ipi::resched(home);
        }
        // Published; now look: whoever becomes less urgent from here on sees it waiting.
        Words::then_look();
        if preempting {
            return;
        }
        let Some(better) = least_urgent(t, urgency) else { return };
        if !take_back(t, home, better) {
            return;
        }
    }
    // It met a change at every step. It is in no queue now, and its new home takes it as it is.
    let (home, q) = lock_home(t);
    q.ready.enqueue(t, t.level.get(), Place::Tail);
    home.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { home.runqueue.unlock() };
    ipi::resched(home);
}

/// A thread came to a queue: what the running one has to be told. Whether its CPU has to look.
fn arrive(q: &mut Inner, t: Ref, here: bool) -> bool {
    let Some(running) = q.running else { return true };
    let level = t.level.get();
    if q.idle == Some(running) || preempts(level, running.level.get()) {
        running.preempt.want_resched();
        return true;
    }
    let shares = running.traits.get().contains(Traits::SLICED) && running.level.get() == level;
    if shares && here {
        class::equal_arrived(q, running);
    }
    shares
}

/// Takes a thread out of the queue that it was just put into, for a better CPU; false if somebody else has it by now.
fn take_back(t: Ref, from: &'static PerCpu, to: &'static PerCpu) -> bool {
    let (home, q) = lock_home(t);
    let found = core::ptr::eq(home, from) && t.may_run_on(to) && q.ready.dequeue(t, t.level.get());
    if found {
        t.set_home(to);
        from.runqueue.publish(q);
    }
    // SAFETY: taken above.
    unsafe { home.runqueue.unlock() };
    found
}

/// Sends away who waits here and can run elsewhere, fetches who waits elsewhere and can run here. Interrupts are masked, no
/// queue is locked. The running thread may have to be preempted afterwards.
fn balance(here: &'static PerCpu) {
    // What was published is seen by whoever is not seen below.
    Words::then_look();
    for _ in 0..MAX_CPUS {
        if !push(here) {
            break;
        }
    }
    pull(here);
    make_room(here);
}

/// Sends the most urgent waiting thread that finds a better CPU there. False if there is none.
fn push(here: &'static PerCpu) -> bool {
    let waits = here.runqueue.known().waits();
    if bugs::is_on(Bug::NoPush) || waits == NOBODY || others(here).all(|cpu| cpu.runqueue.known().runs() >= waits) {
        return false;
    }
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    let next = next_here(q);
    let mut target = None;
    let found = q.ready.first_movable(|t, level| {
        target = if Some(t) == next { None } else { least_urgent(t, of_level(level)) };
        target.is_some()
    });
    let moved = found.zip(target).filter(|&((t, level), _)| q.ready.dequeue(t, level)).map(|((t, _), cpu)| (t, cpu));
    if let Some((t, cpu)) = moved {
        t.set_home(cpu);
    }
    here.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { here.runqueue.unlock() };
    moved.inspect(|&(t, _)| place(t)).is_some()
}

/// Fetches the most urgent thread that waits elsewhere, if it is more urgent than what runs here.
fn pull(here: &'static PerCpu) {
    if bugs::is_on(Bug::NoPull) {
        return;
    }
    let mut asked = percpu::online().without(here.id.get());
    while let Some(cpu) = asked.iter().map(percpu::area).max_by_key(|cpu| cpu.runqueue.known().waits()) {
        let runs = here.runqueue.known().runs();
        asked = asked.without(cpu.id.get());
        if cpu.runqueue.known().bound() > runs {
            // What runs there could come here: that CPU knows what.
            ipi::resched(cpu);
        }
        if cpu.runqueue.known().waits() > runs && fetch(cpu, here, runs) {
            return;
        }
    }
}

fn fetch(from: &'static PerCpu, here: &'static PerCpu, above: Urgency) -> bool {
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { from.runqueue.lock() };
    let next = next_here(q);
    let found = q.ready.first_movable(|t, level| Some(t) != next && of_level(level) > above && t.may_run_on(here));
    let moved = found.filter(|&(t, level)| q.ready.dequeue(t, level));
    if let Some((t, _)) = moved {
        t.set_home(here);
    }
    from.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { from.runqueue.unlock() };
    moved.inspect(|&(t, _)| place(t)).is_some()
}

/// If the thread that comes next here may run nowhere else, and the running one may run where something less urgent does,
/// the running one goes (SC-11.6).
fn make_room(here: &'static PerCpu) {
    let bound = here.runqueue.known().bound();
    if bugs::is_on(Bug::NoRoom) || bound == NOBODY || others(here).all(|cpu| cpu.runqueue.known().runs() >= bound) {
        return;
    }
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    if let Some(running) = q.running
        && q.idle != Some(running)
        && running.may_leave()
        && leaves(q, running)
    {
        running.traits.set(running.traits.get() | Traits::LEAVES);
        running.preempt.want_resched();
    }
    // SAFETY: taken above.
    unsafe { here.runqueue.unlock() };
}

/// Another CPU has changed something here: in the interrupt that it sent.
pub(crate) fn resched_interrupt() {
    let here = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    if let Some(running) = q.running {
        let traits = running.traits.get();
        if traits.contains(Traits::SLICED) && q.idle != Some(running) && q.ready.has_equal(running.level.get()) {
            class::equal_arrived(q, running);
        }
        if traits.contains(Traits::LEAVES) || next_here(q).is_some() {
            running.preempt.want_resched();
        }
    }
    // SAFETY: taken above.
    unsafe { unlock_and_balance(here, q) };
}

/// The boot CPU, which runs threads already, tells the first other CPU what it runs.
pub(crate) fn introduce() {
    let saved = mask::save();
    let here = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    // SAFETY: taken above.
    unsafe { unlock_and_balance(here, q) };
    mask::restore(saved);
}
