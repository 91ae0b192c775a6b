//! Does the kernel know which context it is in, and tell who gets it wrong? Spec 03.
use crate::harness::{MS, at, fifo, hard_line, ms, pend, run, run_to_bug, run_with, start, warnings};
use hw::sim::{self, Config};
use kernel::{
    Error, ThreadCx, irq,
    irq::{Flags, Handled, Irq, Primary, Request, Trigger},
    irq_flags,
    pool::Pool,
    preempt::{self, context, hook},
    sleep_hook,
    sync::{Completion, RawSpinLock, Semaphore},
    thread,
    time::{self, HrTimer, Restart},
    trace,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// One level of hard interrupt in the count.
const HARDIRQ: u32 = 1 << 16;

/// Raw disable and enable, which no token watches.
#[track_caller]
fn disable() {
    // SAFETY: a test of the detectors.
    unsafe { hook::disable() }
}
fn enable() {
    // SAFETY: as above.
    unsafe { hook::enable() }
}
/// Blocks where the types would not let it.
fn forged<R>(f: impl FnOnce(&mut ThreadCx) -> R) -> R {
    // SAFETY: a test of the detectors.
    unsafe { sleep_hook::with_forged_token(f) }
}

/// CX-01.1: three disables, three enables.
#[test]
fn the_preempt_count_goes_up_and_down() {
    run(|_| {
        let mut counts = vec![];
        for change in [disable, disable, disable, enable, enable, enable] {
            change();
            counts.push(context::preempt_count());
        }
        assert_eq!(counts, [1, 2, 3, 2, 1, 0]);
        assert!(!context::in_atomic());
    });
}

/// CX-01.3: what a hard handler and its thread see.
#[test]
fn a_hard_handler_and_its_thread_know_where_they_are() {
    #[derive(Debug, PartialEq)]
    struct Seen {
        count: u32,
        hardirq: bool,
        task: bool,
        atomic: bool,
        preemptible: bool,
        nmi: bool,
    }
    fn look() -> Seen {
        Seen {
            count: context::preempt_count(),
            hardirq: context::in_hardirq(),
            task: context::in_task(),
            atomic: context::in_atomic(),
            preemptible: context::preemptible(),
            nmi: context::in_nmi(),
        }
    }
    let hard = Seen { count: HARDIRQ, hardirq: true, task: false, atomic: true, preemptible: false, nmi: false };
    let task = Seen { count: 0, hardirq: false, task: true, atomic: false, preemptible: true, nmi: false };
    run(move |cx| {
        let seen = Arc::new(Mutex::new(vec![]));
        let (in_hard, in_thread) = (seen.clone(), seen.clone());
        let line = Request::new(Irq::new(100), "look")
            .hard(move |_| {
                in_hard.lock().unwrap().push(look());
                Primary::WakeThread
            })
            .threaded(move |_| {
                in_thread.lock().unwrap().push(look());
                Handled::Yes
            })
            .trigger(Trigger::EdgeRising)
            .submit(cx)
            .unwrap();
        pend(cx, line.irq());
        assert_eq!(*seen.lock().unwrap(), [hard, task]);
        line.free(cx).unwrap();
    });
}

/// CX-01.4: an enable too many: a warning, and the count stays 0.
#[test]
fn an_enable_too_many_is_reported() {
    let outcome = run(|_| {
        enable();
        assert_eq!(context::preempt_count(), 0);
    });
    assert_eq!(warnings(&outcome).len(), 1);
    assert!(warnings(&outcome)[0].contains("preempt_enable without preempt_disable"), "{}", outcome.console);
}

/// CX-01.6: the 245th nested disable warns, the 256th is a BUG.
#[test]
fn forgotten_enables_are_reported_before_the_count_overflows() {
    let outcome = run_to_bug("preempt count overflow", |_| {
        for depth in 1..=255 {
            assert_eq!(kernel::report::warnings(), u32::from(depth > 245), "before disable {depth}");
            disable();
            assert_eq!(context::preempt_count(), depth);
        }
        disable();
    });
    assert_eq!(warnings(&outcome).len(), 1);
}

/// CX-02.1: sections restore what they found.
#[test]
fn nested_sections_leave_interrupts_off() {
    run(|cx| {
        let mut outer = irq_flags::save(cx);
        assert!(!irq_flags::enabled());
        {
            let mut first = irq_flags::save_in(outer.cx());
            let second = irq_flags::save_in(first.cx());
            drop(second);
            assert!(!irq_flags::enabled());
        }
        assert!(!irq_flags::enabled());
        drop(outer);
        assert!(irq_flags::enabled());
    });
}

/// CX-02.3: a hard handler that enables interrupts is reported, and they are off again before the end of its interrupt:
/// what is pending comes after it.
#[test]
fn a_handler_that_enables_interrupts_is_reported() {
    let outcome = run_with(Config::default(), "eoimode=0", |cx| {
        let second = hard_line(cx, 101, |_| {});
        let first = hard_line(cx, 100, |cx| {
            irq::inject::pend(cx, Irq::new(101)).unwrap();
            hw::irqs::enable();
        });
        trace::drain(|_| {});
        pend(cx, first.irq());
        let mut order = vec![];
        trace::drain(|e| {
            if [trace::IRQ_ENTER, trace::IRQ_EXIT].contains(&e.kind) {
                order.push((e.kind == trace::IRQ_ENTER, e.a));
            }
        });
        assert_eq!(order, [(true, 100), (false, 100), (true, 101), (false, 101)]);
        assert!(irq_flags::enabled());
        first.free(cx).unwrap();
        second.free(cx).unwrap();
    });
    assert_eq!(warnings(&outcome), ["WARNING: irq 100: handler enabled interrupts"]);
}

/// What the sleeping checks say.
const INVALID: &str = "sleeping function called from invalid context";

/// CX-03.1: taking what is free is reported with preemption off: no contention needed. The report names thread and place.
#[test]
fn a_blocking_call_in_a_section_is_reported_without_contention() {
    let outcome = run(|cx| {
        let free = Semaphore::new(1);
        let mut section = preempt::disable(cx);
        let _ = section.cx();
        forged(|cx| free.down(cx));
        assert_eq!((free.count(), context::preempt_count()), (0, 1), "done all the same");
        drop(section);
    });
    let found = warnings(&outcome);
    assert_eq!(found.len(), 1, "{}", outcome.console);
    for part in [INVALID, "in_atomic 1, irqs_disabled 0", "thread main", "preemption disabled at ", "context.rs:"] {
        assert!(found[0].contains(part), "no {part:?} in {}", found[0]);
    }
}

/// CX-03.3: with interrupts off every blocking call is reported once, and done if it need not wait: sleep, semaphore,
/// completion, disabling a line.
#[test]
fn blocking_calls_with_interrupts_off_are_reported() {
    type Call<'a> = &'a dyn Fn(&mut ThreadCx);
    let outcome = run(|cx| {
        let (free, done) = (Semaphore::new(1), Completion::new());
        done.complete(cx);
        let line = hard_line(cx, 100, |_| {});
        let calls: [(&str, Call); 4] = [
            ("sleep", &|cx| time::sleep(cx, ms(0)).unwrap()),
            ("semaphore", &|cx| free.down(cx)),
            ("completion", &|cx| done.wait(cx)),
            ("line", &|cx| line.disable(cx).unwrap()),
        ];
        for (n, (name, call)) in calls.iter().enumerate() {
            let off = irq_flags::save(cx);
            forged(|cx| call(cx));
            assert!(!irq_flags::enabled(), "{name}");
            drop(off);
            assert_eq!(kernel::report::warnings(), n as u32 + 1, "{name}");
        }
        assert_eq!((free.count(), line.depth()), (0, 1));
        line.free(cx).unwrap();
    });
    assert!(warnings(&outcome).iter().all(|w| w.contains(INVALID) && w.contains("irqs_disabled 1")));
}

/// CX-03.4: one place that is hit a thousand times a second is reported once in each window of a second.
#[test]
fn one_place_is_reported_once_a_second() {
    run(|_| {
        let free = Semaphore::new(10_000);
        let mut reports = vec![];
        for hit in 0..3_500 {
            disable();
            forged(|cx| free.down(cx));
            enable();
            if kernel::report::warnings() as usize > reports.len() {
                reports.push(hit);
            }
            sim::advance(MS);
        }
        assert_eq!(reports, [0, 1000, 2000, 3000]);
        disable();
        forged(|cx| free.down(cx));
        enable();
        assert_eq!(kernel::report::warnings(), 5, "another place at once");
    });
}

/// CX-03.5: blocking after the state was set and before `schedule` is reported.
#[test]
fn blocking_while_the_state_is_not_running_is_reported() {
    let outcome = run(|cx| {
        let free = Semaphore::new(1);
        // SAFETY: a test of the detectors.
        unsafe { sleep_hook::set_state_interruptible() };
        free.down(cx);
    });
    assert_eq!(warnings(&outcome).len(), 1);
    assert!(
        outcome.console.contains("blocking operation when state is not Running (Interruptible)"),
        "{}",
        outcome.console
    );
}

/// CX-04.1: a changed count is reported where it happens, with name and both counts, and mended.
#[test]
fn a_leaked_count_is_reported_by_name_and_mended() {
    let outcome = run(|cx| {
        let line = hard_line(cx, 100, |_| disable());
        pend(cx, line.irq());
        assert_eq!(context::preempt_count(), 0);
        line.free(cx).unwrap();

        let line = Request::new(Irq::new(100), "leaky")
            .threaded(|_| {
                disable();
                disable();
                Handled::Yes
            })
            .flags(Flags::ONESHOT)
            .trigger(Trigger::EdgeRising)
            .submit(cx)
            .unwrap();
        pend(cx, line.irq());
        assert_eq!(line.thread_runs(), 1);
        pend(cx, line.irq());
        assert_eq!(line.thread_runs(), 2, "the thread goes on");
        line.free(cx).unwrap();

        let timer = HrTimer::new(cx, |_, _| {
            disable();
            disable();
            Restart::No
        });
        timer.start_after(cx, ms(1)).unwrap();
        time::sleep(cx, ms(2)).unwrap();
        assert_eq!(context::preempt_count(), 0);
    });
    let leaks: Vec<_> = warnings(&outcome).into_iter().filter(|w| w.contains("returned with")).collect();
    let leak = |name: &str, now: u32, before: u32| {
        format!("WARNING: {name} returned with preempt count {now:#x}, entered with {before:#x}")
    };
    let expected =
        [leak("hard", 1, 0), leak("irq/100-leaky", 2, 0), leak("irq/100-leaky", 2, 0), leak("timer callback", 2, 0)];
    assert_eq!(leaks, expected);
}

/// CX-04.2: a thread that ends with preemption off is reported, and the CPU goes on as if it had not been.
#[test]
fn a_thread_that_ends_in_a_section_is_reported() {
    let outcome = run(|cx| {
        let mut leaving = start(cx, "leaving", fifo(10), |cx| {
            core::mem::forget(preempt::disable(cx));
            thread::exit(cx)
        });
        assert_eq!(leaving.join(cx), Err::<(), _>(Error::Interrupted));
        assert!(context::preemptible());
        start(cx, "next", fifo(10), |_| assert!(context::preemptible())).join(cx).unwrap();
    });
    assert_eq!(warnings(&outcome), ["WARNING: leaving returned with preempt count 0x1, entered with 0x0"]);
}

/// CX-04.3: `schedule` in a raw section is a BUG that names the thread and the place that opened the section.
#[test]
fn scheduling_in_a_raw_section_is_a_bug() {
    static HELD: RawSpinLock<u32, kernel::cx::Thread> = RawSpinLock::new(0);
    let opened = Arc::new(AtomicU32::new(0));
    let place = opened.clone();
    let outcome = run_to_bug("BUG: scheduling while atomic: main, preempt count 0x1, disabled at ", move |cx| {
        place.store(line!() + 1, SeqCst);
        let _held = HELD.lock(cx);
        forged(|cx| time::sleep(cx, ms(1)).unwrap());
    });
    let site = format!("disabled at {}:{}", file!(), opened.load(SeqCst));
    assert!(outcome.console.contains(&site), "no {site:?} in\n{}", outcome.console);
}

/// CX-04.3: the same where the section masks interrupts: a lock that hard handlers take.
#[test]
fn scheduling_with_interrupts_off_is_a_bug() {
    static HELD: RawSpinLock<u32> = RawSpinLock::new(0);
    let outcome = run_to_bug("BUG: scheduling while atomic: main", |cx| {
        let _held = HELD.lock(cx);
        forged(|cx| time::sleep(cx, ms(1)).unwrap());
    });
    assert!(warnings(&outcome)[0].contains(INVALID), "{}", outcome.console);
}

/// CX-04.3: the same with a guard that was forgotten, where the types do not help: yielding is a BUG.
#[test]
fn scheduling_after_a_forgotten_guard_is_a_bug() {
    run_to_bug("BUG: scheduling while atomic: main, preempt count 0x1", |cx| {
        core::mem::forget(preempt::disable(cx));
        thread::yield_now(cx);
    });
}

/// CX-07.2: a fixed pool serves hard handlers; when it is used up it says so and nobody waits.
#[test]
fn a_pool_serves_hard_handlers() {
    static POOL: Pool<Arc<u32>, 3> = Pool::new();
    run(|cx| {
        let value = Arc::new(7);
        let (results, mine) = (Arc::new(Mutex::new(vec![])), value.clone());
        let seen = results.clone();
        let line = hard_line(cx, 100, move |cx| {
            let taken: Vec<_> = (0..4).map(|_| POOL.take(cx, mine.clone())).collect();
            seen.lock()
                .unwrap()
                .push((taken.iter().map(|t| t.as_ref().map(|v| ***v).ok()).collect::<Vec<_>>(), POOL.free()));
            assert_eq!(taken[3].as_ref().err(), Some(&Error::NoResource));
        });
        for _ in 0..2 {
            pend(cx, line.irq());
            assert_eq!((Arc::strong_count(&value), POOL.free()), (2, 3), "given back, and what was refused is dropped");
        }
        let expected = (vec![Some(7), Some(7), Some(7), None], 0);
        assert_eq!(*results.lock().unwrap(), [expected.clone(), expected]);

        let mut one = POOL.take(cx, value.clone()).unwrap();
        *one = Arc::new(8);
        assert_eq!((**one, POOL.free()), (8, 2));
        let elsewhere = start(cx, "elsewhere", fifo(10), move |_| **one).join(cx);
        assert_eq!((elsewhere, POOL.free()), (Ok(8), 3));
        line.free(cx).unwrap();
    });
}

/// BU-06.1: an interrupt at any point on the way into idle, that between the check and WFI included, gets its thread run
/// without another interrupt.
#[test]
fn no_interrupt_is_lost_on_the_way_into_idle() {
    const ON_THE_WAY: u32 = 1;
    const IN_IDLE: u32 = 2;
    let mut in_idle = 0;
    for points in 1.. {
        let place = Arc::new(AtomicU32::new(0));
        let at = place.clone();
        let outcome = kernel::simulation::boot(Config::default(), "", move |cx| {
            let arrived = Arc::new(Semaphore::new(0));
            let up = arrived.clone();
            let line = Request::new(Irq::new(100), "late")
                .threaded(move |cx| {
                    up.up(cx).unwrap();
                    Handled::Yes
                })
                .flags(Flags::ONESHOT)
                .trigger(Trigger::EdgeRising)
                .priority(fifo(80))
                .submit(cx)
                .unwrap();
            let before = sim::time();
            let pend = move || {
                if sim::time() == before {
                    let masked_idle = thread::current().name() == "idle/0" && !irq_flags::enabled();
                    at.store(if masked_idle { IN_IDLE } else { ON_THE_WAY }, SeqCst);
                    sim::irq::pend(100);
                }
            };
            sim::at_point_call(points, Box::new(pend));
            arrived.down(cx);
            assert_eq!(sim::time(), before, "nothing else woke it");
            line.free(cx).unwrap();
        });
        match place.load(SeqCst) {
            // It was asleep before: every point on the way was tried.
            0 => {
                assert_eq!(outcome.end, sim::End::Stuck);
                assert!(
                    points > 20 && in_idle > 2,
                    "{points} points, {in_idle} of them in idle with interrupts masked"
                );
                return;
            }
            place => in_idle += u32::from(place == IN_IDLE),
        }
        assert_eq!(outcome.end, sim::End::Exit(0), "interrupt after {points} points:\n{}", outcome.console);
    }
}

/// HC-04.1: expiries come in order, equal ones as they were armed, and each callback sees its own time.
#[test]
fn timers_expire_in_order_at_their_time() {
    run(|cx| {
        let seen = Arc::new(Mutex::new(vec![]));
        let armed = [5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 3];
        let timers: Vec<_> = (0..armed.len())
            .map(|n| {
                let seen = seen.clone();
                let timer = HrTimer::new(cx, move |_, expiry| {
                    seen.lock().unwrap().push((expiry.at().as_ns() / MS, n, time::now() == expiry.at()));
                    Restart::No
                });
                timer.start_at(cx, at(armed[n] * MS)).unwrap();
                timer
            })
            .collect();
        sim::advance(10 * MS);
        let mut expected: Vec<_> = armed.iter().enumerate().map(|(n, &when)| (when, n, true)).collect();
        expected.sort();
        assert_eq!(*seen.lock().unwrap(), expected);
        drop(timers);
    });
}
