//! Does a report say who waits for which lock, and whose it is? (PK-03)
use crate::harness::{Log, MS, become_policy, fair, fifo, move_to, ms, run_to_bug, start, start_on};
use hw::sim::{self, Config, End, Order, Outcome, seeds};
use kernel::{
    ThreadCx, irq_flags, preempt, report, sleep_hook,
    sync::{Mutex, Pending, RobustMutex, RwSemaphore, Semaphore, SpinLock, mutex::hook::with_pi_lock},
    thread::{self, JoinHandle},
    time,
};
use std::{mem, sync::Arc};

type Wait = Box<dyn FnOnce(&mut ThreadCx) + Send>;

const HEADING: &str = "locks that are waited for:";

/// Stops the machine: scheduling in a section is a BUG.
fn bug(cx: &mut ThreadCx) {
    let _off = preempt::disable(cx);
    // SAFETY: a test.
    unsafe { sleep_hook::with_forged_token(thread::yield_now) };
}
/// What a report says of locks.
fn told(outcome: &Outcome) -> Vec<&str> {
    outcome.console.lines().skip_while(|line| *line != HEADING).collect()
}

/// Starts a thread that runs `holds` and waits for ever then, or until its time comes.
fn holder(cx: &mut ThreadCx, name: &str, holds: impl FnOnce(&mut ThreadCx) + Send + 'static) -> JoinHandle<()> {
    let holder = start(cx, name, fair(), move |cx| {
        holds(cx);
        Semaphore::new(0).down(cx);
    });
    time::sleep(cx, ms(1)).unwrap();
    holder
}

/// PK-03: one line for each lock that somebody waits for, with its place, its owner, the most urgent of its waiters and how
/// many there are; nothing of the others.
#[test]
fn one_line_a_lock() {
    let line = line!() + 4;
    let expected = Log::new();
    let log = expected.clone();
    let outcome = run_to_bug("BUG: scheduling while atomic", move |cx| {
        let (first, free) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let second: &RobustMutex<()> = Box::leak(Box::new(RobustMutex::new(())));
        let third = Arc::new(RwSemaphore::new(()));
        become_policy(cx, fifo(99));
        let (a, b) = (first.clone(), free.clone());
        let low = holder(cx, "low", move |cx| mem::forget((a.lock(cx), b.lock(cx))));
        let (a, c) = (first.clone(), third.clone());
        // It owns two and waits itself.
        let middle = holder(cx, "middle", move |cx| {
            let _held = (second.lock(cx), c.write(cx));
            drop(a.lock(cx));
        });
        let waiters: [(_, _, Wait); 4] = [
            ("x", 10, Box::new(move |cx| drop(second.lock(cx)))),
            ("y", 30, Box::new(move |cx| drop(second.lock(cx)))),
            ("z", 20, Box::new(move |cx| drop(second.lock(cx)))),
            ("reader", 5, Box::new(move |cx| drop(third.read(cx)))),
        ];
        let ids = waiters.map(|(name, priority, wait)| start(cx, name, fifo(priority), wait).id());
        time::sleep(cx, ms(1)).unwrap();
        let (at, low, middle) = (file!(), low.id(), middle.id());
        log.push(format!("  mutex of {at}:{line}: owner low ({low}), top waiter middle ({middle}), 1 waiting"));
        let robust = format!("  robust-mutex of {at}:{}: owner middle ({middle})", line + 1);
        log.push(format!("{robust}, top waiter y ({}), 3 waiting", ids[1]));
        let rw = format!("  rw-semaphore of {at}:{}: owner middle ({middle})", line + 2);
        log.push(format!("{rw}, top waiter reader ({}), 1 waiting", ids[3]));
        bug(cx);
    });
    assert_eq!(told(&outcome)[1..], expected.take(), "{}", outcome.console);
}

/// PK-03: a lock that was left to its waiter has no owner; one whose owner has ended says so.
#[test]
fn locks_without_an_owner() {
    let outcome = run_to_bug("BUG: ", |cx| {
        become_policy(cx, fifo(50));
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock(cx);
        let wanted = lock.clone();
        let waiter = start(cx, "waiter", fifo(60), move |cx| drop(wanted.lock(cx)));
        lock.hold_wake(waiter.id());
        drop(guard);
        bug(cx);
    });
    assert!(told(&outcome)[1].contains(": owner nobody, top waiter waiter ("), "{}", outcome.console);
    let outcome = run_to_bug("BUG: ", |cx| {
        let lock = Arc::new(SpinLock::<_>::new(()));
        let held = lock.clone();
        start(cx, "owner", fair(), move |cx| mem::forget(held.lock(cx))).join(cx).unwrap();
        drop(lock.lock(cx));
    });
    let line = told(&outcome)[1];
    let end = ", which has ended, top waiter main (1), 1 waiting";
    assert!(line.starts_with("  spinlock of ") && line.ends_with(end), "{}", outcome.console);
}

