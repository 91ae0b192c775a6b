//! Where does an ordinary handler run under each model, and what holds there? (IQ-05, IQ-06, PM-06)
use crate::{
    harness::{MS, at, fifo, run_model, start, warnings},
    irq_kit::{Count, IRQ, Story, edge, fire},
};
use hw::sim::{self, Config};
use kernel::{
    BhCx, ThreadCx, bh,
    irq::{self, Flags, Forced, Handled, Irq, Primary},
    irq_flags,
    model::Model,
    preempt::context,
    sleep_hook,
    sync::{LocalLock, Mutex, RwLock, Semaphore, SpinLock},
    thread,
    time::{HrTimer, Restart},
};
use std::sync::Arc;

/// The models that leave ordinary handlers in the interrupt unless `threadirqs` asks for more.
const HARD: [Model; 3] = [Model::None, Model::Voluntary, Model::Full];
/// The models that force them into threads.
const FORCING: [Model; 2] = [Model::Rtb, Model::Rt];

/// What a handler sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    hardirq: bool,
    softirq: bool,
    interrupts: bool,
    preemptible: bool,
}
fn look() -> Seen {
    Seen {
        hardirq: context::in_hardirq(),
        softirq: context::in_softirq(),
        interrupts: irq_flags::enabled(),
        preemptible: context::preemptible(),
    }
}

/// Runs a handler once, as its model and these arguments want it, on a verified machine that says nothing.
fn handled_once(model: Model, bootargs: &str, expected: Seen, forced: Option<Forced>) {
    let outcome = run_model(model, Config::default(), bootargs, move |cx| {
        let (runs, threads) = (Count::new(), thread::live());
        let line = edge("dev")
            .handler({
                let runs = runs.clone();
                move |_| {
                    assert_eq!(look(), expected);
                    runs.up();
                    Handled::Yes
                }
            })
            .submit(cx)
            .unwrap();
        for _ in 0..2 {
            fire(IRQ);
            // On some models nothing else lets the line's thread run.
            thread::yield_now(cx);
        }
        let handler = irq::info(cx, IRQ).unwrap().handlers.remove(0);
        assert_eq!((runs.get(), handler.forced), (2, forced));
        assert_eq!(handler.flags.contains(Flags::ONESHOT), forced.is_some());
        assert_eq!(thread::live() - threads, usize::from(forced.is_some()));
        assert_eq!(look(), Seen { hardirq: false, softirq: false, interrupts: true, preemptible: true });
        line.free(cx).unwrap();
        assert_eq!((runs.sharers(), irq::verify(cx)), (0, Ok(())));
    });
    assert_eq!(outcome.console, "");
}

const ADDED: Option<Forced> = Some(Forced { oneshot_added: true });

/// IQ-02, IQ-05: where nothing forces it, the handler runs in the interrupt, without a thread.
#[test]
fn in_the_interrupt() {
    for model in HARD {
        let seen = Seen { hardirq: true, softirq: false, interrupts: false, preemptible: false };
        handled_once(model, "", seen, None);
    }
}

/// IQ-05.1, PM-06.1: on `rtb` and `rt` it runs in the line's thread: bottom halves are disabled, interrupts are enabled, and it
/// can be preempted.
#[test]
fn forced_by_the_model() {
    for model in FORCING {
        for bootargs in ["", "threadirqs"] {
            let seen = Seen { hardirq: false, softirq: true, interrupts: true, preemptible: true };
            handled_once(model, bootargs, seen, ADDED);
        }
    }
}

/// IQ-05.2: with `threadirqs` the other models do so too, with interrupts masked.
#[test]
fn forced_by_the_boot_argument() {
    for model in HARD {
        let seen = Seen { hardirq: false, softirq: true, interrupts: false, preemptible: false };
        handled_once(model, "threadirqs", seen, ADDED);
    }
}

/// IQ-05: `threadirqs` takes no value; one that has it is reported and forces nothing.
#[test]
fn threadirqs_has_no_value() {
    let outcome = run_model(Model::Full, Config::default(), "threadirqs=off", |cx| {
        let line = edge("dev").handler(|_| Handled::Yes).submit(cx).unwrap();
        assert_eq!(line.thread(), None);
        line.free(cx).unwrap();
    });
    let warned = warnings(&outcome);
    assert!(matches!(warned[..], [one] if one.contains("threadirqs=off is not understood")), "{warned:?}");
}

/// A handler that takes every lock that it may, and what its locks disable.
fn locks(cx: &mut BhCx<'_>, model: Model) {
    let (spin, rw, local) = (SpinLock::<u32>::new(0), RwLock::<u32>::new(0), LocalLock::new([0; 8]));
    spin.with(cx, |n, cx| {
        *n += 1;
        assert_eq!(context::preemptible(), model.rt());
        rw.with_write(cx, |n, _| *n += 1);
    });
    assert_eq!(*rw.read(cx), 1);
    *local.lock_irq(cx) += 1;
}

