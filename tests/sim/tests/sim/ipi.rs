//! Does one CPU make another one do what it wants? (G3-12)
use crate::harness::{
    Log, MS, US, become_policy, fifo, first_number, move_to, ms, rr, run, seeded_on_either_gic as seeded,
    smp_on_each_gic as smp, start_on, warnings,
};
use hw::sim::{self, seeds};
use kernel::{
    CpuSet, Error, ThreadCx,
    ipi::{self, Ipi},
    irq::{self, Irq},
    irq_flags, percpu, preempt,
    sync::Semaphore,
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// How often a CPU was interrupted by IPIs of a kind.
fn taken(ipi: Ipi, cpu: usize) -> u32 {
    ipi.counts()[cpu]
}

/// G3-12.1: what was stored before is seen by what the interrupt runs, in a hard interrupt, on the CPUs that were asked.
#[test]
fn a_function_runs_on_the_cpus_that_are_asked() {
    seeds(50, |seed| {
        seeded(4, seed, |cx| {
            for cpus in [0b0001, 0b0010, 0b1010, 0b1111].map(CpuSet::from_bits) {
                let (word, ran) = (hw::atomic::AtomicU32::new(0), Log::new());
                word.store(42, hw::atomic::Ordering::Relaxed);
                let seen = ran.clone();
                ipi::call(cx, cpus, &move |cx| {
                    assert!(preempt::context::in_hardirq() && !irq_flags::enabled());
                    seen.push((percpu::id(cx), word.load(hw::atomic::Ordering::Relaxed)));
                })
                .unwrap();
                let mut ran = ran.take();
                ran.sort_unstable();
                assert_eq!(ran, cpus.iter().map(|cpu| (cpu, 42)).collect::<Vec<_>>());
            }
        });
    });
}

/// G3-12.5: no CPU, or none that is online, is Invalid; of others those that are online. In a section it is refused.
#[test]
fn cpus_that_are_not_there() {
    let outcome = smp(2, |cx| {
        let ran = Arc::new(AtomicU32::new(0));
        let count = ran.clone();
        let f = move |_: &mut kernel::HardIrqCx<'_>| _ = count.fetch_add(1, SeqCst);
        for cpus in [CpuSet::EMPTY, CpuSet::of(2), CpuSet::of(31)] {
            assert_eq!(ipi::call(cx, cpus, &f), Err(Error::Invalid));
        }
        assert_eq!(ran.load(SeqCst), 0);
        assert_eq!(ipi::call(cx, CpuSet::of(1).with(7), &f), Ok(()));
        assert_eq!((ran.load(SeqCst), taken(Ipi::CallFn, 0), taken(Ipi::CallFn, 1)), (1, 0, 1));
        let _off = irq_flags::save(cx);
        // SAFETY: a test of what is found at run time.
        let refused = unsafe { kernel::sleep_hook::with_forged_token(|cx| ipi::call(cx, CpuSet::ALL, &f)) };
        assert_eq!((refused, ran.load(SeqCst)), (Err(Error::WrongContext), 1));
    });
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.console);
}

/// Lets `callers` threads of CPU 0 call a function on CPU 1 while it masks interrupts; answers the order in which their
/// functions ran, and how often CPU 1 was interrupted for them.
fn calls_to_a_cpu_that_masks(cx: &mut ThreadCx, callers: u32) -> (Vec<u32>, u32) {
    become_policy(cx, fifo(50));
    move_to(cx, 0);
    let mut masker = start_on(cx, &[1], "on", fifo(40), |cx| {
        let off = irq_flags::save(cx);
        sim::spend(MS);
        drop(off);
    });
    time::sleep(cx, ms(0) + core::time::Duration::from_micros(100)).unwrap();
    let ran = Log::new();
    let mut threads: Vec<_> = (0..callers)
        .map(|n| {
            let ran = ran.clone();
            start_on(cx, &[0], "on", fifo(60), move |cx| ipi::call(cx, CpuSet::of(1), &|_| ran.push(n)).unwrap())
        })
        .collect();
    assert_eq!(taken(Ipi::CallFn, 1), 0);
    threads.iter_mut().for_each(|thread| thread.join(cx).unwrap());
    masker.join(cx).unwrap();
    (ran.take(), taken(Ipi::CallFn, 1))
}

