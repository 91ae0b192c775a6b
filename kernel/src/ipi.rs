//! How does one CPU make another one do something? By software-generated interrupts (G3-12).
//!
//! An SGI carries nothing but its number: what is to be done lies in memory before it is sent. Several that come before the
//! CPU takes one are one interrupt.
//!
//! | file | question |
//! |---|---|
//! | `call` | how does a function run on other CPUs? |
//! | `stop` | how are the others silenced when one CPU stops the machine? |
//! | `backtrace` | where is each CPU? |
use crate::{
    bugs::{self, Bug},
    cx::HardIrqCx,
    error::{Error, Result},
    irq::{self, gic},
    percpu::{self, MAX_CPUS, PerCpu, online},
    rcu, sched, trace,
};
use hw::gic::{self, GicError};
use logic::cpus::CpuSet;

mod backtrace;
mod call;
mod stop;

pub use backtrace::backtrace;
pub(crate) use backtrace::request as request_backtrace;
pub use call::call;
pub(crate) use stop::{halt, stop_others};

/// What a CPU is asked to do. The number is the SGI's; 3 and 4 are kept for timer broadcasts and interrupt work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ipi {
    /// Switch threads if somebody more urgent has become ready.
    Resched = 0,
    /// Run what [`call`] left for it.
    CallFn = 1,
    /// Halt: another CPU stops the machine.
    Stop = 2,
    /// Tell where it is.
    Backtrace = 5,
}

impl Ipi {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Resched, Self::CallFn, Self::Stop, Self::Backtrace];

    /// What Linux's `/proc/interrupts` calls it (`arch/arm64/kernel/smp.c`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resched => "Rescheduling interrupts",
            Self::CallFn => "Function call interrupts",
            Self::Stop => "CPU stop interrupts",
            Self::Backtrace => "CPU backtrace interrupts",
        }
    }
    /// How often each CPU has taken it.
    pub fn counts(self) -> [u32; MAX_CPUS] {
        irq::counts(self as u32)
    }
    fn of(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&ipi| ipi as u32 == id)
    }
}

/// Lets IPIs through to the CPU that calls. Once a CPU, when its part of the interrupt controller is started.
pub(crate) fn start_here() {
    let local = percpu::this().gic_local();
    for ipi in Ipi::ALL {
        gic().unmask(local, ipi as u32);
    }
}

/// Interrupts these CPUs; those that are not online are left out. What was stored before is seen by whatever the
/// interrupt lets run.
///
/// # Errors
/// [`Error::Invalid`]: no such CPU is online. [`Error::Unsupported`]: the interrupt controller cannot reach any of them.
#[inline]
pub(crate) fn send(cpus: CpuSet, what: Ipi) -> Result<()> {
    raise(what, cpus.and(online()).iter().map(|cpu| percpu::area(cpu).affinity.get()))
}

/// Makes a CPU that is online look at its run queue.
#[inline]
pub(crate) fn resched(cpu: &PerCpu) {
    if bugs::is_on(Bug::NoIpi) {
        return;
    }
    // One that cannot be reached was warned of, and finds out at its next interrupt.
    let _ = raise(Ipi::Resched, core::iter::once(cpu.affinity.get()));
}

#[inline]
fn raise(what: Ipi, affinities: impl Iterator<Item = u64>) -> Result<()> {
    gic().send_sgi(what as u32, affinities, &mut irq::controller_warning).map_err(|error| match error {
        GicError::Unsupported => Error::Unsupported,
        _ => Error::Invalid,
    })
}

/// An SGI was acknowledged.
pub(crate) fn interrupt(taken: u32, cx: &mut HardIrqCx<'_>) {
    let intid = gic::intid(taken);
    trace::record(trace::IRQ_ENTER, u64::from(intid), u64::from(gic::source(taken)));
    irq::count(intid);
    match Ipi::of(intid) {
        // The end of this interrupt does the rest.
        Some(Ipi::Resched) => {
            rcu::asked();
            sched::resched_interrupt();
        }
        Some(Ipi::CallFn) => call::serve(cx),
        Some(Ipi::Stop) => stop::asked(),
        Some(Ipi::Backtrace) => backtrace::asked(),
        None => return irq::silence(percpu::this(), taken),
    }
    // A GICv2 wants the sender, too (G2-02).
    gic().deactivate(if bugs::is_on(Bug::V2SgiEoi) { intid } else { taken });
}