/// PM-06.1, LM-02: in each place it takes spinlocks without a report; under `rtb` they disable preemption still.
#[test]
fn it_takes_spinlocks() {
    for model in Model::ALL {
        for bootargs in ["", "threadirqs"] {
            let outcome = run_model(model, Config::default(), bootargs, move |cx| {
                let line = edge("dev")
                    .handler(move |cx| {
                        locks(cx, model);
                        Handled::Yes
                    })
                    .submit(cx)
                    .unwrap();
                fire(IRQ);
                line.free(cx).unwrap();
            });
            assert_eq!(outcome.console, "", "{} {bootargs}", model.name());
        }
    }
}

/// LM-02, CX-03: a mutex, or a spinlock in a hard handler proper, is reported wherever the handler runs, by whoever got round the
/// tokens.
#[test]
fn what_it_must_not_take_is_reported() {
    fn forged(f: impl FnOnce(&mut ThreadCx)) {
        // SAFETY: the report is what this is about.
        unsafe { sleep_hook::with_forged_token(f) };
    }
    for model in HARD {
        for bootargs in ["", "threadirqs"] {
            let outcome = run_model(model, Config::default(), bootargs, |cx| {
                let ordinary = edge("dev").flags(Flags::SHARED).cookie(1).handler(|_| {
                    forged(|cx| drop(Mutex::new(()).lock(cx)));
                    Handled::Yes
                });
                let ordinary = ordinary.submit(cx).unwrap();
                fire(IRQ);
                ordinary.free(cx).unwrap();
                // The one before it has left nothing behind that allows this.
                let hard = edge("hard").hard(|_| {
                    forged(|cx| drop(SpinLock::<()>::new(()).lock(cx)));
                    Primary::Handled
                });
                let hard = hard.submit(cx).unwrap();
                fire(IRQ);
                hard.free(cx).unwrap();
            });
            let warned = warnings(&outcome);
            let expected = ["sleeping function called from invalid context", "invalid wait context"];
            let same = warned.len() == 2 && warned.iter().zip(expected).all(|(w, e)| w.contains(e));
            assert!(same, "{} {bootargs}: {warned:?}", model.name());
        }
    }
}

/// LM-02: nor may it take a spinlock with preemption off for another reason.
#[test]
fn a_spinlock_with_preemption_off_is_reported() {
    let outcome = run_model(Model::Full, Config::default(), "", |cx| {
        let line = edge("dev")
            .handler(|cx| {
                // SAFETY: paired; the report is what this is about.
                unsafe { kernel::preempt::hook::disable() };
                drop(SpinLock::<()>::new(()).lock(cx));
                // SAFETY: as above.
                unsafe { kernel::preempt::hook::enable() };
                Handled::Yes
            })
            .submit(cx)
            .unwrap();
        fire(IRQ);
        line.free(cx).unwrap();
    });
    let warned = warnings(&outcome);
    assert!(matches!(warned[..], [one] if one.contains("invalid wait context")), "{warned:?}");
}

/// SI-04, IQ-05: a forced handler waits for the section with bottom halves disabled that it preempts, and lends it its priority.
#[test]
fn a_forced_handler_waits_for_bottom_halves() {
    for model in FORCING {
        run_model(model, Config::default(), "", move |cx| {
            let story = Story::new();
            let line = edge("dev")
                .handler({
                    let story = story.clone();
                    move |_| {
                        story.tell("handler");
                        Handled::Yes
                    }
                })
                .submit(cx)
                .unwrap();
            let (gate, log) = (Arc::new(Semaphore::new(0)), story.clone());
            let up = gate.clone();
            let mut between = start(cx, "between", fifo(40), move |cx| {
                gate.down(cx);
                log.tell("between");
            });
            thread::yield_now(cx);
            let mut off = bh::disable(cx);
            fire(IRQ);
            up.up(off.cx()).unwrap();
            story.tell("leaves");
            drop(off);
            between.join(cx).unwrap();
            assert_eq!(story.take(), ["leaves", "handler", "between"], "{}", model.name());
            line.free(cx).unwrap();
        });
    }
}

/// PM-06, IQ-05: what the models buy: a FIFO-90 thread is delayed by another device's handler where that runs in the interrupt, and
/// goes first where it is forced.
#[test]
fn who_goes_first() {
    for model in [Model::Full, Model::Rtb, Model::Rt] {
        let story = Story::new();
        let told = story.clone();
        run_model(model, Config::default(), "", move |cx| {
            let line = edge("dev")
                .handler({
                    let story = story.clone();
                    move |_| {
                        sim::spend(MS);
                        story.tell("handler");
                        Handled::Yes
                    }
                })
                .submit(cx)
                .unwrap();
            let gate = Arc::new(Semaphore::new(0));
            let (up, log) = (gate.clone(), story.clone());
            let mut high = start(cx, "high", fifo(90), move |cx| {
                gate.down(cx);
                log.tell("high");
                sim::spend(MS);
            });
            thread::yield_now(cx);
            let begin = sim::time();
            let timer = HrTimer::new(cx, move |cx, _| {
                sim::irq::pend(IRQ.number());
                up.up(cx).unwrap();
                Restart::No
            });
            timer.start_at(cx, at(begin + MS)).unwrap();
            sim::spend(4 * MS);
            high.join(cx).unwrap();
            line.free(cx).unwrap();
        });
        let forced = FORCING.contains(&model);
        assert_eq!(told.take(), if forced { ["high", "handler"] } else { ["handler", "high"] }, "{}", model.name());
    }
}

