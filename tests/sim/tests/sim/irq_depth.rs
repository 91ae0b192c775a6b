//! Do disable and enable nest, and does synchronize wait for what it must? (IQ-16, IQ-17)
use crate::{
    harness::{fifo, warnings},
    irq_kit::{Count, IRQ, Later, assert_line, be_fifo, clean, edge, fire, registers, release_line, warned},
};
use hw::{gic::Which, sim};
use kernel::{
    Error,
    irq::{self, Flags, Handled, Line, Primary, Request, Trigger, inject},
    sync::Completion,
    thread,
    time::{self, HrTimer, Restart},
};
use std::{sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);

/// IQ-16.1: two disables need two enables.
#[test]
fn disables_nest() {
    clean(|cx| {
        let runs = Count::new();
        let line = edge("dev").hard(runs.hard(Primary::Handled)).submit(cx).unwrap();
        line.disable(cx).unwrap();
        line.disable(cx).unwrap();
        fire(IRQ);
        line.enable(cx).unwrap();
        assert_eq!((runs.get(), line.depth()), (0, 1));
        line.enable(cx).unwrap();
        assert_eq!((runs.get(), line.depth()), (1, 0));
        fire(IRQ);
        assert_eq!(runs.get(), 2);
        line.free(cx).unwrap();
    });
}

/// IQ-16.2: three edges while disabled are one run at the enable; on plain, held and masked lines.
#[test]
fn edges_while_disabled_are_one() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let (hard, runs) = (Count::new(), Count::new());
            let ask = edge("dev").hard(hard.hard(Primary::WakeThread)).threaded(runs.thread());
            let line = ask.flags(flags).cookie(1).submit(cx).unwrap();
            line.disable(cx).unwrap();
            (0..3).for_each(|_| fire(IRQ));
            assert_eq!((hard.get(), runs.get()), (0, 0));
            line.enable(cx).unwrap();
            // The first edge is re-sent by software, the others are latched by the controller, in the same bit.
            assert_eq!((hard.get(), runs.get()), (1, 1));
            line.free(cx).unwrap();
        });
    }
}

/// IQ-16.3: a level line that was asserted and cleared while disabled does nothing at the enable.
#[test]
fn a_level_that_has_gone_is_forgotten() {
    clean(|cx| {
        for flags in [Flags::empty(), Flags::ONESHOT] {
            let runs = Count::new();
            let ask = Request::new(IRQ, "dev").trigger(Trigger::LevelHigh).hard(|_| Primary::WakeThread);
            let line = ask.threaded(runs.thread()).flags(flags).submit(cx).unwrap();
            line.disable(cx).unwrap();
            assert_line(IRQ);
            release_line(IRQ);
            line.enable(cx).unwrap();
            assert_eq!(runs.get(), 0);
            line.free(cx).unwrap();
        }
    });
}

/// IQ-16.4: an enable too many warns, says `Invalid` and changes nothing.
#[test]
fn an_enable_too_many() {
    warned(&["unbalanced enable of irq 100"], |cx| {
        let runs = Count::new();
        let line = edge("dev").hard(runs.hard(Primary::Handled)).submit(cx).unwrap();
        assert_eq!(line.enable(cx), Err(Error::Invalid));
        assert_eq!(line.depth(), 0);
        fire(IRQ);
        line.disable(cx).unwrap();
        fire(IRQ);
        assert_eq!((runs.get(), line.depth()), (1, 1));
        line.free(cx).unwrap();
    });
}

/// IQ-16.5: in the line's own thread, `disable` would wait for itself; `disable_nosync` does not.
#[test]
fn disabled_by_its_own_thread() {
    clean(|cx| {
        let (runs, line) = (Count::new(), Later::<Line>::default());
        let ask = edge("dev").flags(Flags::ONESHOT).threaded({
            let (runs, line) = (runs.clone(), line.clone());
            move |cx| {
                let line = line.get().unwrap();
                assert_eq!((line.disable(cx), line.synchronize(cx)), (Err(Error::Deadlock), Err(Error::Deadlock)));
                assert_eq!(line.depth(), 0);
                line.disable_nosync(cx);
                runs.up();
                Handled::Yes
            }
        });
        line.set(ask.submit(cx).unwrap()).unwrap();
        let line = line.get().unwrap();
        fire(IRQ);
        fire(IRQ);
        assert_eq!((runs.get(), line.depth()), (1, 1));
        line.enable(cx).unwrap();
        assert_eq!(runs.get(), 2);
        line.enable(cx).unwrap();
    });
}

