//! What does a wake-up or a yield cost with many threads, and how fast is the simulation?
use crate::harness::{become_policy, fifo, run, start};
use hw::sim;
use kernel::{
    sync::{Completion, Semaphore},
    thread,
};
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Instant};

/// Points of a wake-up that preempts, with the way back, and of two yields between equals, with this many other threads:
/// half of them ready, half asleep.
fn points_among(threads: usize) -> (u64, u64) {
    let counted = Rc::new(RefCell::new((0, 0)));
    let result = counted.clone();
    run(move |cx| {
        become_policy(cx, fifo(50));
        let asleep = Arc::new(Completion::new());
        for n in 0..threads {
            let asleep = asleep.clone();
            let priority = if n % 2 == 0 { 60 } else { 1 + n as i32 % 40 };
            start(cx, "other", fifo(priority), move |cx| asleep.wait(cx));
        }
        let gate = Arc::new(Semaphore::new(0));
        let wait = gate.clone();
        start(cx, "woken", fifo(90), move |cx| (0..2).for_each(|_| wait.down(cx)));
        let before = sim::points();
        gate.up(cx).unwrap();
        let wake = sim::points() - before;
        start(cx, "equal", fifo(50), |cx| (0..2).for_each(|_| thread::yield_now(cx)));
        thread::yield_now(cx);
        let before = sim::points();
        thread::yield_now(cx);
        *counted.borrow_mut() = (wake, sim::points() - before);
        gate.up(cx).unwrap();
        asleep.complete_all(cx);
    });
    result.take()
}

/// SC-01: a wake-up and a yield do the same with 10 threads and with 300.
#[test]
fn many_threads_cost_what_few_do() {
    let (wake, yields) = points_among(10);
    assert!((5..200).contains(&wake) && (5..200).contains(&yields), "{wake} and {yields} points");
    assert_eq!(points_among(300), (wake, yields));
}

/// How many context switches a second the simulation makes: printed with `--nocapture`, for whoever wonders.
#[test]
fn switches_in_a_second() {
    const YIELDS: u64 = 20_000;
    let outcome = run(|cx| {
        become_policy(cx, fifo(50));
        start(cx, "equal", fifo(50), |cx| (0..YIELDS).for_each(|_| thread::yield_now(cx)));
        let began = (Instant::now(), sim::switches());
        (0..YIELDS).for_each(|_| thread::yield_now(cx));
        let switches = sim::switches() - began.1;
        println!("{:.0} switches a second", switches as f64 / began.0.elapsed().as_secs_f64());
    });
    assert!(outcome.switches >= 2 * YIELDS);
}
