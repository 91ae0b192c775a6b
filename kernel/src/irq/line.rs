//! What can be done with a line while its handler is installed, and how is a handler taken out?
use super::{
    domain::{Descriptor, Irq, gic},
    flow::{Action, apply},
};
use crate::{
    context_check,
    cx::{Context, HardIrqCx, ThreadCx},
    error::{Error, Result},
    percpu, rcu, report, sched,
    sync::{Semaphore, raw::RawSpinLock},
    thread::{self, Builder, Kind, ThreadId},
};
use alloc::boxed::Box;
use hw::{
    atomic::{
        AtomicBool,
        Ordering::{Relaxed, Release},
    },
    gic::Which,
};
use logic::{
    flow::{Chip, InjectError},
    handshake::Wake,
    request::Flags,
};

/// An installed handler. [`free`](Self::free) takes it out; a mere drop does so too, later and with a warning.
#[must_use = "dropping it takes the handler out"]
pub struct Line {
    line: &'static Descriptor,
    irq: Irq,
    action: &'static Action,
}

impl core::fmt::Debug for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Line({} {})", self.irq, self.action.name)
    }
}

impl Line {
    pub(super) fn new(line: &'static Descriptor, irq: Irq, action: &'static Action) -> Self {
        Self { line, irq, action }
    }
    /// The line's number.
    pub fn irq(&self) -> Irq {
        self.irq
    }
    /// The thread that runs the handler, if it has one.
    pub fn thread(&self) -> Option<ThreadId> {
        self.action.thread.get().map(|t| t.id())
    }
    /// How often the thread handler ran.
    pub fn thread_runs(&self) -> u32 {
        self.action.thread_runs.load(Relaxed)
    }
    /// How often the line is disabled; 0: it can fire.
    pub fn depth(&self) -> u32 {
        self.line.with(|g| g.state.depth())
    }

    /// Disables the line once more and waits until no handler of it runs.
    ///
    /// # Errors
    /// [`Error::Deadlock`]: called by the line's own thread; nothing was changed. In an atomic section it warns and
    /// does not wait.
    #[track_caller]
    pub fn disable(&self, cx: &mut ThreadCx) -> Result<()> {
        if self.is_own_thread() {
            return Err(Error::Deadlock);
        }
        self.disable_nosync(cx);
        if context_check::may_sleep() {
            self.synchronize(cx)
        } else {
            context_check::might_sleep(cx);
            Ok(())
        }
    }
    /// Disables the line once more; handlers may still run. From any context.
    pub fn disable_nosync(&self, _: &impl Context) {
        self.line.with(|g| apply_now(g.state.disable(), self.line.intid));
    }
    /// Disables the line once more and waits for hard handlers only. Whether no thread of it is active.
    pub fn disable_hardirq(&self, cx: &impl Context) -> bool {
        self.disable_nosync(cx);
        self.synchronize_hardirq(cx)
    }
    /// Takes one disable back. At depth 0 the line can fire, and an edge that came meanwhile does.
    ///
    /// # Errors
    /// [`Error::Invalid`], with a warning: the line was not disabled.
    pub fn enable(&self, _: &impl Context) -> Result<()> {
        let enabled = self.line.with(|g| g.state.enable().map(|chip| apply_now(chip, self.line.intid)));
        enabled.map_err(|_| {
            report::warn!("unbalanced enable of irq {}", self.irq);
            Error::Invalid
        })
    }
    /// Waits until no handler of the line runs, neither hard nor in a thread, that ran or was due when this was called.
    ///
    /// Nothing inherits the caller's priority: with something more urgent than the line's thread on the CPU, this
    /// waits for that as well (IQ-17.2).
    ///
    /// # Errors
    /// [`Error::Deadlock`]: called by the line's own thread. [`Error::WrongContext`], with a warning: in an atomic
    /// section.
    #[track_caller]
    pub fn synchronize(&self, cx: &mut ThreadCx) -> Result<()> {
        if self.is_own_thread() {
            return Err(Error::Deadlock);
        }
        context_check::must_sleep(cx)?;
        synchronize(self.line, cx);
        Ok(())
    }
    /// Waits for hard handlers on other CPUs; never sleeps. Whether no thread of the line is active.
    pub fn synchronize_hardirq(&self, _: &impl Context) -> bool {
        wait_hard(self.line, None);
        !self.line.is_pending()
    }
    /// Wakes the thread as if the hard handler had asked for it. False if there is none.
    pub fn wake_thread(&self, _: &impl Context) -> bool {
        let Some(thread) = self.action.thread.get() else { return false };
        if self.action.run.wake(Wake::PLAIN) {
            sched::wake(thread);
        }
        true
    }
    /// Raises an edge line through the controller.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a level line, which only its device can raise. [`Error::Busy`]: the last one has not arrived.
    pub fn inject(&self, _: &impl Context) -> Result<()> {
        self.line.with(|g| match g.state.inject() {
            Ok(chip) => {
                apply_now(chip, self.line.intid);
                Ok(())
            }
            Err(InjectError::Replay) => Err(Error::Busy),
            Err(_) => Err(Error::Invalid),
        })
    }
    /// Sets the line's hardware priority: smaller is more urgent, in steps of 8.
    ///
    /// # Errors
    /// [`Error::Range`]: so urgent or so lax that the controller would not deliver it as asked.
    pub fn set_hw_priority(&self, _: &impl Context, priority: u8) -> Result<()> {
        /// Least urgent priority that the CPU interface admits, with five implemented bits.
        const LIMIT: u8 = 0xf0;
        if priority >= LIMIT {
            return Err(Error::Range);
        }
        gic().set_priority(percpu::this().gic_local(), self.line.intid, priority).map_err(|_| Error::Range)
    }

