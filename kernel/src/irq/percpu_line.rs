//! How does a driver get a line that each CPU has for itself (PPI), and what can be done with it? (G3-13, IQ-13)
//!
//! One handler for all CPUs, which may run on several at once; what differs by CPU is in a
//! [`PerCpuValue`](crate::percpu::PerCpuValue) that it opens. Each CPU lets the line through for itself. Nothing in the flow
//! is shared between CPUs: no lock, no count.
use super::{
    Flags,
    domain::{Descriptor, Irq, descriptor, gic, publish},
    flow::Action,
};
use crate::{
    atomic_word::Word32,
    context_check,
    cx::{HardIrqCx, ThreadCx},
    error::{Error, Result},
    ipi, percpu, rcu, report,
    sync::Completion,
    thread::{Name, table},
};
use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use hw::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Release},
};
use logic::{cpus::CpuSet, handshake::Handshake};
use spin::Once;

/// What a PPI's interrupt calls, on several CPUs at once.
pub(crate) enum Handler {
    /// The event timer's, which may leave a thread to be woken as the last thing that the interrupt does.
    EventTimer,
    /// A driver's.
    Driver(Box<dyn Fn(&mut HardIrqCx<'_>) + Send + Sync>),
}

/// A PPI's part of its action.
pub(crate) struct PerCpuAction {
    pub handler: Handler,
    /// CPUs that let the line through.
    enabled: AtomicU32,
}

impl PerCpuAction {
    pub fn enabled_on(&self) -> CpuSet {
        CpuSet::from_bits(self.enabled.load(Acquire))
    }
}

/// A private line with a handler; enabled a CPU at a time. It stays installed unless it is freed.
pub struct PerCpuLine {
    line: &'static Descriptor,
}

impl core::fmt::Debug for PerCpuLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PerCpuLine({})", self.line.intid)
    }
}

/// Installs a handler on a private line (PPI). It runs in hard context on every model, on each CPU that enables it.
///
/// # Errors
/// [`Error::Invalid`]: not a private line. [`Error::Busy`]: taken. [`Error::NotFound`]: no such line.
/// [`Error::WrongContext`]: in an atomic section.
#[track_caller]
pub fn request_percpu(
    cx: &mut ThreadCx,
    irq: Irq,
    name: &str,
    handler: impl Fn(&mut HardIrqCx<'_>) + Send + Sync + 'static,
) -> Result<PerCpuLine> {
    install(cx, irq, name, Handler::Driver(Box::new(handler)))
}

/// Takes the event timer's line, and keeps it: every CPU that comes up enables it.
pub(crate) fn request_timer(cx: &mut ThreadCx, irq: Irq) -> Result<()> {
    let timer = install(cx, irq, "timer", Handler::EventTimer)?;
    timer.enable(cx);
    TIMER.call_once(|| timer);
    Ok(())
}

#[track_caller]
fn install(cx: &mut ThreadCx, irq: Irq, name: &str, handler: Handler) -> Result<PerCpuLine> {
    context_check::must_sleep(cx)?;
    let line = descriptor(irq)?;
    if !line.with(|g| g.percpu) {
        return Err(Error::Invalid);
    }
    line.config.down(cx);
    publish(line);
    let free = line.first(&rcu::section()).is_none();
    if free {
        let action = Box::new(Action {
            next: AtomicPtr::new(core::ptr::null_mut()),
            hard: UnsafeCell::new(None),
            thread: Cell::new(None),
            run: Handshake::new(Word32::new(0)),
            mask: 0,
            cookie: None,
            flags: Flags::PERCPU | Flags::TIMER,
            forced: None,
            name: table::name(name),
            thread_runs: AtomicU32::new(0),
            ready: Completion::new(),
            exited: Completion::new(),
            warned: Cell::new(false),
            percpu: Some(PerCpuAction { handler, enabled: AtomicU32::new(0) }),
        });
        line.actions.store(Box::into_raw(action), Release);
    }
    let _ = line.config.up(cx);
    if free { Ok(PerCpuLine { line }) } else { Err(Error::Busy) }
}

hw::global! {
    /// The event timer's line.
    static TIMER: Once<PerCpuLine> = Once::new();
}

/// Lets through what every CPU needs, on a CPU that comes up: IPIs, and the timer once there is one. Interrupts are masked.
pub(crate) fn enable_private() {
    if let Some(timer) = TIMER.get() {
        timer.enable_here();
    }
    ipi::start_here();
}

impl PerCpuLine {
    /// Lets the line through on the CPU that calls.
    pub fn enable(&self, cx: &mut ThreadCx) {
        let _pinned = crate::preempt::disable(cx);
        self.enable_here();
    }
    /// The caller stays on its CPU.
    fn enable_here(&self) {
        let cpu = percpu::this();
        self.action().1.enabled.fetch_or(CpuSet::of(cpu.id.get()).bits(), Release);
        gic().unmask(cpu.gic_local(), self.line.intid);
    }
    /// Masks the line on the CPU that calls: when this returns its handler does not run there.
    pub fn disable(&self, cx: &mut ThreadCx) {
        let _pinned = crate::preempt::disable(cx);
        let cpu = percpu::this();
        gic().mask(cpu.gic_local(), self.line.intid);
        self.action().1.enabled.fetch_and(!CpuSet::of(cpu.id.get()).bits(), Release);
    }
    /// The CPUs on which it is enabled.
    pub fn enabled_on(&self) -> CpuSet {
        self.action().1.enabled_on()
    }

    /// Takes the handler out: when this returns it runs on no CPU and will not. Gives the handler's name back.
    ///
    /// # Errors
    /// The handler stays installed: [`Error::Busy`], with a warning: it is enabled on a CPU.
    /// [`Error::WrongContext`], with a warning: in an atomic section.
    #[track_caller]
    pub fn free(self, cx: &mut ThreadCx) -> core::result::Result<Name, (Self, Error)> {
        if let Err(error) = context_check::must_sleep(cx) {
            return Err((self, error));
        }
        let (action, percpu) = self.action();
        let enabled = percpu.enabled_on();
        if !enabled.is_empty() {
            report::warn!("irq {}: {} freed while it is enabled on CPU {}", self.line.intid, action.name, enabled);
            return Err((self, Error::Busy));
        }
        let line = self.line;
        line.config.down(cx);
        line.actions.store(core::ptr::null_mut(), Release);
        // Masked everywhere; but whoever forces the controller's state (`inject`) may have started a flow even so, and whoever looks
        // at the line reads it.
        let waited = rcu::synchronize_expedited(cx);
        debug_assert!(waited.is_ok());
        let _ = line.config.up(cx);
        let name = action.name.clone();
        // SAFETY: unlinked, and a grace period has passed: nobody has a reference any more.
        drop(unsafe { Box::from_raw(core::ptr::from_ref(action).cast_mut()) });
        Ok(name)
    }

    /// The installed handler: only `free`, which consumes the line, takes it out.
    fn action(&self) -> (&Action, &PerCpuAction) {
        // SAFETY: as said, and that is not done while this is borrowed.
        let first = unsafe { self.line.actions.load(Acquire).cast_const().as_ref() };
        match first.and_then(|a| Some((a, a.percpu.as_ref()?))) {
            Some(found) => found,
            None => report::bug!("irq {}: per-CPU line without its handler", self.line.intid),
        }
    }
}
