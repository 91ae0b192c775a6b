//! Do the most urgent threads run, wherever they are (SC-11)?
use crate::harness::{
    Log, MS, US, any_order, become_policy, fair, fifo, hard_line, move_to, ms, sleep_till, start, start_on,
};
use hw::sim;
use kernel::{
    ThreadCx, irq, sched,
    sync::Semaphore,
    thread::{self, ThreadId},
    time,
};
use logic::cpus::CpuSet;
use std::sync::Arc;

/// Orders that each scenario is run in.
const ORDERS: u64 = 200;
/// When scenarios begin: all threads are known and asleep then.
const BEGIN: u64 = MS;
/// Of a millisecond: spinning for a lock takes some time too.
const TENTH: u64 = MS / 10;

/// The CPU that a thread is on.
fn cpu_of(cx: &mut ThreadCx, id: ThreadId) -> usize {
    let mut cpu = None;
    thread::for_each(cx, |_, info| {
        if info.id == id {
            cpu = Some(info.cpu);
        }
    });
    cpu.unwrap()
}

/// From now on, whenever nothing changes, the rules of run queues hold.
fn watch(every: u64, times: u64) {
    for n in 1..=times {
        let check = || assert!(!sim::is_at_rest() || sched::verify() == Ok(()), "{:?}", sched::verify());
        sim::at_call(sim::time() + n * every, Box::new(check));
    }
}

/// The running thread prepares the scenario on CPU 0, above everybody.
fn direct(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    move_to(cx, 0);
}

/// SC-11.1: of one thread more than CPUs, all but the least urgent run.
#[test]
fn the_most_urgent_threads_run() {
    any_order(4, ORDERS, most_urgent_run);
}
pub fn most_urgent_run(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    let log = Log::new();
    for priority in [10, 50, 20, 40, 30] {
        let log = log.clone();
        start(cx, "hog", fifo(priority), move |_| {
            sim::spend(10 * MS);
            log.push((priority, sim::time() / MS));
        });
    }
    let began = sim::time() / MS;
    time::sleep(cx, ms(50)).unwrap();
    let mut ended = log.take();
    ended.sort();
    let late: Vec<i32> = ended.iter().filter(|(_, at)| *at > began + 10).map(|(p, _)| *p).collect();
    assert_eq!((ended.len(), late), (5, vec![10]), "{ended:?}");
}

/// SC-11.1 again while they come, sleep and go: whenever nothing changes, the rule holds.
#[test]
fn the_most_urgent_threads_run_while_they_come_and_go() {
    any_order(3, ORDERS, come_and_go);
}
pub fn come_and_go(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    watch(7 * US, 300);
    let hogs: Vec<_> = [10, 50, 20, 40, 30, 20]
        .map(|priority| {
            start(cx, "hog", fifo(priority), move |cx| {
                let step = priority as u64 * US;
                for n in 0..5 {
                    sleep_till(cx, BEGIN + n * 2 * step);
                    sim::spend(step);
                }
            })
        })
        .into();
    for mut hog in hogs {
        hog.join(cx).unwrap();
    }
}

/// SC-11.4: a woken thread goes where it displaces the least: to the idle CPU, then the fair one, then the FIFO-20 one.
#[test]
fn a_woken_thread_displaces_the_least() {
    any_order(4, ORDERS, |cx| {
        direct(cx);
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        for _ in 0..3 {
            let (gate, log) = (gate.clone(), log.clone());
            start(cx, "woken", fifo(50), move |cx| {
                gate.down(cx);
                log.push((sim::here(), sim::time() / TENTH));
                sim::spend(10 * MS);
            });
        }
        sleep_till(cx, BEGIN / 2);
        for (cpu, policy) in [(0, fifo(60)), (1, fifo(20)), (2, fair())] {
            start_on(cx, &[cpu], "hog", policy, |_| sim::spend(20 * MS));
        }
        // The hard handler runs on CPU 0, which the line is sent to.
        let line = hard_line(cx, 100, move |cx| gate.up(cx).unwrap());
        irq::set_affinity(cx, line.irq(), CpuSet::of(0)).unwrap();
        for n in 0..3 {
            sim::at(BEGIN + n * MS, sim::Injection::Pend(100));
        }
        sleep_till(cx, 9 * MS);
        assert_eq!(log.take(), [(3, 10), (2, 20), (1, 30)]);
        line.free(cx).unwrap();
    });
}

