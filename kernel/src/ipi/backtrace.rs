//! Where is each CPU? Every one tells which thread it interrupts for this, and the calls that thread is in.
use super::{Ipi, send};
use crate::{
    cx::ThreadCx,
    percpu::{self, online},
    report, thread, time,
};
use core::{fmt::Write, time::Duration};
use hw::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire},
};
use logic::cpus::CpuSet;

/// How long a CPU is waited for: one that masks interrupts for longer is named.
const PATIENCE: Duration = Duration::from_secs(1);

hw::global! {
    /// CPUs that have yet to tell.
    static ASKED: AtomicU32 = AtomicU32::new(0);
}

/// Lets each of these CPUs that is online tell where it is, at once and past all threads, one after the other.
pub fn backtrace(cx: &mut ThreadCx, cpus: CpuSet) {
    for cpu in cpus.and(online()).iter() {
        ask(cx, cpu);
    }
}

fn ask(cx: &mut ThreadCx, cpu: usize) {
    let bit = CpuSet::of(cpu).bits();
    ASKED.fetch_or(bit, AcqRel);
    let sent = send(CpuSet::of(cpu), Ipi::Backtrace);
    let limit = time::now().saturating_add(PATIENCE);
    while ASKED.load(Acquire) & bit != 0 {
        if sent.is_err() || time::now() >= limit {
            // It may tell after all in this moment, which is as well.
            ASKED.fetch_and(!bit, AcqRel);
            report::note!("CPU {} does not answer", cpu);
            return;
        }
        // An interruption makes no difference: the wait is short.
        let _ = time::sleep(cx, Duration::from_millis(1));
    }
}

/// Has these CPUs tell, each as soon as it takes interrupts. Waits for nothing, so: from any context.
pub(crate) fn request(cpus: CpuSet) {
    let cpus = cpus.and(online());
    if !cpus.is_empty() {
        ASKED.fetch_or(cpus.bits(), AcqRel);
        // One that cannot be reached was warned of, and does not tell.
        let _ = send(cpus, Ipi::Backtrace);
    }
}

/// The IPI.
#[cold]
#[inline(never)]
pub(super) fn asked() {
    let cpu = percpu::this().id.get();
    let bit = CpuSet::of(cpu).bits();
    if ASKED.load(Acquire) & bit == 0 {
        return;
    }
    let me = thread::current();
    report::whole(|out| {
        let _ = writeln!(out, "CPU {cpu}: thread {} ({}), preempt count {:#x}", me.id(), me.name(), me.preempt.own());
        #[cfg(target_os = "none")]
        crate::fault::backtrace_interrupted(out);
    });
    ASKED.fetch_and(!bit, AcqRel);
}
