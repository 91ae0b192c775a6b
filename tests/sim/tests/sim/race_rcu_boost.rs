//! Does a reader keep what it is lent exactly until its section ends, whatever its end meets? (RC-10)
use crate::{
    harness::{
        MS, US, at_every_point, become_policy, fair, fifo, forged, hard_line, move_to, ms, run_with, sleep_till, start,
        start_on,
    },
    mutex::level,
    race::{busy_till, explored},
    rcu_kit::{be_listed, joined},
};
use hw::sim::{self, Config, Order, Rng};
use kernel::{
    Policy, ThreadCx,
    irq::{Flags, Handled, Irq, Request, Trigger},
    rcu, sched,
    sync::{Semaphore, SpinLock},
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// RC-10: a section ends at any moment of the way from the look at the list of readers to the sleep of whoever lends, on one CPU.
#[test]
fn a_section_ends_at_any_moment_of_lending() {
    at_every_point(|cx, arm| {
        become_policy(cx, fifo(90));
        let ends = Arc::new(AtomicBool::new(false));
        let mine = ends.clone();
        let mut reader = start(cx, "reader", fair(), move |cx| {
            let guard = rcu::read(cx);
            while !mine.load(SeqCst) {
                sim::spend(US);
            }
            drop(guard);
            let me = thread::current_id();
            assert_eq!(level(cx, me), 97);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (id, mine) = (reader.id(), ends.clone());
        let line = Request::new(Irq::new(100), "end")
            .threaded(move |cx| {
                mine.store(true, SeqCst);
                // It goes first from here on, and ends.
                let _ = sched::set(cx, id, fifo(97));
                Handled::Yes
            })
            .flags(Flags::ONESHOT)
            .trigger(Trigger::EdgeRising)
            .priority(fifo(95))
            .submit(cx)
            .unwrap();
        arm();
        rcu::synchronize_expedited(cx).unwrap();
        assert!(ends.load(SeqCst));
        reader.join(cx).unwrap();
        assert!(rcu::stats().boosted <= 1);
        line.free(cx).unwrap();
    });
}

/// RC-10, RC-09.3: an interrupt that reads itself comes at any moment of the end of a section whose reader was lent priority: one of
/// the two gives it back.
#[test]
fn an_interrupt_that_reads_meets_the_end_of_a_section() {
    at_every_point(|cx, arm| {
        let came = Arc::new(Semaphore::new(0));
        let up = came.clone();
        let line = hard_line(cx, 100, move |cx| {
            rcu::with(cx, |_, _| ());
            up.up(cx).unwrap();
        });
        let me = thread::current_id();
        let guard = rcu::read(cx);
        forged(|cx| {
            thread::yield_now(cx);
            let mut updater = start(cx, "updater", fifo(50), |cx| rcu::synchronize_expedited(cx).unwrap());
            assert_eq!((level(cx, me), rcu::stats().boosted), (1, 1));
            arm();
            drop(guard);
            assert_eq!((level(cx, me), rcu::stats().blocked_readers), (0, 0));
            assert!(updater.is_finished());
            updater.join(cx).unwrap();
        });
        came.down(cx);
        line.free(cx).unwrap();
    });
}

/// RC-10: a section ends on one CPU while priority is lent to its reader on the other.
#[test]
fn a_section_ends_as_another_cpu_lends() {
    explored(|cx| {
        let asks = sim::time() + 2 * MS;
        let lends = asks + 500 * MS;
        let mut reader = start_on(cx, &[1], "reader", fifo(80), move |cx| {
            let guard = rcu::read(cx);
            be_listed();
            busy_till(lends);
            drop(guard);
            // What follows is no part of the race.
            sim::spend(MS);
            let me = thread::current_id();
            assert_eq!(level(cx, me), 80);
        });
        sleep_till(cx, asks);
        let cookie = rcu::start_poll(cx);
        sleep_till(cx, lends - US);
        assert!(!rcu::poll(cookie));
        sim::interleave(true);
        sleep_till(cx, lends + 500 * US);
        sim::interleave(false);
        assert!(rcu::poll(cookie));
        assert!(rcu::stats().boosted <= 1);
        reader.join(cx).unwrap();
    });
}

/// A thread that reads again and again, each time a while, and takes a lock in some sections; it runs as this policy.
fn read_for_a_while(cx: &mut ThreadCx, rng: &Rng, lock: &SpinLock<u32>, policy: Policy) {
    for _ in 0..6 {
        let mut guard = rcu::read(cx);
        sim::spend(rng.below(300) * US);
        if rng.below(2) == 0 {
            lock.with(guard.cx(), |value, _| {
                *value += 1;
                sim::spend(rng.below(100) * US);
            });
        }
        drop(guard);
        let me = thread::current_id();
        // The level is in order as soon as the section is over; nobody else lends.
        let level = level(cx, me);
        assert_eq!(level, if policy.is_rt() { policy.rt_priority() } else { 0 });
        sim::spend(rng.below(100) * US);
    }
}

/// RC-10: readers of all kinds on four CPUs are preempted, wait for locks and are lent priority, while grace periods are asked for
/// with and without haste: they all end, and everybody is in the end what it was.
fn four_cpus(seed: u64) {
    let config = Config { cpus: 4, frequency: 1_000_000_000, order: Order::Seeded(seed), ..Config::default() };
    run_with(config, "rcu_kthread_prio=30 rcu_boost_delay_ms=0", move |cx| {
        become_policy(cx, fifo(99));
        move_to(cx, 0);
        let lock = Arc::new(SpinLock::<u32>::new(0));
        let mut threads = Vec::new();
        for n in 0..8 {
            let policy = if n % 2 == 0 { fair() } else { fifo(5 + n as i32) };
            let lock = lock.clone();
            threads.push(start(cx, &format!("reader{n}"), policy, move |cx| {
                read_for_a_while(cx, &Rng::new(seed * 8 + n), &lock, policy);
            }));
        }
        for cpu in 0..4 {
            threads.push(start_on(cx, &[cpu], "hog", fifo(20), move |cx| {
                let rng = Rng::new(seed * 4 + cpu as u64);
                for _ in 0..20 {
                    time::sleep(cx, core::time::Duration::from_micros(rng.below(200))).unwrap();
                    sim::spend(rng.below(300) * US);
                }
            }));
        }
        for hurries in [false, true] {
            threads.push(start(cx, "updater", fifo(40), move |cx| {
                for _ in 0..6 {
                    let waited = if hurries { rcu::synchronize_expedited(cx) } else { rcu::synchronize(cx) };
                    waited.unwrap();
                }
            }));
        }
        joined(cx, threads);
        // Those that ended had something to retire.
        while rcu::stats().in_progress {
            time::sleep(cx, ms(1)).unwrap();
        }
        let stats = rcu::stats();
        assert_eq!(stats.blocked_readers, 0);
        assert!(sim::time() < 100 * MS, "{}", sim::time());
        LENT.with(|lent| lent.set(lent.get() + stats.boosted));
    });
}
thread_local! {
    static LENT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[test]
fn readers_on_four_cpus_are_lent_priority() {
    sim::seeds(300, four_cpus);
    let lent = LENT.with(std::cell::Cell::get);
    assert!(lent > 0, "nobody was lent anything");
    println!("lent {lent} times");
}