/// SC-11.5: a CPU whose thread blocks pulls what waits behind a more urgent one elsewhere, at that moment.
#[test]
fn a_cpu_that_blocks_pulls() {
    any_order(2, ORDERS, blocks);
}
pub fn blocks(cx: &mut ThreadCx) {
    watch(100 * US, 100);
    direct(cx);
    let log = Log::new();
    let ran = log.clone();
    let waiter = start(cx, "waiter", fifo(50), move |cx| {
        sleep_till(cx, BEGIN);
        ran.push((sim::here(), sim::time() / TENTH));
    });
    start_on(cx, &[0], "hog", fifo(60), |cx| {
        sleep_till(cx, BEGIN / 2);
        sim::spend(10 * MS);
    });
    start_on(cx, &[1], "blocks", fifo(55), |cx| {
        sleep_till(cx, BEGIN / 2);
        sim::spend(3 * MS);
    });
    sleep_till(cx, BEGIN + MS);
    let waits_on = cpu_of(cx, waiter.id());
    assert!(log.take().is_empty() && waits_on < 2);
    sleep_till(cx, 9 * MS);
    assert_eq!(log.take(), [(1, 35)]);
}

/// SC-11.6: a thread that may run here only waits behind a movable one, while another CPU runs something less urgent:
/// the movable one makes room.
#[test]
fn a_movable_thread_makes_room() {
    any_order(2, ORDERS, makes_room);
}
pub fn makes_room(cx: &mut ThreadCx) {
    watch(100 * US, 100);
    direct(cx);
    let log = Log::new();
    start_on(cx, &[1], "fair", fair(), |_| sim::spend(50 * MS));
    let ran = log.clone();
    start_on(cx, &[0], "pinned", fifo(50), move |cx| {
        let guard = sched::migrate_disable(cx);
        sched::set_affinity(cx, thread::current_id(), CpuSet::ALL).unwrap();
        sleep_till(cx, BEGIN);
        ran.push(("pinned", sim::here(), sim::time() / TENTH));
        sim::spend(5 * MS);
        drop(guard);
    });
    let ran = log.clone();
    start_on(cx, &[0], "movable", fifo(60), move |cx| {
        sched::set_affinity(cx, thread::current_id(), CpuSet::ALL).unwrap();
        sleep_till(cx, BEGIN / 2);
        sim::spend(5 * MS);
        ran.push(("movable", sim::here(), sim::time() / TENTH));
    });
    sleep_till(cx, BEGIN / 2 + 9 * MS);
    assert_eq!(log.take(), [("pinned", 0, 10), ("movable", 1, 55)]);
}

/// No fair thread waits while a CPU idles, also when others end.
#[test]
fn no_fair_thread_waits_while_a_cpu_idles() {
    any_order(4, ORDERS, |cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        for n in 0..4 {
            let log = log.clone();
            start(cx, "fair", fair(), move |cx| {
                sleep_till(cx, BEGIN);
                sim::spend(10 * MS);
                log.push((n, sim::time() / TENTH));
            });
        }
        // Bound ones make the others go elsewhere.
        for cpu in 1..3 {
            let log = log.clone();
            start_on(cx, &[cpu], "bound", fair(), move |cx| {
                sleep_till(cx, BEGIN + 20 * MS);
                sim::spend(10 * MS);
                log.push((10 + cpu, sim::time() / TENTH));
            });
        }
        for n in 0..2 {
            let log = log.clone();
            start(cx, "late", fair(), move |cx| {
                sleep_till(cx, BEGIN + 20 * MS);
                sim::spend(10 * MS);
                log.push((20 + n, sim::time() / TENTH));
            });
        }
        sleep_till(cx, BEGIN + 35 * MS);
        let mut ended = log.take();
        ended.sort();
        let expected = [(0, 110), (1, 110), (2, 110), (3, 110), (11, 310), (12, 310), (20, 310), (21, 310)];
        assert_eq!(ended, expected);
    });
}
