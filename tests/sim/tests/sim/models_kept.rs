//! Is a wish to switch kept on every preemption model until it may be honoured (PM-08), and what is honoured at once (PM-02)?
use crate::harness::{Log, MS, become_policy, fair, fifo, hard_line, ms, pend, run_model, start, start_on, these};
use hw::sim::{Config, switches};
use kernel::{
    ThreadCx, irq_flags,
    model::Model,
    preempt, sched, sleep_hook,
    sync::{RawSpinLock, Semaphore},
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// The models that do not preempt kernel code.
const OTHERS: [Model; 2] = [Model::None, Model::Voluntary];

/// PM-08.1: woken with preemption and interrupts off, it preempts exactly once, at the last enable, in either order; where the
/// model does not preempt, the wish stands until it is asked for.
#[test]
fn a_wish_to_switch_is_kept_until_it_may_happen() {
    for (model, irqs_first) in Model::ALL.into_iter().flat_map(|model| [(model, true), (model, false)]) {
        run_model(model, Config::default(), "", move |cx| {
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (down, h) = (gate.clone(), log.clone());
            start(cx, "H", fifo(50), move |cx| {
                down.down(cx);
                h.push("H");
            });
            thread::yield_now(cx);
            let masked = irq_flags::save(cx);
            // SAFETY: enabled below.
            unsafe { preempt::hook::disable() };
            // SAFETY: for `up`, which any context may call.
            unsafe { sleep_hook::with_forged_token(|cx| gate.up(cx).unwrap()) };
            let before = switches();
            // SAFETY: the `disable` above.
            let enable = || unsafe { preempt::hook::enable() };
            if irqs_first {
                drop(masked);
                log.push("first");
                enable();
            } else {
                enable();
                log.push("first");
                drop(masked);
            }
            if !model.is_preemptible() {
                assert!(preempt::resched_pending());
                log.push("asks");
                preempt::cond_resched(cx);
            }
            let expected = if model.is_preemptible() { &["first", "H"][..] } else { &["first", "asks", "H"] };
            assert_eq!((log.take(), preempt::resched_pending()), (expected.to_vec(), false));
            // There and back.
            assert_eq!(switches() - before, 2, "{model:?}");
        });
    }
}

/// PM-08.2(a): on every model a thread that an interrupt of the idle CPU wakes runs at once, also one that is as fair as any.
#[test]
fn idle_is_left_at_once_on_every_model() {
    for (model, policy) in Model::ALL.into_iter().flat_map(|model| [(model, fifo(50)), (model, fair())]) {
        run_model(model, Config::default(), "", move |cx| {
            become_policy(cx, policy);
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (up, seen) = (gate.clone(), log.clone());
            let line = hard_line(cx, 100, move |cx| {
                seen.push(hw::sim::time());
                up.up(cx).unwrap();
            });
            hw::sim::at(hw::sim::time() + MS, hw::sim::Injection::Pend(100));
            let before = sched::idle_waits();
            gate.down(cx);
            assert_eq!(log.take(), [hw::sim::time()], "{model:?}");
            assert_eq!(sched::idle_waits() - before, 1, "{model:?}");
            line.free(cx).unwrap();
        });
    }
}

/// PM-08.2(c): woken inside a raw section, a thread runs at its end where kernel code is preempted.
#[test]
fn a_wake_in_a_raw_section_is_honoured_at_its_end() {
    for model in Model::ALL {
        run_model(model, Config::default(), "", move |cx| {
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (up, h) = (gate.clone(), log.clone());
            let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
            start(cx, "H", fifo(50), move |cx| {
                gate.down(cx);
                h.push("H");
            });
            thread::yield_now(cx);
            let lock: RawSpinLock<()> = RawSpinLock::new(());
            let mut guard = lock.lock(cx);
            pend(guard.cx(), line.irq());
            log.push("in the section");
            drop(guard);
            log.push("after it");
            preempt::cond_resched(cx);
            let expected = match model.is_preemptible() {
                true => ["in the section", "H", "after it"],
                false => ["in the section", "after it", "H"],
            };
            assert_eq!(log.take(), expected, "{model:?}");
            line.free(cx).unwrap();
        });
    }
}

/// PM-02: a slice that ends is honoured at the next point, once: whoever has given the CPU away by then does not lose its place.
#[test]
fn a_slice_ends_at_the_next_point() {
    for model in OTHERS {
        run_model(model, Config::default(), "", |cx| {
            let log = Log::new();
            let turn = |cx: &mut ThreadCx, name: &'static str, log: Log<&'static str>| {
                start(cx, name, fair(), move |cx| {
                    for _ in 0..2 {
                        log.push(name);
                        hw::sim::spend(200 * MS);
                        log.push("point");
                        preempt::cond_resched(cx);
                    }
                })
            };
            let threads = ["A", "B"].map(|name| turn(cx, name, log.clone()));
            threads.into_iter().for_each(|mut t| t.join(cx).unwrap());
            assert_eq!(log.take(), ["A", "point", "B", "point", "A", "point", "B", "point"]);
            // A's slice ends, and it blocks before a point: that is the end of its turn. Back, it is preempted by H and goes on
            // before its equal.
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (down, told) = (gate.clone(), log.clone());
            let mut a = start(cx, "A", fair(), move |cx| {
                hw::sim::spend(200 * MS);
                down.down(cx);
                let mut h = start(cx, "H", fifo(50), |_| {});
                preempt::cond_resched(cx);
                told.push("A");
                h.join(cx).unwrap();
            });
            let told = log.clone();
            let mut b = start(cx, "B", fair(), move |cx| {
                gate.up(cx).unwrap();
                thread::yield_now(cx);
                told.push("B");
            });
            a.join(cx).unwrap();
            b.join(cx).unwrap();
            assert_eq!(log.take(), ["A", "B"]);
        });
    }
}

/// PM-02 on two CPUs: a thread that binds itself elsewhere, or lets go of its guard, moves there although nothing preempts it;
/// another one that is bound elsewhere leaves at its next point.
#[test]
fn moves_are_no_preemptions() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", move |cx| {
            let me = thread::current_id();
            let here = hw::sim::here;
            for cpu in [1, 0] {
                sched::set_affinity(cx, me, these(&[cpu])).unwrap();
                assert_eq!(here(), cpu);
            }
            let pinned = sched::migrate_disable(cx);
            sched::set_affinity(cx, me, these(&[1])).unwrap();
            assert_eq!(here(), 0);
            drop(pinned);
            assert_eq!(here(), 1);
            let points: [fn(&mut ThreadCx); 2] = [preempt::cond_resched, thread::yield_now];
            for point in points {
                let stop = Arc::new(AtomicBool::new(false));
                let stopped = stop.clone();
                let mut other = start_on(cx, &[0], "other", fair(), move |cx| {
                    let mut cpus = vec![];
                    while !stopped.load(SeqCst) {
                        hw::sim::spend(MS / 10);
                        point(cx);
                        cpus.push(hw::sim::here());
                        cpus.dedup();
                    }
                    cpus
                });
                time::sleep(cx, ms(1)).unwrap();
                sched::set_affinity(cx, other.id(), these(&[1])).unwrap();
                stop.store(true, SeqCst);
                assert_eq!(other.join(cx).unwrap(), [0, 1], "{model:?}");
            }
        });
    }
}
