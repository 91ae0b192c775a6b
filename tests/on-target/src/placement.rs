//! Do the most urgent threads run, on CPUs that they may use? (SC-11)
use crate::{
    crew::{CPUS, Hog, assert_in_order, bind, here, only, settle, spin, start, turns, until},
    support::{Count, become_policy, fair, fifo, ms, sleep, us},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use kernel::{CpuSet, ThreadCx, sched, sync::Semaphore, thread};

/// More urgent than what CPUs that take no part are kept busy with.
const REFEREE: i32 = 90;
const BUSY: i32 = 70;

/// SC-11.1: of one hog more than CPUs all run but the least urgent, which gets the CPU of the first that ends.
fn sc_11_1_the_most_urgent_threads_run(cx: &mut ThreadCx) {
    const LEAST: usize = 2;
    become_policy(cx, fifo(REFEREE));
    let hogs = [30, 50, 10, 40, 20].map(|priority| Hog::start(cx, CpuSet::ALL, fifo(priority)));
    sleep(cx, ms(1));
    for _ in 0..10 {
        let before = hogs.each_ref().map(Hog::turns);
        sleep(cx, ms(1));
        for (n, hog) in hogs.iter().enumerate() {
            assert_eq!(hog.turns() > before[n], n != LEAST, "hog {n}: {}", turns(&hogs));
        }
    }
    assert_eq!(hogs[LEAST].turns(), 0);
    hogs[1].tell_to_stop();
    sleep(cx, ms(1));
    assert!(hogs[LEAST].turns() > 0);
    hogs.into_iter().for_each(|hog| hog.stop(cx));
    assert_in_order(cx);
}
test!(sc_11_1_the_most_urgent_threads_run, smp(4));

/// SC-11.3: a running thread whose affinity excludes its CPU is on one that it may use when the call returns, and on no
/// other afterwards; the caller itself is there at once.
fn sc_11_3_a_running_thread_leaves_a_cpu_that_it_may_not_use(cx: &mut ThreadCx) {
    settle(cx, 0, REFEREE);
    let hog = Hog::start(cx, only(1), fifo(20));
    assert_eq!(hog.place(), 1);
    for n in 0..60 {
        let to = 1 + n % (CPUS - 1);
        bind(cx, hog.id(), only(to));
        hog.places();
        assert_eq!(hog.place(), to);
        assert_eq!(hog.places(), only(to));
    }
    // Two allowed: any of them, and not the third.
    bind(cx, hog.id(), only(2).with(3));
    assert_ne!(hog.place(), 1);
    for to in [3, 1, 2, 0] {
        bind(cx, thread::current_id(), only(to));
        assert_eq!(here(cx), to);
    }
    hog.stop(cx);
    assert_in_order(cx);
}
test!(sc_11_3_a_running_thread_leaves_a_cpu_that_it_may_not_use, smp(4));

/// A thread that sleeps on CPU 0 until `up`, may run anywhere then, and is a hog from there on.
fn sleeper_on_0(cx: &mut ThreadCx, priority: i32) -> (Hog, Arc<Semaphore>) {
    let semaphore = Arc::new(Semaphore::new(0));
    let (waited, asleep) = (semaphore.clone(), Count::new());
    let counted = asleep.clone();
    let hog = Hog::start_after(cx, only(0), fifo(priority), move |cx| {
        counted.up();
        waited.down(cx);
    });
    sleep(cx, us(200));
    assert_eq!(asleep.get(), 1);
    bind(cx, hog.id(), CpuSet::ALL);
    (hog, semaphore)
}

/// SC-11.4: CPU 0 runs 60, CPU 1 20, CPU 2 a fair thread, CPU 3 nothing: threads at 50 that wake on CPU 0 go to CPU 3,
/// then 2, then 1, and the fourth waits.
fn sc_11_4_woken_threads_go_where_they_displace_the_least(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    let sleepers: Vec<_> = (0..CPUS).map(|_| sleeper_on_0(cx, 50)).collect();
    let busy = [Hog::start(cx, only(1), fifo(20)), Hog::start(cx, only(2), fair())];
    assert_eq!(busy.each_ref().map(Hog::place), [1, 2]);
    for (n, cpu) in [3, 2, 1].into_iter().enumerate() {
        sleepers[n].1.up(cx).unwrap();
        assert_eq!(sleepers[n].0.place(), cpu, "sleeper {n}");
    }
    sleepers[3].1.up(cx).unwrap();
    spin(us(100));
    assert_eq!(sleepers[3].0.turns(), 0);
    // Each is where it was, and what it displaced does not run.
    for ((hog, _), cpu) in sleepers.iter().zip([3, 2, 1]) {
        assert_eq!((hog.place(), hog.places()), (cpu, only(cpu)));
    }
    assert!(busy.iter().all(|hog| !hog.runs()));
    let (ended, waiting) = (&sleepers[1].0, &sleepers[3].0);
    ended.tell_to_stop();
    until("the fourth is pulled", || waiting.turns() > 0);
    assert_eq!(waiting.place(), 2);
    sleepers.into_iter().map(|(hog, _)| hog).chain(busy).for_each(|hog| hog.stop(cx));
    assert_in_order(cx);
}
test!(sc_11_4_woken_threads_go_where_they_displace_the_least, smp(4));

/// SC-11.5: 60 runs on CPU 0 and 50 is ready there; CPU 1 pulls it as soon as its own 55 blocks, and CPUs that run
/// something more urgent do not.
fn sc_11_5_a_cpu_whose_thread_blocks_pulls(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    let (waiting, semaphore) = sleeper_on_0(cx, 50);
    let (block, blocked) = (Arc::new(Semaphore::new(0)), Count::new());
    let (blocks, told) = (block.clone(), blocked.clone());
    let others = [2, 3].map(|cpu| Hog::start(cx, only(cpu), fifo(BUSY)));
    let mut on_1 = start(cx, only(1), fifo(55), move |cx| {
        while told.get() == 0 {
            hw::cpu::relax();
        }
        blocks.down(cx);
    });
    semaphore.up(cx).unwrap();
    spin(us(500));
    assert_eq!(waiting.turns(), 0);
    blocked.up();
    assert_eq!(waiting.place(), 1);
    block.up(cx).unwrap();
    // Back on CPU 1 it is the more urgent one there, and ends.
    waiting.tell_to_stop();
    on_1.join(cx).unwrap();
    others.into_iter().chain([waiting]).for_each(|hog| hog.stop(cx));
    assert_in_order(cx);
}
test!(sc_11_5_a_cpu_whose_thread_blocks_pulls, smp(4));

/// SC-11.6: a pinned 50 runs on CPU 0 when a movable 60 wakes there; CPU 1 runs a fair thread: 60 goes there and 50 runs.
fn sc_11_6_a_running_thread_makes_room_for_a_pinned_one(cx: &mut ThreadCx) {
    settle(cx, 3, REFEREE);
    let (movable, semaphore) = sleeper_on_0(cx, 60);
    let others = [Hog::start(cx, only(1), fair()), Hog::start(cx, only(2), fifo(BUSY))];
    let pinned = Hog::start_after(cx, only(0), fifo(50), |cx| sched::migrate_disable(cx));
    assert_eq!(pinned.place(), 0);
    bind(cx, pinned.id(), CpuSet::ALL);
    semaphore.up(cx).unwrap();
    until("60 is on CPU 1", || movable.place() == 1);
    for hog in [&movable, &pinned] {
        hog.places();
    }
    assert_eq!((pinned.place(), movable.place(), others[0].runs()), (0, 1, false));
    assert_eq!((pinned.places(), movable.places()), (only(0), only(1)));
    [movable, pinned].into_iter().chain(others).for_each(|hog| hog.stop(cx));
    assert_in_order(cx);
}
test!(sc_11_6_a_running_thread_makes_room_for_a_pinned_one, smp(4));