/// IQ-16.6: with interrupts masked, `disable` warns and acts as `disable_nosync`; `synchronize` is refused.
#[test]
fn disabled_with_interrupts_masked() {
    let outcome = crate::harness::run(|cx| {
        let line = edge("dev").hard(|_| Primary::Handled).submit(cx).unwrap();
        {
            let _off = kernel::irq_flags::save(cx);
            // SAFETY: tests what happens to code that defeats the tokens.
            unsafe {
                kernel::sleep_hook::with_forged_token(|cx| {
                    assert_eq!((line.disable(cx), line.depth()), (Ok(()), 1));
                    assert_eq!(line.synchronize(cx), Err(Error::WrongContext));
                });
            }
        }
        line.enable(cx).unwrap();
        line.free(cx).unwrap();
    });
    let found = warnings(&outcome);
    assert!(found.len() == 2 && found.iter().all(|w| w.contains("sleeping function")), "{}", outcome.console);
}

/// IQ-16.7: a lazy disable does not touch the chip until the line fires; DISABLE_UNLAZY masks at once.
#[test]
fn lazy_and_unlazy_disable() {
    clean(|cx| {
        let line = edge("lazy").hard(|_| Primary::Handled).submit(cx).unwrap();
        assert_eq!(registers(|| line.disable_nosync(cx)), [""; 0]);
        assert!(sim::irq::state(100).enabled);
        fire(IRQ);
        assert!(!sim::irq::state(100).enabled);
        line.free(cx).unwrap();
        let line = edge("unlazy").hard(|_| Primary::Handled).flags(Flags::DISABLE_UNLAZY).submit(cx).unwrap();
        line.disable_nosync(cx);
        assert!(!sim::irq::state(100).enabled);
        line.enable(cx).unwrap();
        assert!(sim::irq::state(100).enabled);
        line.free(cx).unwrap();
    });
}

/// IQ-16: an event at every point of a disable and of an enable is served once, by the end of the enable.
#[test]
fn nothing_is_lost_around_a_disable() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let runs = Count::new();
            let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(runs.thread()).flags(flags).cookie(1);
            let line = ask.priority(fifo(80)).submit(cx).unwrap();
            for n in 1..200 {
                sim::at_point(n, sim::Injection::Pend(100));
                let before = runs.get();
                line.disable(cx).unwrap();
                line.enable(cx).unwrap();
                (0..200).for_each(|_| sim::point());
                assert_eq!(runs.get(), before + 1, "point {n}, {flags:?}");
            }
            line.free(cx).unwrap();
        });
    }
}

/// IQ-17.1 on one CPU: the thread sleeps for 2 ms; `synchronize` returns when it is done.
#[test]
fn synchronize_waits_for_the_thread() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let ask = edge("dev").hard(|_| Primary::WakeThread).flags(flags).cookie(1).threaded(|cx| {
                time::sleep(cx, 2 * MS).unwrap();
                Handled::Yes
            });
            let line = ask.submit(cx).unwrap();
            let start = time::now();
            fire(IRQ);
            line.synchronize(cx).unwrap();
            assert_eq!((time::now().since(start).as_millis(), line.thread_runs()), (2, 1));
            // Idle: at once.
            line.synchronize(cx).unwrap();
            assert_eq!(time::now().since(start).as_millis(), 2);
            line.free(cx).unwrap();
        });
    }
}

