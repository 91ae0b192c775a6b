//! How does a reader's section begin and end, what may happen in it, and where? (RC-02, RC-04, RC-09)
use crate::{
    harness::{
        MS, at_every_point, become_policy, each_model, fair, fifo, forged, hard_line, move_to, ms, run_model,
        sleep_till, start, start_on, warnings,
    },
    rcu_grace::{PREEMPTIBLE, TICK, preempted_reader, updater},
    rcu_kit::bind_gp,
};
use hw::sim::{self, Config};
use kernel::{
    ThreadCx, irq_flags,
    model::Model,
    preempt,
    rcu::{self, RcuPtr, hook},
    simulation,
    sync::{Completion, Mutex, RawSpinLock, Semaphore, SpinLock},
    thread, time,
};
use std::sync::Arc;

/// RC-02.2: an end too many is a report and changes nothing.
#[test]
fn an_end_too_many_is_reported() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            // SAFETY: nothing was loaded.
            unsafe { hook::leave() };
            assert_eq!(hook::depth(), 0);
            let guard = rcu::read(cx);
            assert_eq!(hook::depth(), 1);
            drop(guard);
            assert_eq!(hook::depth(), 0);
        });
        let text = "WARNING: RCU reader section of main ended, but none is open";
        assert_eq!(warnings(&outcome), [text], "{}", model.name());
    }
}

/// RC-02.3: a section that is not preempted makes no atomic operation, no fence, takes no lock and masks nothing, with a grace period
/// in progress or without; what is loaded in it is one load.
#[test]
fn a_section_shares_nothing() {
    const ROUNDS: u64 = 100;
    fn sections(cx: &mut ThreadCx, place: Option<&RcuPtr<u64>>) -> u64 {
        let before = sim::points();
        for _ in 0..ROUNDS {
            let mut outer = rcu::read(cx);
            let inner = rcu::read(outer.cx());
            assert_eq!(place.map(|place| *place.load(&inner).unwrap()), place.map(|_| 7));
        }
        sim::points() - before
    }
    for (model, progress) in PREEMPTIBLE.into_iter().flat_map(|model| [(model, false), (model, true)]) {
        run_model(model, Config::default(), "", move |cx| {
            let place = RcuPtr::new(7);
            let mut reader = progress.then(|| preempted_reader(cx, 5 * MS));
            if progress {
                rcu::start_poll(cx);
                time::sleep(cx, ms(1)).unwrap();
                assert!(rcu::stats().in_progress);
            }
            simulation::most_at_once();
            assert_eq!((sections(cx, None), sections(cx, Some(&place))), (0, ROUNDS));
            assert_eq!(simulation::most_at_once(), 0);
            if let Some(reader) = &mut reader {
                reader.join(cx).unwrap();
            }
        });
    }
    each_model(|cx, _| assert_eq!(sections(cx, None), 0));
}

/// RC-04.1, CX-03.2: a mutex, a sleep, a completion, a semaphore and a yield in a section are one report each, though they need not
/// wait. A spinlock is none.
#[test]
fn sleeping_calls_are_reported() {
    type Call<'a> = &'a dyn Fn(&mut ThreadCx);
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let (mutex, done, free) = (Mutex::new(()), Completion::new(), Semaphore::new(1));
            done.complete(cx);
            let mut guard = rcu::read(cx);
            drop(SpinLock::<()>::new(()).lock(guard.cx()));
            assert_eq!(kernel::report::warnings(), 0);
            let calls: [Call; 5] = [
                &|cx| drop(mutex.lock(cx)),
                &|cx| time::sleep(cx, ms(0)).unwrap(),
                &|cx| done.wait(cx),
                &|cx| free.down(cx),
                &|cx| preempt::might_sleep(cx),
            ];
            for (call, told) in calls.into_iter().zip(1..) {
                forged(call);
                assert_eq!((kernel::report::warnings(), hook::depth()), (told, 1));
            }
            drop(guard);
        });
        let told = warnings(&outcome);
        let text = "WARNING: voluntary context switch in an RCU reader section, depth 1, at tests/sim/";
        assert!(told.iter().all(|told| told.starts_with(text) && told.ends_with(" by main")), "{told:?}");
    }
}