/// G3-12.3: two requests before the CPU acknowledges the SGI: one interrupt, both functions run, in order.
#[test]
fn two_requests_are_one_interrupt() {
    smp(2, |cx| assert_eq!(calls_to_a_cpu_that_masks(cx, 2), (vec![0, 1], 1)));
}

/// G3-12: more than a few requests are not one long interrupt.
#[test]
fn many_requests_are_several_interrupts() {
    smp(2, |cx| assert_eq!(calls_to_a_cpu_that_masks(cx, 9), ((0..9).collect(), 3)));
}

/// CPUs that call each other, and themselves, do not wait for each other; every function runs as often as it should.
#[test]
fn cpus_call_each_other() {
    seeds(200, |seed| {
        seeded(3, seed, |cx| {
            let ran: [Arc<AtomicU32>; 3] = Default::default();
            let callers: Vec<_> = (0..6)
                .map(|n| {
                    let ran = ran.clone();
                    start_on(cx, &[n % 3], "on", if n < 3 { fifo(10) } else { rr(20) }, move |cx| {
                        for cpus in [0b111, 0b101, 0b011].map(CpuSet::from_bits) {
                            ipi::call(cx, cpus, &|cx| _ = ran[percpu::id(cx)].fetch_add(1, SeqCst)).unwrap();
                        }
                    })
                })
                .collect();
            callers.into_iter().for_each(|mut caller| caller.join(cx).unwrap());
            assert_eq!(ran.map(|n| n.load(SeqCst)), [18, 12, 12]);
        });
    });
}

/// A caller that is killed stays until what it asked for has run: the request is on its stack.
#[test]
fn a_killed_caller_waits_for_what_it_asked_for() {
    seeds(50, |seed| {
        seeded(2, seed, |cx| {
            let off = Arc::new(Semaphore::new(0));
            let ran = Arc::new(AtomicU32::new(0));
            let (masked, count) = (off.clone(), ran.clone());
            let mut masker = start_on(cx, &[1], "on", fifo(40), move |cx| {
                let mut guard = irq_flags::save(cx);
                let _ = masked.up(guard.cx());
                sim::spend(100 * US);
                drop(guard);
            });
            off.down(cx);
            let caller = start_on(cx, &[0], "on", fifo(60), move |cx| {
                ipi::call(cx, CpuSet::of(1), &|_| _ = count.fetch_add(1, SeqCst)).unwrap();
                unreachable!("killed while it waited");
            });
            time::sleep(cx, core::time::Duration::from_micros(10)).unwrap();
            thread::kill(cx, caller.id()).unwrap();
            // The slot and the stack are used again by whoever comes next.
            let after = start_on(cx, &[0], "on", fifo(60), |_| {});
            masker.join(cx).unwrap();
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(ran.load(SeqCst), 1);
            assert_eq!(thread::policy(caller.id()), Err(Error::NotFound));
            drop(after);
        });
    });
}

/// G3-12.4: a FIFO thread that is woken on an idle CPU runs at once, without a tick there.
#[test]
fn a_thread_is_woken_on_an_idle_cpu() {
    smp(2, |cx| {
        move_to(cx, 0);
        let (go, ran) = (Arc::new(Semaphore::new(0)), Log::new());
        let (gate, log) = (go.clone(), ran.clone());
        let mut sleeper = start_on(cx, &[1], "on", fifo(10), move |cx| {
            gate.down(cx);
            let pinned = preempt::disable(cx);
            log.push((sim::here(), sim::time()));
            drop(pinned);
        });
        time::sleep(cx, ms(5)).unwrap();
        let ticks = irq::info(cx, Irq::ppi(11)).unwrap().counts[1];
        let rescheds = taken(Ipi::Resched, 1);
        let _ = go.up(cx);
        let woken = sim::time();
        sleeper.join(cx).unwrap();
        assert_eq!(ran.take(), [(1, woken)]);
        assert_eq!(irq::info(cx, Irq::ppi(11)).unwrap().counts[1], ticks);
        assert_eq!(taken(Ipi::Resched, 1), rescheds + 1);
    });
}