/// IQ-17.2: caller FIFO 80, thread FIFO 50, hog FIFO 60: the caller waits for the hog too, and its WCHAN names the line.
#[test]
fn synchronize_does_not_lend_its_priority() {
    clean(|cx| {
        be_fifo(cx, 80);
        let line = edge("dev").threaded(|_| Handled::Yes).flags(Flags::ONESHOT).submit(cx).unwrap();
        let start = time::now();
        let hog = thread::Builder::new("hog").policy(fifo(60));
        let mut hog = hog.spawn(cx, |_| sim::spend(5_000_000)).unwrap();
        let caller = thread::current_id();
        let watch = thread::Builder::new("watch").policy(fifo(99));
        let mut watch = watch
            .spawn(cx, move |cx| {
                time::sleep(cx, MS).unwrap();
                let mut wchan = String::new();
                thread::for_each(cx, |_, info| {
                    if info.id == caller {
                        wchan = info.wchan.to_string();
                    }
                });
                wchan
            })
            .unwrap();
        fire(IRQ);
        line.synchronize(cx).unwrap();
        assert_eq!(time::now().since(start).as_millis(), 5);
        assert_eq!(watch.join(cx).unwrap(), "synchronize_irq 100");
        hog.join(cx).unwrap();
        line.free(cx).unwrap();
    });
}

/// IQ-17.3 on one CPU: a line that is active in the controller, as one that another CPU has acknowledged is, is waited
/// for until it is not.
#[test]
fn synchronize_waits_for_an_active_line() {
    clean(|cx| {
        let line = edge("dev").hard(|_| Primary::Handled).submit(cx).unwrap();
        inject::set_state(cx, IRQ, Which::Active, true).unwrap();
        let timer = HrTimer::new(cx, |cx, _| {
            inject::set_state(cx, IRQ, Which::Active, false).unwrap();
            Restart::No
        });
        let start = time::now();
        timer.start_after(cx, 2 * MS).unwrap();
        assert!(line.synchronize_hardirq(cx));
        assert_eq!(time::now().since(start).as_millis(), 2);
        line.free(cx).unwrap();
    });
}

/// IQ-17.4: with a thread at work, `synchronize_hardirq` says so and does not wait.
#[test]
fn synchronize_hardirq_does_not_wait_for_threads() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let gate = Arc::new(Completion::new());
            let ask = edge("dev").hard(|_| Primary::WakeThread).flags(flags).cookie(1).threaded({
                let gate = gate.clone();
                move |cx| {
                    gate.wait(cx);
                    Handled::Yes
                }
            });
            let line = ask.submit(cx).unwrap();
            assert!(line.synchronize_hardirq(cx));
            fire(IRQ);
            assert!(!line.synchronize_hardirq(cx));
            assert!(!line.disable_hardirq(cx));
            gate.complete(cx);
            assert!(line.synchronize_hardirq(cx));
            line.enable(cx).unwrap();
            line.free(cx).unwrap();
        });
    }
}

/// IQ-17: several waiters of different priorities all return, however often the line fires meanwhile.
#[test]
fn several_threads_synchronize() {
    clean(|cx| {
        let ask = edge("dev").flags(Flags::ONESHOT).threaded(|cx| {
            time::sleep(cx, MS).unwrap();
            Handled::Yes
        });
        let line = Arc::new(ask.submit(cx).unwrap());
        fire(IRQ);
        let spawn = |cx: &mut kernel::ThreadCx, priority| {
            let line = line.clone();
            let body = move |cx: &mut kernel::ThreadCx| {
                for _ in 0..3 {
                    line.synchronize(cx).unwrap();
                    fire(IRQ);
                }
            };
            thread::Builder::new("waiter").policy(fifo(priority)).spawn(cx, body).unwrap()
        };
        let waiters = [90, 10, 60].map(|priority| spawn(cx, priority));
        for mut waiter in waiters {
            waiter.join(cx).unwrap();
        }
        line.synchronize(cx).unwrap();
        assert!((2..=10).contains(&line.thread_runs()), "{}", line.thread_runs());
        Arc::into_inner(line).unwrap().free(cx).unwrap();
    });
}

/// IQ-16: `irq::info` shows the depth.
#[test]
fn the_depth_is_shown() {
    clean(|cx| {
        let line = edge("dev").hard(|_| Primary::Handled).flags(Flags::NO_AUTOEN).submit(cx).unwrap();
        assert_eq!(irq::info(cx, IRQ).unwrap().depth, 1);
        line.enable(cx).unwrap();
        assert_eq!(irq::info(cx, IRQ).unwrap().depth, 0);
        line.free(cx).unwrap();
    });
}