/// IQ-06.1 to IQ-06.3: on every model, whatever was asked for, the timer's interrupt, NO_THREAD and private lines stay hard, without
/// a thread.
#[test]
fn exempt_on_every_model() {
    for model in Model::ALL {
        for bootargs in ["", "threadirqs"] {
            run_model(model, Config::default(), bootargs, |cx| {
                let (threads, runs) = (thread::live(), Count::new());
                let hard = |runs: &Count| {
                    let runs = runs.clone();
                    move || {
                        assert!(context::in_hardirq() && !irq_flags::enabled());
                        runs.up()
                    }
                };
                let fired = hard(&runs);
                let timer = HrTimer::new(cx, move |_, _| {
                    fired();
                    Restart::No
                });
                timer.start_at(cx, at(sim::time() + MS)).unwrap();
                sim::spend(2 * MS);
                assert_eq!(runs.get(), 1);
                let fired = hard(&runs);
                let line = edge("dev").flags(Flags::NO_THREAD).hard(move |_| {
                    fired();
                    Primary::Handled
                });
                let line = line.submit(cx).unwrap();
                fire(IRQ);
                let (ppi, fired) = (Irq::ppi(4), hard(&runs));
                let private = irq::request_percpu(cx, ppi, "pmu", move |_| {
                    fired();
                })
                .unwrap();
                private.enable(cx);
                fire(ppi);
                assert_eq!((runs.get(), thread::live()), (3, threads));
                private.disable(cx);
                line.free(cx).unwrap();
            });
        }
    }
}

/// IQ-05: behind a hard part the handler runs when that asks for it, in the interrupt or in the thread.
#[test]
fn behind_a_hard_part() {
    for model in Model::ALL {
        run_model(model, Config::default(), "", move |cx| {
            for (primary, runs, unhandled) in [
                (Primary::None, 0, 1),
                (Primary::Handled, 0, 0),
                (Primary::WakeThread, 1, 0),
                (Primary::HandledAndWake, 1, 0),
            ] {
                let count = Count::new();
                let line = edge("dev")
                    .hard(move |_| primary)
                    .handler({
                        let count = count.clone();
                        move |_| {
                            assert_eq!(context::in_hardirq(), HARD.contains(&model));
                            count.up();
                            Handled::Yes
                        }
                    })
                    .submit(cx)
                    .unwrap();
                let before = irq::info(cx, IRQ).unwrap().unhandled;
                fire(IRQ);
                let after = irq::info(cx, IRQ).unwrap().unhandled;
                assert_eq!((count.get(), after - before), (runs, unhandled), "{} {primary:?}", model.name());
                line.free(cx).unwrap();
            }
        });
    }
}

/// IQ-14, IQ-05: sharers of a line agree on every model, and each gets its turn; one that says No leaves the interrupt to the others.
#[test]
fn sharers() {
    for model in Model::ALL {
        run_model(model, Config::default(), "", |cx| {
            let story = Story::new();
            let share = |name: &'static str, cookie, answer| {
                let story = story.clone();
                edge(name).flags(Flags::SHARED).cookie(cookie).handler(move |_| {
                    story.tell(name);
                    answer
                })
            };
            let first = share("first", 1, Handled::No).submit(cx).unwrap();
            let second = share("second", 2, Handled::Yes).submit(cx).unwrap();
            for _ in 0..3 {
                fire(IRQ);
                assert_eq!(story.take(), ["first", "second"]);
            }
            assert_eq!(irq::info(cx, IRQ).unwrap().unhandled, 0);
            first.free(cx).unwrap();
            fire(IRQ);
            assert_eq!(story.take(), ["second"]);
            second.free(cx).unwrap();
        });
    }
}

/// IQ-19: in the interrupt, a handler that always says No is found by the detector as a hard one is.
#[test]
fn nobody_cares() {
    let outcome = run_model(Model::Full, Config::default(), "", |cx| {
        let line = edge("dev").handler(|_| Handled::No).submit(cx).unwrap();
        for _ in 0..100_000 {
            fire(IRQ);
        }
        assert!(irq::info(cx, IRQ).unwrap().depth > 0);
        line.free(cx).unwrap();
    });
    let warned = warnings(&outcome);
    assert!(matches!(warned[..], [one] if one.contains("irq 100: nobody cared")), "{warned:?}");
}