/// PK-03: at most 16 locks are named.
#[test]
fn a_bounded_number_of_lines() {
    for locks in [16, 17, 40] {
        let outcome = run_to_bug("BUG: ", move |cx| {
            become_policy(cx, fifo(50));
            for _ in 0..locks {
                let lock = Arc::new(Mutex::new(()));
                let held = lock.clone();
                start(cx, "owner", fifo(60), move |cx| {
                    let _guard = held.lock(cx);
                    Semaphore::new(0).down(cx);
                });
                start(cx, "waiter", fifo(60), move |cx| drop(lock.lock(cx)));
            }
            bug(cx);
        });
        let lines = told(&outcome);
        assert_eq!(lines.len(), 1 + 16 + usize::from(locks > 16), "{}", outcome.console);
        assert!(lines[1..=16].iter().all(|line| line.contains(": owner owner (")), "{}", outcome.console);
        assert!(locks == 16 || lines[17] == format!("  and {} more", locks - 16), "{}", outcome.console);
    }
}

/// PK-03: a waiter whose pi lock is held: the CPU that stops may look, for nobody changes anything; if another CPU goes on
/// with it, the waiter is left out.
#[test]
fn a_waiter_that_cannot_be_locked() {
    for (elsewhere, expected) in [(false, 2), (true, 0)] {
        let config = Config { cpus: 2, ..Config::default() };
        let outcome = kernel::simulation::boot(config, "", move |cx| {
            move_to(cx, 0);
            become_policy(cx, fifo(50));
            let lock = Arc::new(Mutex::new(()));
            let wanted = lock.clone();
            let _guard = lock.lock(cx);
            let waiter = start_on(cx, &[0], "waiter", fifo(60), move |cx| drop(wanted.lock(cx))).id();
            // SAFETY: the machine stops meanwhile.
            let held = move |f: &mut dyn FnMut()| unsafe { with_pi_lock(waiter, f) };
            if elsewhere {
                start_on(cx, &[1], "goes on", fifo(60), move |_| held(&mut || sim::spend(1_000 * MS)));
                sim::spend(MS);
                bug(cx);
            } else {
                held(&mut || bug(cx));
            }
        });
        assert_eq!(outcome.end, End::Exit(report::EXIT_BUG), "{}\n{}", outcome.console, outcome.story);
        assert_eq!(told(&outcome).len(), expected, "{}", outcome.console);
        assert_eq!(outcome.console.contains("still running: CPU 1"), elsewhere);
    }
}

/// PK-03: whatever the other CPUs are in the middle of, also if one of them does not halt: the report comes to its end, and every
/// line of it is whole.
#[test]
fn in_the_middle_of_anything() {
    let seen = Log::new();
    let log = seen.clone();
    seeds(150, move |seed| {
        let config = Config { cpus: 3, order: Order::Seeded(seed), ..Config::default() };
        let outcome = kernel::simulation::boot(config, "", move |cx| {
            move_to(cx, 0);
            let locks = [Arc::new(Mutex::new(())), Arc::new(Mutex::new(()))];
            for n in 0..4 {
                let locks = locks.clone();
                start_on(cx, &[1, 2], "fights", fifo(10 + n), move |cx| {
                    loop {
                        let _outer = locks[0].lock(cx);
                        let _inner = locks[1].lock(cx);
                        time::sleep(cx, core::time::Duration::from_nanos(500)).unwrap();
                    }
                });
            }
            if seed % 3 == 0 {
                start_on(cx, &[2], "deaf", fifo(90), |cx| {
                    let _off = irq_flags::save(cx);
                    sim::spend(1_000 * MS);
                });
            }
            sim::spend(20_000 + 37 * (seed % 1_000));
            bug(cx);
        });
        assert_eq!(outcome.end, End::Exit(report::EXIT_BUG), "{}\n{}", outcome.console, outcome.story);
        for line in told(&outcome).into_iter().skip(1) {
            let rest = line.strip_prefix("  mutex of ").unwrap_or_else(|| panic!("{}", outcome.console));
            let named = rest.split_once(": owner ").is_some_and(|(_, rest)| {
                (rest.starts_with("fights (") || rest.starts_with("nobody,"))
                    && rest.contains(", top waiter fights (")
                    && rest.ends_with(" waiting")
            });
            assert!(named, "{}", outcome.console);
            log.push(seed % 3 == 0);
        }
    });
    let seen = seen.take();
    assert!(seen.contains(&true) && seen.contains(&false), "nobody waits");
}
