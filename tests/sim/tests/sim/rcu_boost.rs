//! Are readers lent priority that keep a grace period waiting: after how long, how much, and for how long? (RC-10)
use crate::{
    harness::{Log, MS, fair, fifo, forged, ms, sleep_till, start, start_on, verify, warnings},
    mutex::level,
    rcu_kit::{boot, joined, let_go, named},
};
use hw::sim;
use kernel::{
    Policy, ThreadCx, irq_flags, preempt, rcu, sched,
    sync::{Mutex, Semaphore, SpinLock},
    thread::{self, JoinHandle, ThreadId},
    time,
};
use std::sync::Arc;

/// What is lent in most of these tests.
const LENT: &str = "rcu_kthread_prio=20";

/// Who did what, and when.
type Story = Log<(&'static str, u64)>;

/// Starts a thread that is busy in a section for so long, and then waits for `end`; it has been in for a millisecond.
fn reader(
    cx: &mut ThreadCx,
    story: &Story,
    name: &'static str,
    (cpu, policy, ns): (usize, Policy, u64),
    end: &Arc<Semaphore>,
) -> JoinHandle<()> {
    let (story, end) = (story.clone(), end.clone());
    let thread = start_on(cx, &[cpu], name, policy, move |cx| {
        let guard = rcu::read(cx);
        sim::spend(ns);
        drop(guard);
        story.push((name, sim::time()));
        end.down(cx);
    });
    time::sleep(cx, ms(1)).unwrap();
    thread
}
/// Starts a thread that is busy for so long.
fn hog(cx: &mut ThreadCx, story: &Story, cpu: usize, priority: i32, ns: u64) -> JoinHandle<()> {
    let story = story.clone();
    start_on(cx, &[cpu], "hog", fifo(priority), move |_| {
        sim::spend(ns);
        story.push(("hog", sim::time()));
    })
}
/// Starts a thread that waits for a grace period.
fn updater(cx: &mut ThreadCx, story: &Story) -> JoinHandle<()> {
    let story = story.clone();
    start_on(cx, &[0], "updater", fifo(50), move |cx| {
        rcu::synchronize(cx).unwrap();
        story.push(("updater", sim::time()));
    })
}
/// What these run as at each of these moments.
fn levels<const N: usize>(cx: &mut ThreadCx, threads: [ThreadId; N], moments: &[u64]) -> Vec<[u8; N]> {
    let mut at = |&moment: &u64| {
        sleep_till(cx, moment);
        threads.map(|thread| level(cx, thread))
    };
    moments.iter().map(&mut at).collect()
}

/// A fair reader, preempted in its section with 11 ms to go, and a hog at FIFO 10 for a second from `t` on, when a grace period is
/// asked for: what the reader runs as at each moment after `t`, and who was done when.
fn behind_a_hog(bootargs: &str, moments: &'static [u64]) -> (Vec<u8>, Vec<(&'static str, u64)>) {
    let (seen, story) = (Log::new(), Story::new());
    let (look, told) = (seen.clone(), story.clone());
    boot(1, bootargs, move |cx| {
        let end = Arc::new(Semaphore::new(0));
        let r = reader(cx, &told, "reader", (0, fair(), 12 * MS), &end);
        let t = sim::time();
        let others = [hog(cx, &told, 0, 10, 1000 * MS), updater(cx, &told)];
        let moments: Vec<_> = moments.iter().map(|moment| t + moment).collect();
        levels(cx, [r.id()], &moments).into_iter().for_each(|[level]| look.push(level));
        joined(cx, others);
        let_go(cx, &end, [r]);
        assert_eq!(rcu::stats().blocked_readers, 0);
        told.push(("began", t));
    });
    let mut story = story.take();
    let (_, t) = story.pop().unwrap();
    (seen.take(), story.into_iter().map(|(who, when)| (who, when - t)).collect())
}