/// RC-04.1: one that does sleep is waited for all the same, under every model.
#[test]
fn a_reader_that_sleeps_is_waited_for() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let begin = sim::time();
            let mut reader = start(cx, "reader", fifo(60), move |cx| {
                let guard = rcu::read(cx);
                forged(|cx| sleep_till(cx, begin + 10 * MS));
                drop(guard);
            });
            let mut updater = updater(cx, begin + MS);
            sleep_till(cx, begin + 2 * MS);
            assert_eq!((rcu::stats().blocked_readers, kernel::verify::all(cx)), (1, Ok(())));
            assert_eq!(updater.join(cx), Ok(begin + 10 * MS));
            reader.join(cx).unwrap();
            assert_eq!(rcu::stats().blocked_readers, 0);
        });
        assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.console);
    }
}

/// RC-04: so is one that yields, with one report.
#[test]
fn a_reader_that_yields_is_waited_for() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let begin = sim::time();
            let mut reader = start(cx, "reader", fifo(60), move |cx| {
                sleep_till(cx, begin + MS);
                let guard = rcu::read(cx);
                forged(thread::yield_now);
                assert_eq!(sim::time(), begin + 11 * MS);
                drop(guard);
            });
            let mut equal = start(cx, "equal", fifo(60), move |cx| {
                sleep_till(cx, begin + MS);
                sim::spend(10 * MS);
                rcu::stats().blocked_readers
            });
            let mut updater = updater(cx, begin + 2 * MS);
            assert_eq!(updater.join(cx), Ok(begin + 11 * MS));
            assert_eq!(equal.join(cx), Ok(1));
            reader.join(cx).unwrap();
        });
        let text = "WARNING: voluntary context switch in an RCU reader section, depth 1: reader yields";
        assert_eq!(warnings(&outcome), [text]);
    }
}

/// RC-04.2: under `rt` a reader waits for a spinlock without a report, passes on what it inherits, and holds the grace period.
#[test]
fn a_reader_waits_for_a_spinlock() {
    let outcome = run_model(Model::Rt, Config::default(), "", |cx| {
        become_policy(cx, fifo(99));
        let (lock, begin) = (Arc::new(SpinLock::<()>::new(())), sim::time());
        let (held, wanted) = (lock.clone(), lock.clone());
        let mut holder = start(cx, "holder", fair(), move |cx| held.with(cx, |(), _| sim::spend(5 * MS)));
        let mut reader = start(cx, "reader", fifo(40), move |cx| {
            sleep_till(cx, begin + MS);
            let mut guard = rcu::read(cx);
            wanted.with(guard.cx(), |(), _| sim::spend(MS));
            sim::spend(MS);
            drop(guard);
        });
        let mut updater = updater(cx, begin + 2 * MS);
        sleep_till(cx, begin + 3 * MS);
        assert_eq!((rcu::stats().blocked_readers, lock.owner()), (1, Some(holder.id())));
        assert_eq!(crate::mutex::level(cx, holder.id()), 40);
        assert_eq!(updater.join(cx), Ok(begin + 7 * MS));
        [&mut holder, &mut reader].into_iter().for_each(|thread| thread.join(cx).unwrap());
    });
    assert_eq!(warnings(&outcome), [""; 0]);
}

/// Ends a section where the types do not let it: `end` is called with the guard's drop.
fn ends_inside(end: fn(&mut ThreadCx, &mut dyn FnMut())) {
    for model in PREEMPTIBLE {
        let outcome = run_model(model, Config::default(), "", move |cx| {
            become_policy(cx, fifo(99));
            let begin = sim::time();
            let mut reader = start(cx, "reader", fair(), move |cx| {
                let mut guard = Some(rcu::read(cx));
                sim::spend(3 * MS);
                forged(|cx| {
                    end(cx, &mut || {
                        drop(guard.take());
                        assert_eq!((hook::depth(), rcu::stats().blocked_readers), (0, 0));
                        sim::spend(MS);
                    });
                });
                sim::spend(10 * MS);
            });
            let mut updater = updater(cx, begin + MS);
            sleep_till(cx, begin + 2 * MS);
            assert_eq!(rcu::stats().blocked_readers, 1);
            // Whoever waits cannot run before: the section that is still open goes on for a millisecond.
            assert_eq!(updater.join(cx), Ok(begin + 4 * MS));
            reader.join(cx).unwrap();
        });
        assert_eq!(warnings(&outcome), [""; 0], "{}", model.name());
    }
}

