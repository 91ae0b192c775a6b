//! Is whoever takes something away told of the right grace period, and told when it has passed, whatever happens beside? (RC-01)
use crate::{
    harness::{US, at_every_point, become_policy, fifo, hard_line, sleep_till, smp_with, start_on, these},
    irq_kit::{IRQ, edge},
    race::{busy_till, prepared},
    rcu_kit::bind_gp,
};
use hw::sim::{self, Config, Injection};
use kernel::{
    ThreadCx,
    irq::{self, Flags, Handled},
    rcu::{self, RcuPtr},
    sync::Semaphore,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// A grace period begins on CPU 0, while CPU 1 is interrupted in its sleep and reads what a thread that wakes on CPU 2
/// takes away. What CPU 2 asks for has not passed before the handler is over, even if CPU 2 did not see that grace period begin.
pub fn beginning_beside_an_update(cx: &mut ThreadCx) {
    let place = Arc::new(RcuPtr::new(AtomicU32::new(0)));
    let begin = sim::time() + 50 * US;
    let reads = place.clone();
    let line = hard_line(cx, IRQ.number(), move |cx| {
        let value = reads.load(&*cx);
        sim::spend(5 * US);
        assert!(value.is_none_or(|freed| freed.load(SeqCst) == 0), "freed while a handler reads it");
    });
    irq::set_affinity(cx, IRQ, these(&[1])).unwrap();
    bind_gp(cx, 0);
    let takes = place.clone();
    let mut updater = start_on(cx, &[2], "updater", fifo(80), move |cx| {
        sleep_till(cx, begin);
        let old = takes.take().expect("it is there");
        let cookie = rcu::start_poll(cx);
        for _ in 0..3 {
            old.store(u32::from(rcu::poll(cookie)), SeqCst);
            sim::spend(US);
        }
        old.free(cx);
    });
    busy_till(begin - US);
    sim::at(begin, Injection::Pend(IRQ.number()));
    // It runs on this CPU as soon as this thread waits.
    rcu::start_poll(cx);
    busy_till(begin - 1);
    sim::interleave(true);
    busy_till(begin);
    updater.join(cx).unwrap();
    sim::interleave(false);
    line.free(cx).unwrap();
}

/// Boots three CPUs in every order with one preemption.
#[track_caller]
pub fn in_every_order(scenario: fn(&mut ThreadCx)) {
    let explored = sim::explore(1, 40_000, |order| {
        smp_with(Config { cpus: 3, order, ..Config::default() }, move |cx| {
            prepared(cx);
            scenario(cx);
        });
    });
    println!("{explored:?}");
    assert!(explored.runs > 1, "nothing to explore");
}

/// RC-01: a CPU that begins to read beside the beginning of a grace period reads nothing that is freed with its end.
#[test]
fn a_beginning_meets_an_update() {
    in_every_order(beginning_beside_an_update);
}

/// RC-05, RC-15: a more urgent thread of the CPU waits for a grace period at any moment in which `rcu_gp` looks what is to be done:
/// whoever waits for the one that passes with it goes on.
#[test]
fn a_grace_period_passes_beside_rcu_gp() {
    at_every_point(|cx, arm| {
        let done = Arc::new(Semaphore::new(0));
        let gate = done.clone();
        let line = edge("waits")
            .threaded(move |cx| {
                rcu::synchronize(cx).unwrap();
                gate.up(cx).unwrap();
                Handled::Yes
            })
            .flags(Flags::ONESHOT)
            .priority(fifo(90))
            .submit(cx)
            .unwrap();
        become_policy(cx, fifo(50));
        let cookie = rcu::start_poll(cx);
        arm();
        rcu::cond_sync(cx, cookie).unwrap();
        assert!(rcu::poll(cookie));
        done.down(cx);
        line.free(cx).unwrap();
    });
}
