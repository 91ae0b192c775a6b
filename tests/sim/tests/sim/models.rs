//! At which points does each preemption model switch to a woken thread that is more urgent (PM-01 to PM-04, PM-08)?
use crate::harness::{Log, MS, at, become_policy, fair, fifo, ms, pend, run_model, start, warnings};
use hw::sim::{Config, switches};
use kernel::{
    ThreadCx, irq, irq_flags,
    model::Model,
    preempt, rcu, sleep_hook,
    sync::Semaphore,
    thread,
    time::{self, HrTimer, Restart},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// What L and H did, and at which tenth of a millisecond of the scenario.
type Times = Log<(&'static str, u64)>;

/// The models that preempt kernel code, and those that do not.
const PREEMPTIBLE: [Model; 3] = [Model::Full, Model::Rtb, Model::Rt];
const OTHERS: [Model; 2] = [Model::None, Model::Voluntary];

/// PM-02's scenario: `l` runs as fair L from 0 ms on; a hard timer fires at 1 ms and wakes FIFO-50 H.
fn l_and_h(
    model: Model,
    bootargs: &str,
    l: impl FnOnce(&mut ThreadCx, &Times) + Send + 'static,
) -> Vec<(&'static str, u64)> {
    let times = Times::new();
    let result = times.clone();
    run_model(model, Config::default(), bootargs, move |cx| {
        let begin = hw::sim::time();
        let stamp = move || (hw::sim::time() - begin) / (MS / 10);
        let (gate, log) = (Arc::new(Semaphore::new(0)), times.clone());
        let (up, irq) = (gate.clone(), times.clone());
        let timer = HrTimer::new(cx, move |cx, _| {
            irq.push(("timer", stamp()));
            up.up(cx).unwrap();
            Restart::No
        });
        start(cx, "H", fifo(50), move |cx| {
            gate.down(cx);
            log.push(("H", stamp()));
        });
        // H waits.
        thread::yield_now(cx);
        timer.start_at(cx, at(begin + MS)).unwrap();
        let log = times.clone();
        start(cx, "L", fair(), move |cx| {
            l(cx, &log);
            log.push(("L", stamp()));
        })
        .join(cx)
        .unwrap();
    });
    result.take()
}

fn half_ms(n: u64) {
    hw::sim::spend(n * MS / 2);
}

/// A point that only `none` and `voluntary` have, at 5 ms; before it one that only `voluntary` has, at 3 ms.
fn two_points(cx: &mut ThreadCx, _: &Times) {
    half_ms(6);
    preempt::might_sleep(cx);
    half_ms(4);
    preempt::cond_resched(cx);
    half_ms(2);
}

/// PM-02.1: on `none`, not `might_sleep` but `cond_resched` lets the woken thread run.
#[test]
fn none_switches_at_cond_resched() {
    assert_eq!(l_and_h(Model::None, "", two_points), [("timer", 10), ("H", 50), ("L", 60)]);
}

/// PM-02.2, PM-03.2: blocking does, at 4 and at 7 ms; so do yielding and ending.
#[test]
fn what_gives_the_cpu_away_switches() {
    for model in OTHERS {
        for half in [8, 14] {
            let seen = l_and_h(model, "", move |cx, _| {
                half_ms(half);
                let nobody = Semaphore::new(0);
                let end = time::now().saturating_add(ms(1));
                assert_eq!(nobody.down_until(cx, end), Err(kernel::Error::TimedOut));
            });
            assert_eq!(seen, [("timer", 10), ("H", 5 * half), ("L", 5 * half + 10)], "{model:?}");
        }
        let seen = l_and_h(model, "", |cx, _| {
            half_ms(8);
            thread::yield_now(cx);
            half_ms(2);
        });
        assert_eq!(seen, [("timer", 10), ("H", 40), ("L", 50)], "{model:?}");
        assert_eq!(l_and_h(model, "", |_, _| half_ms(8)), [("timer", 10), ("L", 40), ("H", 40)], "{model:?}");
    }
}

/// PM-03.1: on `voluntary`, `might_sleep` lets the woken thread run; so does a blocking call that need not block.
#[test]
fn voluntary_switches_at_might_sleep() {
    assert_eq!(l_and_h(Model::Voluntary, "", two_points), [("timer", 10), ("H", 30), ("L", 60)]);
    let free = |cx: &mut ThreadCx, _: &Times| {
        half_ms(6);
        Semaphore::new(1).down(cx);
        half_ms(2);
    };
    assert_eq!(l_and_h(Model::Voluntary, "", free), [("timer", 10), ("H", 30), ("L", 40)]);
    assert_eq!(l_and_h(Model::None, "", free), [("timer", 10), ("L", 40), ("H", 40)]);
}

/// PM-02, PM-03: neither the end of an interrupt, of a section, nor a wake-up of its own preempts kernel code.
#[test]
fn none_and_voluntary_preempt_nowhere_else() {
    for model in OTHERS {
        let seen = l_and_h(model, "", |cx, log| {
            let off = preempt::disable(cx);
            half_ms(4);
            drop(off);
            log.push(("preempt on", 20));
            let masked = irq_flags::save(cx);
            half_ms(2);
            drop(masked);
            log.push(("irqs on", 30));
            let (gate, h2) = (Arc::new(Semaphore::new(0)), log.clone());
            let down = gate.clone();
            let mut h2 = start(cx, "H2", fifo(60), move |cx| {
                down.down(cx);
                h2.push(("H2", 40));
            });
            half_ms(2);
            preempt::cond_resched(cx);
            gate.up(cx).unwrap();
            log.push(("woke", 40));
            assert!(preempt::resched_pending());
            preempt::cond_resched(cx);
            h2.join(cx).unwrap();
        });
        let first = [("timer", 10), ("preempt on", 20), ("irqs on", 30)];
        let last = [("woke", 40), ("H2", 40), ("L", 40)];
        // `start` may sleep, which is a point of `voluntary`; H2 is the more urgent one at the point of `none`.
        assert_eq!((&seen[..3], &seen[4..]), (&first[..], &last[..]), "{model:?}");
        assert_eq!(seen[3], ("H", if model == Model::None { 40 } else { 30 }));
    }
}

/// PM-02, PM-03: nor do the short ways by which a FIFO thread loses the CPU: a wake-up that is the last thing in a section, and an
/// interrupt that does nothing but wake its thread.
#[test]
fn none_and_voluntary_take_no_short_way() {
    for model in Model::ALL {
        run_model(model, Config::default(), "", move |cx| {
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (down, h, thread) = (gate.clone(), log.clone(), log.clone());
            let mut woken = start(cx, "H", fifo(50), move |cx| {
                down.down(cx);
                h.push("H");
            });
            let line = irq::Request::new(irq::Irq::new(100), "dev")
                .threaded(move |_| {
                    thread.push("thread");
                    irq::Handled::Yes
                })
                .flags(irq::Flags::ONESHOT)
                .trigger(irq::Trigger::EdgeRising)
                .submit(cx)
                .unwrap();
            become_policy(cx, fifo(10));
            preempt::cond_resched(cx);
            gate.up(cx).unwrap();
            log.push("woke");
            preempt::cond_resched(cx);
            pend(cx, line.irq());
            log.push("interrupted");
            preempt::cond_resched(cx);
            let expected = match model.is_preemptible() {
                true => ["H", "woke", "thread", "interrupted"],
                false => ["woke", "H", "interrupted", "thread"],
            };
            assert_eq!(log.take(), expected, "{model:?}");
            woken.join(cx).unwrap();
            line.free(cx).unwrap();
        });
    }
}

/// PM-02.3, RC-04.3: nor is a reader preempted before its section ends: `cond_resched` in it is a report and no point.
#[test]
fn none_and_voluntary_do_not_preempt_readers() {
    for model in OTHERS {
        let warned = Log::new();
        let told = warned.clone();
        let seen = l_and_h(model, "", move |cx, log| {
            let guard = rcu::read(cx);
            half_ms(10);
            // SAFETY: this is the wrong context; that it is found out is the test.
            unsafe { sleep_hook::with_forged_token(|cx| preempt::cond_resched(cx)) };
            told.push(kernel::report::warnings());
            half_ms(2);
            drop(guard);
            log.push(("left", 60));
            preempt::cond_resched(cx);
            half_ms(2);
        });
        assert_eq!(
            (seen, warned.take()),
            (vec![("timer", 10), ("left", 60), ("H", 60), ("L", 70)], vec![1]),
            "{model:?}"
        );
    }
}

/// PM-04.1, PM-07.4: a woken thread preempts a reader at interrupt return, nested or not.
#[test]
fn preemptible_models_preempt_readers() {
    for model in PREEMPTIBLE {
        let seen = l_and_h(model, "", |cx, log| {
            let mut guard = rcu::read(cx);
            let inner = rcu::read(guard.cx());
            half_ms(4);
            drop(inner);
            drop(guard);
            log.push(("left", 20));
        });
        assert_eq!(seen, [("timer", 10), ("H", 10), ("left", 20), ("L", 20)], "{model:?}");
    }
}

/// PM-04.1, PM-06: a woken thread preempts at interrupt return.
#[test]
fn preemptible_models_switch_at_interrupt_return() {
    for model in PREEMPTIBLE {
        assert_eq!(l_and_h(model, "", |_, _| half_ms(10)), [("timer", 10), ("H", 10), ("L", 50)], "{model:?}");
    }
}

/// PM-04.2: with preemption disabled from 0.5 to 4 ms and once more from 1 to 3 ms, at the outermost enable.
#[test]
fn preemptible_models_switch_at_the_outermost_enable() {
    for model in PREEMPTIBLE {
        let seen = l_and_h(model, "", |cx, log| {
            half_ms(1);
            let outer = preempt::disable(cx);
            half_ms(1);
            // SAFETY: paired with the `enable` below; the tokens nest sections only by locks.
            unsafe { preempt::hook::disable() };
            half_ms(4);
            // SAFETY: the `disable` above.
            unsafe { preempt::hook::enable() };
            log.push(("inner enable", 30));
            half_ms(2);
            drop(outer);
            half_ms(2);
        });
        assert_eq!(seen, [("timer", 10), ("inner enable", 30), ("H", 40), ("L", 50)], "{model:?}");
    }
}

/// PM-04.4: with interrupts masked from 0.5 to 4 ms, handler and thread run at 4 ms.
#[test]
fn preemptible_models_switch_when_interrupts_are_unmasked() {
    for model in PREEMPTIBLE {
        let seen = l_and_h(model, "", |cx, _| {
            half_ms(1);
            let masked = irq_flags::save(cx);
            half_ms(7);
            drop(masked);
            half_ms(2);
        });
        assert_eq!(seen, [("timer", 40), ("H", 40), ("L", 50)], "{model:?}");
    }
}

/// PM-02, PM-04: `cond_resched` is a no-op where kernel code is preempted anyway: an equal does not run.
#[test]
fn cond_resched_is_no_point_of_preemptible_models() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            let before = switches();
            let ran = Arc::new(AtomicBool::new(false));
            let set = ran.clone();
            start(cx, "equal", fair(), move |_| set.store(true, SeqCst));
            preempt::cond_resched(cx);
            assert_eq!((switches(), ran.load(SeqCst)), (before, false));
        });
    }
}

