//! Do lines keep their rules when several CPUs take interrupts, serve them and change them?
use crate::{
    harness::{Log, MS, US, fifo, ms, seeded_on_either_gic as seeded, smp_on_each_gic as smp, smp_with, start},
    irq_kit::{Count, edge},
};
use hw::{
    gic::Version,
    sim::{self, Config, Order, seeds},
};
use kernel::{
    Error, ThreadCx,
    irq::{self, Affinity, Flags, Handled, Irq, Line, Primary, Request, Trigger},
    percpu, sched,
    sync::Completion,
    thread, time,
};
use logic::cpus::CpuSet;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

const IRQ: Irq = crate::irq_kit::IRQ;

/// Binds the running thread to one CPU.
fn stay_on(cx: &mut ThreadCx, cpu: usize) {
    sched::set_affinity(cx, thread::current_id(), CpuSet::of(cpu)).unwrap();
    assert_eq!(sim::here(), cpu);
}

/// A one-shot line that logs where its parts run.
fn logging_line(cx: &mut ThreadCx, log: &Log<(&'static str, usize)>) -> Line {
    let (hard, threaded) = (log.clone(), log.clone());
    edge("where")
        .hard(move |_| {
            hard.push(("hard", sim::here()));
            Primary::WakeThread
        })
        .threaded(move |_| {
            threaded.push(("thread", sim::here()));
            Handled::Yes
        })
        .flags(Flags::ONESHOT)
        .submit(cx)
        .unwrap()
}

/// IQ-21.1: after a change of the line's affinity both parts run on the new CPU, whoever was running where.
#[test]
fn the_thread_follows_its_line() {
    seeds(300, |seed| {
        seeded(4, seed, |cx| {
            let log = Log::new();
            let line = logging_line(cx, &log);
            for cpu in [0, 2, 2, 1, 3, 0] {
                irq::set_affinity(cx, IRQ, CpuSet::of(cpu)).unwrap();
                sim::irq::pend(IRQ.number());
                time::sleep(cx, ms(1)).unwrap();
                assert_eq!(log.take(), [("hard", cpu), ("thread", cpu)]);
            }
            line.free(cx).unwrap();
        });
    });
}

/// IQ-21.2: a thread that somebody bound stays there until the line moves again.
#[test]
fn a_bound_thread_stays_until_the_line_moves() {
    seeds(100, |seed| {
        seeded(4, seed, |cx| {
            let log = Log::new();
            let line = logging_line(cx, &log);
            let fire = |cx: &mut ThreadCx| {
                sim::irq::pend(IRQ.number());
                time::sleep(cx, ms(1)).unwrap();
                log.take()
            };
            fire(cx);
            sched::set_affinity(cx, line.thread().unwrap(), CpuSet::of(3)).unwrap();
            assert_eq!(fire(cx), [("hard", 0), ("thread", 3)]);
            assert_eq!(fire(cx), [("hard", 0), ("thread", 3)]);
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            assert_eq!(fire(cx), [("hard", 1), ("thread", 1)]);
            line.free(cx).unwrap();
        });
    });
}

/// IQ-21.3, IQ-21.4, G3-14.3: what cannot be done is refused, and nothing is changed.
#[test]
fn affinities_that_make_no_sense_are_refused() {
    smp(2, |cx| {
        let route = |cpu: u64| if sim::gic_version() == Version::V2 { 1 << cpu } else { cpu };
        let line = edge("line").threaded(|_| Handled::Yes).flags(Flags::ONESHOT).submit(cx).unwrap();
        irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
        for cpus in [CpuSet::EMPTY, CpuSet::of(2), CpuSet::from_bits(!3)] {
            assert_eq!(irq::set_affinity(cx, IRQ, cpus), Err(Error::Invalid));
        }
        assert_eq!(irq::affinity(cx, IRQ), Ok(Affinity { cpus: CpuSet::of(1), effective: 1 }));
        assert_eq!(sim::irq::state(IRQ.number()).route, route(1));
        // The CPU that takes it keeps it where it may.
        irq::set_affinity(cx, IRQ, CpuSet::ALL).unwrap();
        assert_eq!(irq::affinity(cx, IRQ), Ok(Affinity { cpus: CpuSet::ALL, effective: 1 }));
        let fixed = Request::new(Irq::new(101), "fixed").hard(|_| Primary::Handled).trigger(Trigger::EdgeRising);
        let fixed = fixed.flags(Flags::NOBALANCING).submit(cx).unwrap();
        assert_eq!(irq::set_affinity(cx, fixed.irq(), CpuSet::of(1)), Err(Error::NotPermitted));
        assert_eq!(irq::set_affinity(cx, Irq::ppi(11), CpuSet::of(1)), Err(Error::Invalid));
        assert_eq!(irq::set_affinity(cx, Irq::new(102), CpuSet::of(1)), Err(Error::NotFound));
        assert_eq!(sim::irq::state(101).route, route(0));
        line.free(cx).unwrap();
        fixed.free(cx).unwrap();
    });
}

/// G3-14.1: re-routed while pending, an interrupt is handled once, on the old or the new CPU.
#[test]
fn a_pending_interrupt_survives_its_line_moving() {
    let (mut old, mut new) = (0, 0);
    let places = Log::new();
    seeds(1000, |seed| {
        let out = places.clone();
        seeded(3, seed, move |cx| {
            let log = Log::new();
            let line = logging_line(cx, &log);
            irq::set_affinity(cx, IRQ, CpuSet::of(2)).unwrap();
            let mut mover = start(cx, "mover", fifo(10), |cx| irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap());
            sim::irq::pend(IRQ.number());
            mover.join(cx).unwrap();
            time::sleep(cx, ms(1)).unwrap();
            let hard: Vec<usize> = log.take().iter().filter(|(part, _)| *part == "hard").map(|(_, cpu)| *cpu).collect();
            assert!(hard == [1] || hard == [2], "{hard:?}");
            out.push(hard[0]);
            line.free(cx).unwrap();
        });
    });
    for cpu in places.take() {
        if cpu == 1 { new += 1 } else { old += 1 }
    }
    assert!(old + new == 1 || old > 0 && new > 0, "{old} on the old CPU, {new} on the new one");
}

/// IQ-22.1: interrupts are counted where they are taken.
#[test]
fn interrupts_are_counted_by_cpu() {
    smp(4, |cx| {
        let line = edge("line").hard(|_| Primary::Handled).submit(cx).unwrap();
        for (cpu, times) in [(0, 5), (2, 3)] {
            irq::set_affinity(cx, IRQ, CpuSet::of(cpu)).unwrap();
            for _ in 0..times {
                sim::irq::pend(IRQ.number());
                time::sleep(cx, ms(1)).unwrap();
            }
        }
        let info = irq::info(cx, IRQ).unwrap();
        assert_eq!((&info.counts[..4], info.total()), (&[5, 0, 3, 0][..], 8));
        line.free(cx).unwrap();
    });
}

/// IQ-17.1: the hard handler works on CPU 1 and its thread then sleeps for 2 ms: synchronize returns after both.
#[test]
fn synchronize_waits_for_other_cpus() {
    seeds(300, |seed| {
        seeded(2, seed, |cx| {
            stay_on(cx, 0);
            let log = Log::new();
            let (hard, threaded) = (log.clone(), log.clone());
            let began = Arc::new(AtomicBool::new(false));
            let signal = began.clone();
            let line = edge("slow")
                .hard(move |_| {
                    signal.store(true, SeqCst);
                    sim::spend(100 * US);
                    hard.push("hard");
                    Primary::WakeThread
                })
                .threaded(move |cx| {
                    time::sleep(cx, ms(2)).unwrap();
                    threaded.push("thread");
                    Handled::Yes
                })
                .flags(Flags::ONESHOT)
                .submit(cx)
                .unwrap();
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            sim::irq::pend(IRQ.number());
            while !began.load(SeqCst) {
                sim::spend(US);
            }
            assert!(!line.synchronize_hardirq(cx), "its thread is active");
            line.synchronize(cx).unwrap();
            assert_eq!(log.take(), ["hard", "thread"]);
            assert!(line.synchronize_hardirq(cx));
            line.free(cx).unwrap();
        });
    });
}

/// IQ-17.3: the interrupt is active on CPU 1 but its handler has not begun: synchronize waits for it too. Whatever the
/// order, an interrupt that was raised before is over.
#[test]
fn synchronize_waits_for_an_interrupt_on_its_way() {
    seeds(1000, |seed| {
        seeded(2, seed, |cx| {
            stay_on(cx, 0);
            let (taken, handled) = (Count::new(), Count::new());
            let count = handled.clone();
            let line = edge("line")
                .hard(move |_| {
                    count.up();
                    Primary::Handled
                })
                .submit(cx)
                .unwrap();
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            sim::irq::pend(IRQ.number());
            while sim::irq::state(IRQ.number()).pending {
                taken.up();
                sim::spend(US);
            }
            line.synchronize(cx).unwrap();
            assert_eq!(handled.get(), 1);
            line.free(cx).unwrap();
        });
    });
}

/// IQ-18.1: freed while the hard handler and the thread are at work elsewhere, wherever they are: neither is when free
/// returns, and what they had captured is gone.
#[test]
fn free_waits_for_other_cpus() {
    for oneshot in [false, true] {
        seeds(1000, |seed| {
            seeded(3, seed, move |cx| {
                stay_on(cx, 0);
                let (runs, inside) = (Count::new(), Arc::new(AtomicU32::new(0)));
                let (hard, threaded) = (inside.clone(), (inside.clone(), runs.thread()));
                let (within, mut count) = threaded;
                let line = edge("busy")
                    .hard(move |_| {
                        hard.fetch_add(1, SeqCst);
                        sim::point();
                        hard.fetch_sub(1, SeqCst);
                        Primary::WakeThread
                    })
                    .threaded(move |cx| {
                        within.fetch_add(1, SeqCst);
                        sim::spend(3 * US);
                        within.fetch_sub(1, SeqCst);
                        count(cx)
                    })
                    .flags(if oneshot { Flags::ONESHOT } else { Flags::empty() })
                    .submit(cx)
                    .unwrap();
                irq::set_affinity(cx, IRQ, CpuSet::of(1 + seed as usize % 2)).unwrap();
                for n in 0..20 {
                    sim::at(sim::time() + n * US, sim::Injection::Pend(IRQ.number()));
                }
                sim::spend(seed * 17 % (20 * US));
                line.free(cx).unwrap();
                assert_eq!((inside.load(SeqCst), runs.sharers()), (0, 0));
                let before = runs.get();
                time::sleep(cx, ms(1)).unwrap();
                assert_eq!(runs.get(), before);
            });
        });
    }
}

/// IQ-18.4: a line is freed and requested anew by one CPU, while a second one runs its thread and a third one takes the next
/// interrupt: none is lost, or nobody's.
#[test]
fn a_line_changes_hands_while_it_fires() {
    seeds(500, |seed| {
        let outcome = seeded(3, seed, |cx| {
            stay_on(cx, 0);
            irq::map(cx, IRQ.number()).unwrap();
            irq::set_affinity(cx, IRQ, CpuSet::of(2)).unwrap();
            for _ in 0..10 {
                let (mut here, runs) = (false, Count::new());
                let count = runs.clone();
                let line = edge("again").hard(|_| Primary::WakeThread).flags(Flags::ONESHOT).threaded(move |cx| {
                    // On a CPU of its own from its first run on.
                    if !std::mem::replace(&mut here, true) {
                        stay_on(cx, 1);
                    }
                    // The next interrupt comes as soon as this one ends, for a while.
                    if count.up() < 8 {
                        sim::irq::pend(IRQ.number());
                    }
                    Handled::Yes
                });
                let line = line.submit(cx).unwrap();
                sim::irq::pend(IRQ.number());
                while runs.get() < 2 {
                    hw::cpu::relax();
                }
                line.free(cx).unwrap();
                assert_eq!(runs.sharers(), 0);
            }
        });
        assert_eq!(outcome.console, "");
    });
}

/// IQ-17, IQ-18.1: freed or disabled between a run's last act, which lets the next interrupt come on another CPU, and its
/// end: `free` and `disable` wait for that interrupt's hard handler, too.
#[test]
fn free_and_disable_wait_for_the_interrupt_after_a_run() {
    const WAKER: Irq = Irq::new(IRQ.number() + 1);
    seeds(1000, |seed| {
        // Masking takes no time, or the handler would be over before `free` looks.
        let config = Config { cpus: 2, order: Order::Seeded(seed), rwp_reads: 0, ..Config::default() };
        smp_with(config, move |cx| {
            stay_on(cx, 0);
            crate::harness::become_policy(cx, fifo(99));
            let (gate, inside, runs) =
                (Arc::new(kernel::sync::Semaphore::new(0)), Arc::new(AtomicU32::new(0)), Count::new());
            let opens = gate.clone();
            let waker = crate::harness::hard_line(cx, WAKER.number(), move |cx| opens.up(cx).unwrap());
            let (hard, count) = (inside.clone(), runs.clone());
            let request = edge("late").flags(Flags::ONESHOT).hard(move |_| {
                let inside = hard.clone();
                inside.fetch_add(1, SeqCst);
                (0..2000).for_each(|_| sim::point());
                inside.fetch_sub(1, SeqCst);
                Primary::WakeThread
            });
            let line = request.threaded(move |cx| {
                if count.up() == 1 {
                    // With the one that frees, who is more urgent and comes somewhere from here on.
                    stay_on(cx, 0);
                    sim::irq::pend(IRQ.number());
                    sim::at_point_call(seed % 60, Box::new(|| sim::irq::pend(WAKER.number())));
                }
                Handled::Yes
            });
            let line = line.submit(cx).unwrap();
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            sim::irq::pend(IRQ.number());
            gate.down(cx);
            if seed / 60 % 2 == 1 {
                line.disable(cx).unwrap();
                assert_eq!(inside.load(SeqCst), 0);
            }
            line.free(cx).unwrap();
            assert_eq!((inside.load(SeqCst), runs.sharers()), (0, 0));
            waker.free(cx).unwrap();
        });
    });
}

/// IQ-11.1: while CPU 0 is in the handler the line moves to CPU 1 and the edge comes again: the handler is not entered
/// twice at a time, and runs once more.
#[test]
fn a_handler_is_not_entered_on_two_cpus() {
    seeds(500, |seed| {
        seeded(2, seed, |cx| {
            stay_on(cx, 1);
            let (inside, runs) = (Arc::new(AtomicU32::new(0)), Count::new());
            let (within, count) = (inside.clone(), runs.clone());
            let line = edge("line")
                .hard(move |_| {
                    assert_eq!(within.fetch_add(1, SeqCst), 0, "entered twice");
                    sim::spend(10 * US);
                    within.fetch_sub(1, SeqCst);
                    count.up();
                    Primary::Handled
                })
                .submit(cx)
                .unwrap();
            sim::irq::pend(IRQ.number());
            while inside.load(SeqCst) == 0 {
                sim::spend(US);
            }
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            (0..3).for_each(|_| sim::irq::pend(IRQ.number()));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(runs.get(), 2);
            line.free(cx).unwrap();
        });
    });
}

/// G3-06.3, IQ-09.3's hardware: the thread ends the interrupt on another CPU than the one that took it, and it fires again.
#[test]
fn an_interrupt_ends_on_another_cpu() {
    seeds(200, |seed| {
        seeded(2, seed, |cx| {
            let log = Log::new();
            let line = logging_line(cx, &log);
            sim::irq::pend(IRQ.number());
            time::sleep(cx, ms(1)).unwrap();
            sched::set_affinity(cx, line.thread().unwrap(), CpuSet::of(1)).unwrap();
            log.take();
            for _ in 0..3 {
                sim::irq::pend(IRQ.number());
                time::sleep(cx, ms(1)).unwrap();
                assert_eq!(log.take(), [("hard", 0), ("thread", 1)]);
                assert!(!sim::irq::state(IRQ.number()).active);
            }
            line.free(cx).unwrap();
        });
    });
}

/// IQ-18.4: requests and frees beside a flow of interrupts on the other CPU leave nothing behind.
#[test]
fn requests_and_frees_leave_nothing_behind() {
    seeds(10, |seed| {
        seeded(2, seed, |cx| {
            stay_on(cx, 0);
            let live = thread::live();
            let stop = Arc::new((AtomicBool::new(false), Completion::new()));
            let end = stop.clone();
            let mut flood = kernel::thread::Builder::new("flood")
                .affinity(CpuSet::of(1))
                .spawn(cx, move |_| {
                    while !end.0.load(SeqCst) {
                        sim::irq::pend(IRQ.number());
                        sim::spend(500);
                    }
                })
                .unwrap();
            for round in 0..100 {
                let line = edge("again").threaded(|_| Handled::Yes).flags(Flags::ONESHOT).submit(cx).unwrap();
                irq::set_affinity(cx, IRQ, CpuSet::of(round % 2)).unwrap();
                sim::spend(2 * US);
                line.free(cx).unwrap();
            }
            stop.0.store(true, SeqCst);
            flood.join(cx).unwrap();
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!((thread::live(), percpu::online().count()), (live, 2));
            assert!(sim::time() < 100 * MS);
        });
    });
}