/// IQ-22: `irq` has a row for each kind of IPI, with a column for each CPU.
#[test]
fn irq_counts_ipis_by_cpu() {
    let outcome = smp(2, |cx| {
        for _ in 0..3 {
            ipi::call(cx, CpuSet::of(1), &|_| {}).unwrap();
        }
        assert_eq!(shell::run_line(cx, "irq"), 0);
    });
    let row = outcome.console.lines().find(|line| line.contains("IPI1:"));
    assert_eq!(row, Some("         IPI1:          0          3  Function call interrupts"), "{}", outcome.console);
    assert!(outcome.console.contains("IPI5:          0          0  CPU backtrace interrupts"), "{}", outcome.console);
}

/// KD-03: `bt -a` has each CPU tell whom it interrupts for that, one after the other.
#[test]
fn every_cpu_tells_where_it_is() {
    let outcome = smp(3, |cx| {
        move_to(cx, 0);
        let busy = start_on(cx, &[1], "on", fifo(7), |_| sim::spend(100 * MS));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(shell::run_line(cx, "bt -a"), 0);
        drop(busy);
    });
    let told: Vec<_> = outcome.console.lines().collect();
    let on = format!("CPU 1: thread {} (on), ", first_number(3));
    let expected = ["CPU 0: thread 1 (main), ", &on, "CPU 2: thread 0 (idle/2), "];
    assert!(
        told.len() == 3 && told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)),
        "{}",
        outcome.console
    );
}

/// KD-03: a CPU that masks interrupts for good is named after a second, and the others tell all the same.
#[test]
fn a_cpu_that_does_not_answer_is_named() {
    let outcome = smp(3, |cx| {
        move_to(cx, 0);
        let masked = start_on(cx, &[1], "on", fifo(7), |cx| {
            let _off = irq_flags::save(cx);
            sim::spend(1_500 * MS);
        });
        time::sleep(cx, ms(1)).unwrap();
        ipi::backtrace(cx, CpuSet::ALL);
        assert!(sim::time() < 1_100 * MS);
        time::sleep(cx, ms(1_000)).unwrap();
        drop(masked);
    });
    let text: Vec<_> = outcome.console.lines().map(|line| &line[..7.min(line.len())]).collect();
    assert_eq!(text, ["CPU 0: ", "CPU 1 d", "CPU 2: "], "{}", outcome.console);
    assert!(outcome.console.contains("CPU 1 does not answer\r\n"));
}

/// G3-12: an SGI that nobody sends is reported once and masked; one that firmware left behind stops nothing.
#[test]
fn stray_sgis_do_no_harm() {
    let outcome = run(|_| {
        for id in [Ipi::Stop as u32, Ipi::Backtrace as u32, Ipi::CallFn as u32, Ipi::Resched as u32] {
            sim::irq::sgi(0, id);
            sim::point();
            assert!(!sim::irq::state(id).active);
        }
        sim::irq::sgi(0, 7);
        sim::point();
    });
    assert_eq!(outcome.console, "");
    let outcome = run(|cx| {
        irq::inject::set_state(cx, Irq::new(7), hw::gic::Which::Enabled, true).unwrap();
        for _ in 0..3 {
            sim::irq::sgi(0, 7);
            sim::point();
        }
        assert_eq!(irq::totals().unexpected[0], 1);
    });
    assert_eq!(warnings(&outcome), ["WARNING: unexpected interrupt 7, masked"]);
}