/// PM (errors): `cond_resched` in an atomic section is warned of on every model, and switches to nobody.
#[test]
fn cond_resched_in_an_atomic_section_is_reported() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let gate = Arc::new(Semaphore::new(0));
            let down = gate.clone();
            let mut h = start(cx, "H", fifo(50), move |cx| down.down(cx));
            thread::yield_now(cx);
            let masked = irq_flags::save(cx);
            // SAFETY: for `up`, which any context may call.
            unsafe { sleep_hook::with_forged_token(|cx| gate.up(cx).unwrap()) };
            let before = switches();
            // SAFETY: this is the wrong context; that it is found out is the test.
            unsafe { sleep_hook::with_forged_token(|cx| preempt::cond_resched(cx)) };
            assert_eq!(switches(), before);
            drop(masked);
            h.join(cx).unwrap();
        });
        let found = warnings(&outcome);
        assert!(
            found.len() == 1 && found[0].contains("invalid context") && found[0].contains("models.rs"),
            "{found:?}"
        );
    }
}

/// PM-01.3: `none`, `voluntary` and `full` change places at boot, and then behave as if built so.
#[test]
fn the_boot_argument_changes_the_model() {
    let dynamic = [Model::None, Model::Voluntary, Model::Full];
    for (built, asked) in dynamic.into_iter().flat_map(|built| dynamic.map(|asked| (built, asked))) {
        let seen = l_and_h(built, &format!("preempt={}", asked.name()), move |cx, times| {
            assert_eq!(preempt::model(), asked);
            two_points(cx, times);
        });
        let h = match asked {
            Model::None => 50,
            Model::Voluntary => 30,
            _ => 10,
        };
        assert_eq!(seen, [("timer", 10), ("H", h), ("L", 60)], "{built:?} {asked:?}");
    }
}

/// PM-01, PM-01.3: what the image cannot be is warned of once and ignored, as is what is no model.
#[test]
fn a_model_that_cannot_be_is_reported_and_ignored() {
    let cannot = |built, asked| {
        let outcome = run_model(built, Config::default(), &format!("preempt={asked}"), move |_| {
            assert_eq!(preempt::model(), built);
        });
        warnings(&outcome).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (built, asked) in [
        (Model::Rt, "none"),
        (Model::Rt, "voluntary"),
        (Model::Rtb, "none"),
        (Model::Rtb, "voluntary"),
        (Model::Rtb, "rt"),
        (Model::Full, "rt"),
        (Model::None, "rtb"),
    ] {
        let text = format!("preempt={asked} ignored: this image is built for model {}", built.name());
        let found = cannot(built, asked);
        assert!(found.len() == 1 && found[0].contains(&text), "{found:?}");
    }
    for built in Model::ALL {
        let found = cannot(built, "bogus");
        assert!(found.len() == 1 && found[0].contains("preempt=bogus is not understood"), "{found:?}");
        assert_eq!(cannot(built, built.name()), [""; 0]);
    }
}