/// RC-09.1: a section of a preempted reader that ends under a raw lock, with preemption or with interrupts off, is over there and
/// then; whoever waited for it goes on as soon as what was disabled is enabled.
#[test]
fn a_section_ends_in_a_restricted_context() {
    ends_inside(|cx, end| RawSpinLock::<(), kernel::cx::Irq>::new(()).with(cx, |(), _| end()));
    ends_inside(|cx, end| RawSpinLock::<(), kernel::cx::Thread>::new(()).with(cx, |(), _| end()));
    ends_inside(|cx, end| {
        let _off = preempt::disable(cx);
        end();
    });
    ends_inside(|cx, end| {
        let _off = irq_flags::save(cx);
        end();
    });
}

/// RC-09: a reader that was asked, and ends its section with interrupts off, is asked again a tick later.
#[test]
fn a_reader_that_was_asked_ends_with_interrupts_off() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            let begin = sim::time() + MS;
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let guard = rcu::read(cx);
                sim::spend(MS + 5 * MS);
                forged(|cx| {
                    let off = irq_flags::save(cx);
                    drop(guard);
                    sim::spend(MS);
                    drop(off);
                });
                sim::spend(10 * MS);
            });
            assert_eq!(updater(cx, begin).join(cx), Ok(begin + 2 * TICK));
            reader.join(cx).unwrap();
        });
    }
}

/// RC-09.2, CX-04.2: a thread that ends in a section, preempted in it or not, is one report, and the grace period goes on.
#[test]
fn a_reader_that_ends_is_told() {
    for (model, cpus) in Model::ALL.into_iter().flat_map(|model| [(model, 1), (model, 2)]) {
        let outcome = run_model(model, Config { cpus, ..Config::default() }, "", move |cx| {
            let begin = sim::time() + MS;
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let mut reader = start_on(cx, &[cpus - 1], "reader", fair(), |cx| {
                let mut guard = rcu::read(cx);
                core::mem::forget(rcu::read(guard.cx()));
                sim::spend(10 * MS);
                core::mem::forget(guard);
            });
            sleep_till(cx, begin);
            rcu::synchronize(cx).unwrap();
            assert_eq!(rcu::stats().blocked_readers, 0);
            if cpus == 2 || model.is_preemptible() {
                assert_eq!(sim::time() - begin, 9 * MS, "{}", model.name());
            }
            reader.join(cx).unwrap();
        });
        let told = warnings(&outcome);
        let text = "reader ends in an RCU reader section, depth 2";
        assert!(told.len() == 1 && told[0].ends_with(text), "{}: {told:?}", model.name());
    }
}

/// An interrupt at every point of the end of a section of a preempted reader. Its hard handler wakes a thread that preempts the reader
/// once more, in a section of its own if `reads`.
fn interrupted_while_a_section_ends(reads: bool) {
    at_every_point(move |cx, arm| {
        let woken = Arc::new(Semaphore::new(0));
        let gate = woken.clone();
        let line = hard_line(cx, 100, move |cx| match reads {
            true => gate.up(rcu::read(cx).cx()).unwrap(),
            false => gate.up(cx).unwrap(),
        });
        let mut checker = start(cx, "checker", fifo(60), move |cx| {
            woken.down(cx);
            assert_eq!(kernel::verify::all(cx), Ok(()));
        });
        let mut guard = rcu::read(cx);
        // Preempted by `rcu_gp`.
        let cookie = rcu::start_poll(guard.cx());
        assert!(rcu::stats().blocked_readers == 1 && rcu::stats().in_progress);
        arm();
        drop(guard);
        assert_eq!(hook::depth(), 0);
        checker.join(cx).unwrap();
        assert!(rcu::poll(cookie) && rcu::stats().blocked_readers == 0);
        line.free(cx).unwrap();
    });
}

/// RC-09.3: the list agrees with the readers all the while, and the grace period ends with this one.
#[test]
fn a_hard_handler_reads_while_a_section_ends() {
    interrupted_while_a_section_ends(true);
}

/// RC-09: so it does if the reader is preempted once more between its section's end and the list.
#[test]
fn preempted_while_a_section_ends() {
    interrupted_while_a_section_ends(false);
}