/// RC-10.1: after half a second the reader is lent priority 20, ends its section, is fair again, the grace period ends, and the hog
/// goes on.
#[test]
fn a_reader_behind_a_hog_is_lent_priority() {
    let (levels, story) = behind_a_hog(LENT, &[499 * MS, 501 * MS, 510 * MS, 512 * MS]);
    assert_eq!(levels, [0, 20, 20, 0]);
    assert_eq!(story, [("updater", 511 * MS), ("hog", 1011 * MS), ("reader", 1011 * MS)]);
}

/// RC-10: the boot argument says after how long; 3 seconds at most, which is told.
#[test]
fn after_how_long_can_be_chosen() {
    let lent_after = |delay: &str| {
        let bootargs = format!("{LENT} rcu_boost_delay_ms={delay}");
        behind_a_hog(&bootargs, &[]).1[0]
    };
    assert_eq!(lent_after("0"), ("updater", 11 * MS));
    assert_eq!(lent_after("100"), ("updater", 111 * MS));
    // A choice that is none changes nothing.
    assert_eq!(lent_after("100 rcu_boost=maybe"), ("updater", 111 * MS));
    // The hog is through before.
    assert_eq!(lent_after("3000").0, "hog");
    let outcome = boot(1, "rcu_boost_delay_ms=3001", |_| ());
    assert_eq!(warnings(&outcome), ["WARNING: rcu_boost_delay_ms=3001 is out of range, taken as 3000"]);
}

/// RC-10.5: without lending, or if nobody inherits, the grace period ends only when the hog leaves the reader the CPU.
#[test]
fn without_lending_the_hog_decides() {
    for bootargs in ["rcu_kthread_prio=20 rcu_boost=off", "rcu_kthread_prio=20 pi=off"] {
        let (levels, story) = behind_a_hog(bootargs, &[501 * MS, 900 * MS]);
        assert_eq!(levels, [0, 0], "{bootargs}");
        assert_eq!(story, [("hog", 1000 * MS), ("updater", 1011 * MS), ("reader", 1011 * MS)], "{bootargs}");
    }
}

/// RC-10.8: with haste it is lent at once.
#[test]
fn haste_lends_at_once() {
    boot(1, LENT, |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let r = reader(cx, &story, "reader", (0, fair(), 12 * MS), &end);
        let busy = hog(cx, &story, 0, 10, 100 * MS);
        let t = sim::time();
        rcu::synchronize_expedited(cx).unwrap();
        assert_eq!(sim::time() - t, 11 * MS);
        assert_eq!((level(cx, r.id()), rcu::stats().boosted), (0, 1));
        joined(cx, [busy]);
        let_go(cx, &end, [r]);
    });
}

/// RC-10.2: whoever is more urgent than what is lent keeps the reader from running; after 21 s a report names the reader.
#[test]
fn a_hog_above_what_is_lent() {
    let named = Log::new();
    let name = named.clone();
    let outcome = boot(2, LENT, move |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let r = reader(cx, &story, "reader", (1, fair(), 12 * MS), &end);
        name.push(format!("  P{} reader, lent priority", r.id()));
        let t = sim::time();
        let others = [hog(cx, &story, 1, 30, 25_000 * MS), updater(cx, &story)];
        assert_eq!(levels(cx, [r.id()], &[t + 501 * MS, t + 20_999 * MS]), [[20], [20]]);
        assert!(!sim::console().contains("reader"));
        sleep_till(cx, t + 21_001 * MS);
        assert!(sim::console().contains("reader"));
        joined(cx, others);
        let story = story.take();
        assert_eq!(story[0], ("hog", t + 25_000 * MS));
        assert!(story.contains(&("updater", t + 25_011 * MS)), "{story:?}");
        let_go(cx, &end, [r]);
    });
    let told = warnings(&outcome);
    let [stall] = told[..] else { panic!("{told:?}") };
    assert!(stall.contains("stalls: 21000 ms old, waits for 0 CPUs and 1 readers, 0 callbacks queued"), "{stall}");
    assert!(outcome.console.contains(&named.take()[0]), "{}", outcome.console);
}