    /// Takes the handler out: when this returns it does not run and will not. Gives the handler's name back.
    ///
    /// # Errors
    /// The handler stays installed: [`Error::Deadlock`]: called by its own thread. [`Error::WrongContext`], with a
    /// warning: in an atomic section.
    #[track_caller]
    pub fn free(self, cx: &mut ThreadCx) -> core::result::Result<thread::Name, (Self, Error)> {
        if self.is_own_thread() {
            return Err((self, Error::Deadlock));
        }
        if let Err(error) = context_check::must_sleep(cx) {
            return Err((self, error));
        }
        let (line, action) = (self.line, self.action);
        core::mem::forget(self);
        let name = action.name.clone();
        release(cx, line, action, Dropped::No);
        Ok(name)
    }

    fn is_own_thread(&self) -> bool {
        let me = thread::Ref(thread::current());
        self.line.actions(&rcu::section()).any(|a| a.thread.get() == Some(me))
    }
}

fn apply_now(chip: Chip, intid: u32) {
    apply(chip, intid);
}

impl Drop for Line {
    fn drop(&mut self) {
        // No token, so no sleeping here: the line is quietened, the rest is the reaper's.
        report::warn!("irq {}: {} dropped without free", self.irq, self.action.name);
        self.line.with(|g| apply_now(g.state.quieten(), self.line.intid));
        reap(self.line, self.action);
    }
}

/// Whether the hard handler of a sharer is called once more when it is freed (boot option `debug_shirq`; IQ-18.5).
pub(crate) fn set_debug_shirq(on: bool) {
    DEBUG_SHIRQ.store(on, Relaxed);
}

/// Waits until no CPU is in a hard handler of the line, nor about to enter one for an interrupt that is active.
///
/// `leaving`: an action that is no longer on the line, whose thread may still hold an interrupt of it.
fn wait_hard(line: &Descriptor, leaving: Option<&Action>) {
    let pending = || line.is_pending() || leaving.is_some_and(|a| a.run.is_pending());
    loop {
        let busy = line.with(|g| {
            let active = gic().state(percpu::this().gic_local(), line.intid, Which::Active);
            g.state.in_progress() || (active == Ok(true) && !g.state.is_held() && !pending())
        });
        if !busy {
            return;
        }
        hw::cpu::relax();
    }
}

fn synchronize(line: &'static Descriptor, cx: &mut ThreadCx) {
    // Twice: while the thread runs, the interrupt that is active may be the one that it holds, or the next one, with a CPU
    // on its way to the handler. Once the run is over, it can only be the latter.
    for _ in 0..2 {
        wait_hard(line, None);
        line.idle.wait_event(cx, || !line.is_pending());
    }
}

/// Waits until no CPU is on its way to the handler of an action whose thread has ended. Before, that cannot be known, as in
/// [`synchronize`]. An interrupt that was left to the thread too late is let go.
fn wait_last(line: &Descriptor, action: &Action) {
    loop {
        let busy = line.with(|g| {
            let active = gic().state(percpu::this().gic_local(), line.intid, Which::Active) == Ok(true);
            let busy = g.state.in_progress() || (active && !g.state.is_held() && !action.run.is_pending());
            g.leaving &= busy;
            busy
        });
        if !busy {
            break;
        }
        hw::cpu::relax();
    }
    if action.run.is_pending() && action.run.take(|| {}).is_held() {
        gic().deactivate(line.intid);
    }
}

