//! How do the other CPUs come to run threads? One after another, started by the boot CPU's first thread (BU-04).
//!
//! | boot CPU | new CPU |
//! |---|---|
//! | asks firmware | |
//! | waits, a second at most | per-CPU area, idle thread |
//! | | redistributor, CPU interface, its private lines |
//! | | online: others may send threads and IPIs |
//! | tells it what runs here, next CPU | idle loop |
use crate::{
    board::{Cpu, Own},
    cx::{AtomicCx, Irq, ThreadCx},
    irq, mask, percpu, report, sched,
    sync::Completion,
    thread::{self, Kind, Ref, Thread},
    time,
};
use core::{fmt::Write, time::Duration};
use hw::{
    atomic::{AtomicUsize, Ordering::Relaxed},
    smp::{Method, StartError},
};

/// How long a CPU may take from firmware to the idle loop.
const PATIENCE: Duration = Duration::from_secs(1);

hw::global! {
    static IDLE: [Thread; percpu::MAX_CPUS] = [const { Thread::new() }; percpu::MAX_CPUS];
    /// A CPU has arrived.
    static ARRIVED: Completion = Completion::new();
    /// The CPU that is expected; one that comes after it was given up stays out.
    static EXPECTED: AtomicUsize = AtomicUsize::new(0);
}

/// Makes what runs on this CPU, whose number is `id`, its idle thread: from here on there are a current thread and a
/// per-CPU area, which everything else relies on. Interrupts are masked.
pub(crate) fn adopt_cpu(id: usize) -> Ref {
    percpu::adopt(id);
    let threads: &[Thread; percpu::MAX_CPUS] = &IDLE;
    // SAFETY: kernel statics live as long as the machine.
    let idle = Ref(unsafe { &*core::ptr::from_ref(&threads[id % percpu::MAX_CPUS]) });
    // SAFETY: nobody else sees the thread yet.
    unsafe {
        let identity = &mut *idle.identity.get();
        let _ = write!(identity.name, "idle/{id}");
        identity.kind = Kind::Idle;
    }
    idle.traits.set(thread::Traits::IDLE);
    idle.state.set(thread::State::Running as u32);
    sched::adopt_idle(idle);
    idle
}

/// Starts CPUs 1, 2, … of these. One that does not arrive is reported, and the system goes on without it.
pub(crate) fn start(cx: &mut ThreadCx, cpus: &[Cpu], method: Option<Method>, own: &Own) {
    let boot_cpu = percpu::area(0).affinity.get();
    let others = cpus.iter().copied().filter(|cpu| cpu.affinity != boot_cpu);
    for (id, Cpu { affinity, release }) in (1..percpu::MAX_CPUS).zip(others) {
        EXPECTED.store(id, Relaxed);
        // SAFETY: all that a CPU needs to come up is set up: this runs in a thread.
        let started = unsafe {
            match (release, own.release, method) {
                (0, _, Some(method)) => hw::smp::start(id, affinity, method),
                (1.., Some(release_cpu), _) if release_cpu(id, release) => Ok(()),
                (1.., Some(_), _) => Err(StartError::Unsupported),
                _ => {
                    report::warn!("CPU {}: firmware does not say how to start it", id);
                    continue;
                }
            }
        };
        if let Err(error) = started {
            refused(id, error);
            continue;
        }
        if ARRIVED.wait_until(cx, time::now().saturating_add(PATIENCE)).is_err() {
            // Whether it comes in this moment is decided by the word.
            if EXPECTED.swap(0, Relaxed) == id {
                report::warn!("CPU {} (MPIDR {:#x}) did not come within a second", id, affinity);
            } else {
                ARRIVED.wait(cx);
            }
        }
        sched::introduce();
    }
}

fn refused(id: usize, error: StartError) {
    match error {
        StartError::Unsupported => report::warn!("CPU {}: firmware cannot start it", id),
        StartError::AlreadyOn => report::warn!("CPU {}: firmware says it runs already", id),
        StartError::Refused(code) => report::warn!("CPU {}: firmware refuses to start it, code {}", id, code),
    }
}

/// A CPU arrives, interrupts masked.
#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_secondary(cpu: usize) -> ! {
    if EXPECTED.compare_exchange(cpu, 0, Relaxed, Relaxed).is_err() {
        stay_out();
    }
    as_thread(adopt_cpu(cpu), cpu)
}

// Apart, because a function may have looked before who the current thread is.
#[inline(never)]
fn as_thread(idle: Ref, cpu: usize) -> ! {
    if let Err(error) = irq::start_here() {
        report::warn!("CPU {}: {}, it stays out", cpu, error);
        stay_out();
    }
    irq::enable_private();
    percpu::go_online();
    // Whoever has begun to stop the machine does not know of this CPU.
    report::halt_if_stopped();
    sched::introduce();
    // SAFETY: interrupts are masked; the token goes no further.
    ARRIVED.complete(&unsafe { AtomicCx::<Irq>::new() });
    mask::enable();
    sched::adopt_idle_loop(idle)
}

fn stay_out() -> ! {
    loop {
        hw::cpu::wait_for_interrupt();
    }
}