/// RC-10.3: of two readers the one that lost its CPU first is lent to first, though it is less urgent; both are what they were at
/// their end.
#[test]
fn one_reader_after_the_other() {
    boot(1, LENT, |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let first = reader(cx, &story, "first", (0, fifo(1), 11 * MS), &end);
        let second = reader(cx, &story, "second", (0, fifo(2), 11 * MS), &end);
        let t = sim::time();
        let others = [hog(cx, &story, 0, 10, 1000 * MS), updater(cx, &story)];
        let moments = [499, 501, 509, 511, 519, 521].map(|moment| t + moment * MS);
        let expected = [[1, 2], [20, 2], [20, 2], [1, 20], [1, 20], [1, 2]];
        assert_eq!(levels(cx, [first.id(), second.id()], &moments), expected);
        assert_eq!((rcu::stats().boosted, rcu::stats().blocked_readers), (2, 0));
        joined(cx, others);
        assert_eq!(story.take()[0], ("updater", t + 520 * MS));
        let_go(cx, &end, [first, second]);
    });
}

/// RC-10.4: a reader that inherits more already keeps that; when it gives the mutex back, it has what is lent to readers until its
/// section ends.
#[test]
fn a_reader_that_inherits_more() {
    boot(2, LENT, |cx| {
        let (end, story, lock) = (Arc::new(Semaphore::new(0)), Story::new(), Arc::new(Mutex::new(())));
        let (mine, gate) = (lock.clone(), end.clone());
        let r = start_on(cx, &[1], "reader", fair(), move |cx| {
            let held = mine.lock(cx);
            let guard = rcu::read(cx);
            sim::spend(111 * MS);
            drop(held);
            sim::spend(10 * MS);
            drop(guard);
            gate.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let t = sim::time();
        let others = [hog(cx, &story, 1, 30, 1000 * MS), updater(cx, &story)];
        sleep_till(cx, t + 400 * MS);
        let waiter = start_on(cx, &[1], "waiter", fifo(40), move |cx| drop(lock.lock(cx)));
        let moments = [401, 499, 501, 509, 511].map(|moment| t + moment * MS);
        assert_eq!(levels(cx, [r.id()], &moments), [[40], [40], [40], [40], [20]]);
        assert_eq!(rcu::stats().boosted, 1);
        // Behind the hog it has 20, and no more.
        assert_eq!(levels(cx, [r.id()], &[t + 1109 * MS, t + 1119 * MS, t + 1121 * MS]), [[20], [20], [0]]);
        joined(cx, others.into_iter().chain([waiter]));
        let_go(cx, &end, [r]);
    });
}

/// RC-10.6: what is lent to a reader goes on to the owner of the lock that it waits for.
#[test]
fn what_is_lent_goes_along_the_chain() {
    boot(1, LENT, |cx| {
        let (end, story, lock) = (Arc::new(Semaphore::new(0)), Story::new(), Arc::new(SpinLock::<()>::new(())));
        let (mine, gate) = (lock.clone(), end.clone());
        let owner = start(cx, "owner", fair(), move |cx| {
            mine.with(cx, |_, _| sim::spend(11 * MS));
            gate.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (told, gate) = (story.clone(), end.clone());
        let r = start(cx, "reader", fifo(1), move |cx| {
            rcu::with(cx, |_, cx| lock.with(cx, |_, _| sim::spend(10 * MS)));
            told.push(("reader", sim::time()));
            gate.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let t = sim::time();
        // The owner had half a millisecond more, at what the reader lends.
        let others = [hog(cx, &story, 0, 10, 1000 * MS), updater(cx, &story)];
        let moments = [499, 501, 508, 510, 518, 520].map(|moment| t + moment * MS);
        let expected = [[1, 1], [20, 20], [20, 20], [0, 20], [0, 20], [0, 1]];
        assert_eq!(levels(cx, [owner.id(), r.id()], &moments), expected);
        joined(cx, others);
        assert_eq!(story.take()[0], ("updater", t + 519 * MS));
        let_go(cx, &end, [owner, r]);
    });
}

/// RC-10.7: a priority that there is not is taken as the next one that there is, with one alert, for each thread of RCU.
#[test]
fn the_priority_is_clamped() {
    for (value, priority, alerts) in [("0", 1, 1), ("1", 1, 0), ("99", 99, 0), ("120", 99, 1)] {
        let outcome = boot(1, &format!("rcu_kthread_prio={value}"), move |cx| {
            let policies = ["rcu_gp", "rcu_boost", "rcuc/0"].map(|name| named(cx, name).1);
            assert_eq!(policies, [fifo(priority); 3]);
        });
        let told = warnings(&outcome);
        assert_eq!(told.len(), alerts, "{told:?}");
        let expected = format!("rcu_kthread_prio={value} is out of range, taken as {priority}");
        assert!(told.iter().all(|text| text.contains(&expected)), "{told:?}");
    }
}

/// RC-10: whoever lends does not keep others from running meanwhile, when the reader runs on another CPU.
#[test]
fn the_lender_sleeps() {
    boot(2, LENT, |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let r = reader(cx, &story, "reader", (1, fair(), 101 * MS), &end);
        let busy = hog(cx, &story, 1, 10, MS);
        joined(cx, [busy]);
        assert_eq!(rcu::stats().blocked_readers, 1);
        let t = sim::time();
        let beside = story.clone();
        let fair_one = start_on(cx, &[0], "fair", fair(), move |_| {
            sim::spend(10 * MS);
            beside.push(("fair", sim::time()));
        });
        rcu::synchronize_expedited(cx).unwrap();
        assert_eq!((rcu::stats().boosted, sim::time()), (1, t + 100 * MS));
        assert_eq!(story.take()[1], ("fair", t + 10 * MS));
        joined(cx, [fair_one]);
        let_go(cx, &end, [r]);
    });
}

/// RC-10: a reader that loses its CPU late in the grace period, when nobody is lent anything, is lent priority within a tick.
#[test]
fn a_reader_that_is_preempted_late() {
    boot(2, LENT, |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let r = reader(cx, &story, "reader", (1, fair(), 1000 * MS), &end);
        let t = sim::time();
        let waits = updater(cx, &story);
        assert_eq!(levels(cx, [r.id()], &[t + 700 * MS]), [[0]]);
        assert_eq!((rcu::stats().boosted, rcu::stats().blocked_readers), (0, 0));
        let busy = hog(cx, &story, 1, 10, 100 * MS);
        assert_eq!(levels(cx, [r.id()], &[t + 703 * MS, t + 705 * MS]), [[0], [20]]);
        joined(cx, [waits, busy]);
        let_go(cx, &end, [r]);
        assert_eq!(rcu::stats().boosted, 1);
    });
}

/// RC-10: after a reader was lent priority, one that holds the next grace period has its half a second as well, though whoever lends
/// gets to look when that has begun.
#[test]
fn each_grace_period_has_its_own_time() {
    boot(2, LENT, |cx| {
        let (end, story) = (Arc::new(Semaphore::new(0)), Story::new());
        let begins = named(cx, "rcu_gp").0;
        sched::set(cx, begins, fifo(30)).unwrap();
        let first = reader(cx, &story, "first", (1, fifo(2), 12 * MS), &end);
        let busy = hog(cx, &story, 1, 10, 2000 * MS);
        let t = sim::time();
        let waits = updater(cx, &story);
        let beside = start_on(cx, &[0], "beside", fifo(25), move |cx| {
            sleep_till(cx, t + 505 * MS);
            sim::spend(15 * MS);
        });
        sleep_till(cx, t + 100 * MS);
        // Its CPU has answered, so it came later.
        let second = reader(cx, &story, "second", (1, fifo(11), 12 * MS), &end);
        let above = start_on(cx, &[1], "above", fifo(15), |_| sim::spend(5 * MS));
        sched::set(cx, second.id(), fifo(1)).unwrap();
        joined(cx, [above]);
        let cookie = rcu::start_poll(cx);
        let moments = [499, 501, 521, 1010, 1012, 1050].map(|moment| t + moment * MS);
        let expected = [[2, 1], [20, 1], [2, 1], [2, 1], [2, 20], [2, 1]];
        assert_eq!(levels(cx, [first.id(), second.id()], &moments), expected);
        assert!(rcu::poll(cookie));
        joined(cx, [waits, busy, beside]);
        let_go(cx, &end, [first, second]);
    });
}

/// RC-10, RC-09: a section that ends with preemption or interrupts off gives back what was lent there and then; who waits gets the
/// CPU when they are on.
#[test]
fn a_section_that_ends_where_nobody_is_preempted() {
    for masks in [false, true] {
        boot(1, LENT, move |cx| {
            let seen = Log::new();
            let mine = seen.clone();
            let mut r = start(cx, "reader", fair(), move |cx| {
                let guard = rcu::read(cx);
                sim::spend(12 * MS);
                forged(|cx| {
                    let me = thread::current_id();
                    mine.push(level(cx, me));
                    if masks {
                        let off = irq_flags::save(cx);
                        drop(guard);
                        mine.push(forged(|cx| level(cx, me)));
                        sim::spend(MS);
                        drop(off);
                    } else {
                        let off = preempt::disable(cx);
                        drop(guard);
                        mine.push(forged(|cx| level(cx, me)));
                        sim::spend(MS);
                        drop(off);
                    }
                });
            });
            time::sleep(cx, ms(1)).unwrap();
            let t = sim::time();
            let story = Story::new();
            let busy = hog(cx, &story, 0, 10, 100 * MS);
            rcu::synchronize_expedited(cx).unwrap();
            assert_eq!((sim::time(), seen.take()), (t + 12 * MS, vec![20, 0]));
            r.join(cx).unwrap();
            assert_eq!(story.take(), [("hog", t + 112 * MS)]);
            joined(cx, [busy]);
        });
    }
}

/// RC-10, RC-09.2: a reader that is lent priority and killed gives it back as it ends; the next one is lent priority as ever.
#[test]
fn a_reader_that_is_killed() {
    let outcome = boot(1, LENT, |cx| {
        let mut r = start(cx, "reader", fair(), |cx| {
            let _guard = rcu::read(cx);
            forged(|cx| time::sleep(cx, ms(3000)).unwrap());
        });
        time::sleep(cx, ms(1)).unwrap();
        let (story, t) = (Story::new(), sim::time());
        let waits = updater(cx, &story);
        assert_eq!(levels(cx, [r.id()], &[t + 501 * MS]), [[20]]);
        thread::kill(cx, r.id()).unwrap();
        assert_eq!(r.join(cx), Err(kernel::Error::Interrupted));
        joined(cx, [waits]);
        assert_eq!((story.take(), rcu::stats().blocked_readers), (vec![("updater", t + 501 * MS)], 0));
        verify(cx);
        let end = Arc::new(Semaphore::new(0));
        let next = reader(cx, &story, "next", (0, fair(), 12 * MS), &end);
        let busy = hog(cx, &story, 0, 10, 100 * MS);
        rcu::synchronize_expedited(cx).unwrap();
        assert_eq!(rcu::stats().boosted, 2);
        joined(cx, [busy]);
        let_go(cx, &end, [next]);
    });
    let told = warnings(&outcome);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("voluntary context switch in an RCU reader section"), "{told:?}");
    assert!(told[1].contains("reader ends in an RCU reader section, depth 1"), "{told:?}");
}
