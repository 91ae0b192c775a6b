//! Whom does a hurried grace period wait for, and whom does it disturb? (RC-08)
use crate::{
    harness::{MS, US, fair, fifo, ms, start, start_on},
    rcu_kit::{boot, hog, joined, reader},
};
use hw::sim;
use kernel::{Result, ThreadCx, ipi::Ipi, irq_flags, rcu, thread::JoinHandle, time};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// Threads that keep CPUs 1 to 3 busy for a second, and read nothing.
fn busy_cpus(cx: &mut ThreadCx) -> Vec<JoinHandle<()>> {
    (1..4).map(|cpu| start_on(cx, &[cpu], "busy", fair(), |_| sim::spend(1000 * MS))).collect()
}
/// How long something takes, in virtual ns, and how many interrupts to look at their queues CPUs 1 to 3 get meanwhile.
fn cost(cx: &mut ThreadCx, f: fn(&mut ThreadCx) -> Result<()>) -> (u64, u32) {
    let sent = || Ipi::Resched.counts()[1..4].iter().sum::<u32>();
    let (t, before) = (sim::time(), sent());
    f(cx).unwrap();
    (sim::time() - t, sent() - before)
}

/// RC-08.1: without readers it waits for no tick: each CPU that is busy is interrupted, once. Without haste they have a tick's time.
#[test]
fn without_readers_it_takes_no_time() {
    boot(4, "", |cx| {
        let threads = busy_cpus(cx);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(cost(cx, rcu::synchronize_expedited), (0, 3));
        assert_eq!(cost(cx, rcu::synchronize), (4 * MS, 3));
        joined(cx, threads);
        // CPUs that wait for interrupts are not disturbed.
        assert_eq!(cost(cx, rcu::synchronize_expedited), (0, 0));
    });
}

/// RC-08.2: beside a reader that lost its CPU and CPUs that read nothing it ends as the reader does.
#[test]
fn it_waits_for_the_reader_alone() {
    boot(4, "rcu_kthread_prio=20", |cx| {
        let reads = reader(cx, 1, fair(), 8 * MS);
        let threads: Vec<_> = (1..4).map(|cpu| hog(cx, cpu, 10, 1000 * MS)).collect();
        // It had one millisecond, and is lent priority from now on.
        assert_eq!(rcu::stats().blocked_readers, 1);
        assert_eq!(cost(cx, rcu::synchronize_expedited).0, 7 * MS);
        assert_eq!(rcu::stats().blocked_readers, 0);
        joined(cx, threads.into_iter().chain([reads]));
    });
}

/// RC-08.2: one that runs says so at its end: nobody waits for another tick.
#[test]
fn a_reader_that_runs_says_when_it_ends() {
    boot(2, "", |cx| {
        let end = sim::time() + 8 * MS + MS / 2;
        let mut reads = start_on(cx, &[1], "reader", fair(), move |cx| {
            rcu::with(cx, |_, _| sim::spend(end - sim::time()));
            sim::spend(100 * MS);
        });
        time::sleep(cx, ms(1)).unwrap();
        rcu::synchronize_expedited(cx).unwrap();
        assert_eq!((sim::time(), rcu::stats().boosted), (end, 0));
        reads.join(cx).unwrap();
    });
}

/// RC-08.3: a thread that hurries all the time does not keep a grace period without haste from ending.
#[test]
fn haste_does_not_starve_others() {
    boot(4, "", |cx| {
        let busy = busy_cpus(cx);
        let count = Arc::new(AtomicU32::new(0));
        let mine = count.clone();
        let hurries = start(cx, "hurries", fifo(30), move |cx| {
            while mine.fetch_add(1, SeqCst) < 10_000 {
                rcu::synchronize_expedited(cx).unwrap();
                sim::spend(US);
            }
        });
        time::sleep(cx, ms(1)).unwrap();
        for _ in 0..20 {
            let before = count.load(SeqCst);
            rcu::synchronize(cx).unwrap();
            let meanwhile = count.load(SeqCst) - before;
            assert!(meanwhile <= 3, "{meanwhile} hurried ones meanwhile");
        }
        assert!(count.load(SeqCst) < 10_000);
        count.store(10_000, SeqCst);
        joined(cx, busy.into_iter().chain([hurries]));
    });
}

/// RC-08.4: a section that was asked about and ends with interrupts off: the grace period ends within a tick after they are on.
#[test]
fn a_section_that_ends_with_interrupts_off() {
    for hurried in [false, true] {
        boot(2, "", move |cx| {
            let mut reads = start_on(cx, &[1], "reader", fair(), |cx| {
                let guard = rcu::read(cx);
                sim::spend(10 * MS);
                crate::harness::forged(|cx| {
                    let off = irq_flags::save(cx);
                    drop(guard);
                    sim::spend(10 * MS);
                    drop(off);
                });
                let on = sim::time();
                sim::spend(100 * MS);
                on
            });
            time::sleep(cx, ms(1)).unwrap();
            if hurried { rcu::synchronize_expedited(cx) } else { rcu::synchronize(cx) }.unwrap();
            let ended = sim::time();
            let on = reads.join(cx).unwrap();
            assert!((on..=on + 4 * MS).contains(&ended), "{on} {ended}");
        });
    }
}

/// RC-08.5: `rcu_normal` takes the haste out of all, `rcu_expedited` puts it into all; both together: no haste.
#[test]
fn haste_can_be_chosen_at_boot() {
    let hasty = (0, 3);
    let calm = (4 * MS, 3);
    let cases = [
        ("", calm, hasty),
        ("rcu_normal", calm, calm),
        ("rcu_expedited", hasty, hasty),
        ("rcu_normal rcu_expedited", calm, calm),
    ];
    for (bootargs, normal, expedited) in cases {
        boot(4, bootargs, move |cx| {
            let threads = busy_cpus(cx);
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(cost(cx, rcu::synchronize), normal, "{bootargs}");
            assert_eq!(cost(cx, rcu::synchronize_expedited), expedited, "{bootargs}");
            joined(cx, threads);
        });
    }
}

/// RC-08.5: without haste nobody is interrupted who comes to an idle moment within a tick, and no reader is lent anything at once.
#[test]
fn without_haste_nobody_is_interrupted() {
    boot(4, "rcu_normal rcu_kthread_prio=20", |cx| {
        let threads: Vec<_> = (1..4).map(|cpu| start_on(cx, &[cpu], "brief", fair(), |_| sim::spend(3 * MS))).collect();
        time::sleep(cx, ms(1)).unwrap();
        let (took, interrupts) = cost(cx, rcu::synchronize_expedited);
        assert!((2 * MS..=4 * MS).contains(&took) && interrupts == 0, "{took} {interrupts}");
        joined(cx, threads);
        let reads = reader(cx, 1, fair(), 8 * MS);
        let busy = hog(cx, 1, 10, 100 * MS);
        assert_eq!(cost(cx, rcu::synchronize_expedited).0, 106 * MS);
        assert_eq!(rcu::stats().boosted, 0);
        joined(cx, [busy, reads]);
    });
}