/// Asks an action's thread to end and waits until it has.
pub(super) fn stop_thread(cx: &mut ThreadCx, action: &'static Action) {
    if let Some(thread) = action.thread.get() {
        action.run.stop();
        sched::wake(thread);
        action.exited.wait(cx);
    }
}

/// Whether the handle was dropped, which disabled the line for all its owners.
#[derive(PartialEq, Eq)]
enum Dropped {
    Yes,
    No,
}

/// Unlinks an action, waits until nobody uses it, frees it (IQ-18).
fn release(cx: &mut ThreadCx, line: &'static Descriptor, action: &'static Action, dropped: Dropped) {
    line.config.down(cx);
    let reader = rcu::section();
    line.with(|g| {
        let after = action.next.load(Relaxed);
        let this = core::ptr::from_ref(action).cast_mut();
        match line.actions(&reader).find(|a| a.next.load(Relaxed) == this) {
            Some(before) => before.next.store(after, Release),
            None => line.actions.store(after, Release),
        }
        if line.actions.load(Relaxed).is_null() {
            g.leaving = true;
            g.state.set_action(false);
            apply_now(g.state.shutdown(), line.intid);
        } else if dropped == Dropped::Yes
            && let Ok(chip) = g.state.enable()
        {
            apply_now(chip, line.intid);
        }
    });
    drop(reader);
    wait_hard(line, Some(action));
    if action.flags.contains(Flags::SHARED) && DEBUG_SHIRQ.load(Relaxed) {
        call_once_more(action);
    }
    stop_thread(cx, action);
    wait_last(line, action);
    // Its bit is free from here on, and what its thread held back is let go.
    super::thread::release(line, action);
    let _ = line.config.up(cx);
    // Whoever walked the list has gone on: dispatch, and threads that only look.
    let waited = rcu::synchronize_expedited(cx);
    debug_assert!(waited.is_ok());
    // SAFETY: unlinked, its thread has ended, and a grace period has passed: nobody has a reference any more.
    drop(unsafe { Box::from_raw(core::ptr::from_ref(action).cast_mut()) });
}

/// A sharer must cope with an interrupt of the others at any time: an extra call tells whether it does even now.
fn call_once_more(action: &'static Action) {
    // SAFETY: unlinked, and no CPU is in it any more: nobody else calls it.
    let Some(hard) = (unsafe { &mut *action.hard.get() }) else { return };
    let off = crate::irq_flags::Off::new();
    // SAFETY: interrupts are masked until `off` is dropped, after the token's last use.
    let mut cx = unsafe { HardIrqCx::new() };
    let _ = hard(&mut cx);
    drop(off);
}

/// Handlers that were dropped and not freed.
struct Reaper {
    work: RawSpinLock<heapless::Vec<(&'static Descriptor, &'static Action), 64>>,
    arrived: Semaphore,
}
hw::global! {
    static DEBUG_SHIRQ: AtomicBool = AtomicBool::new(false);
    static REAPER: Reaper = Reaper { work: RawSpinLock::new(heapless::Vec::new()), arrived: Semaphore::new(0) };
}

fn reap(line: &'static Descriptor, action: &'static Action) {
    let off = crate::irq_flags::Off::new();
    let kept = REAPER.work.lock_in(off.cx()).push((line, action)).is_ok();
    if kept {
        let _ = REAPER.arrived.up(off.cx());
    } else {
        // It stays installed and disabled.
        report::warn!("irq {}: too many lines dropped at once, {} leaks", line.intid, action.name);
    }
    drop(off);
}

/// Starts the thread that frees what was merely dropped.
pub(crate) fn start_reaper(cx: &mut ThreadCx) -> Result<()> {
    Builder::new("irq_reaper")
        .kind(Kind::Service)
        .spawn(cx, |cx| {
            loop {
                REAPER.arrived.down(cx);
                if let Some((line, action)) = REAPER.work.with(cx, |work, _| work.pop()) {
                    release(cx, line, action, Dropped::Yes);
                }
            }
        })
        .map(|_: crate::thread::JoinHandle<()>| ())
}
