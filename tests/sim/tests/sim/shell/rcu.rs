//! What does `rcu` show?
use super::{printed, text};
use crate::{
    harness::{Log, MS, S, US, fair, fifo, ms, sleep_till, start_on},
    rcu_kit::{boot, joined},
};
use hw::sim;
use kernel::{
    irq_flags,
    rcu::{self, Call, Then},
    time,
};

/// Nothing has happened yet.
#[test]
fn rcu_at_rest() {
    assert_eq!(
        printed("rcu", |_| ()),
        "grace periods    0 passed
in progress      none
readers blocked  0, lent priority since boot: 0
CPU      queued     invoked     pending  callbacks run by
  0           0           0           0  rcuc/0
"
    );
}

/// RC-13: whom the grace period in progress waits for, since when, and what waits for it.
#[test]
fn rcu_shows_what_a_grace_period_waits_for() {
    let named = Log::new();
    let mine = named.clone();
    let outcome = boot(3, "rcu_nocbs=2 rcu_kthread_prio=20", move |cx| {
        rcu::synchronize(cx).unwrap();
        let reads = start_on(cx, &[1], "reader", fair(), |cx| {
            let _guard = rcu::read(cx);
            sim::spend(2 * S);
        });
        mine.push(reads.id());
        time::sleep(cx, ms(1)).unwrap();
        // Once is enough for the reader to be in a list.
        let preempts = start_on(cx, &[1], "preempts", fifo(50), |cx| {
            sim::spend(US);
            time::sleep(cx, ms(3000)).unwrap();
        });
        let loops = start_on(cx, &[2], "deaf", fifo(10), |cx| {
            let _off = irq_flags::save(cx);
            sim::spend(2 * S);
        });
        time::sleep(cx, ms(1)).unwrap();
        let t = sim::time();
        for _ in 0..3 {
            Call::new(cx, |_| Then::Done).queue(cx);
        }
        sleep_till(cx, t + 602 * MS);
        assert_eq!(shell::run_line(cx, "rcu"), 0);
        joined(cx, [reads, loops]);
        rcu::barrier(cx).unwrap();
        assert_eq!(shell::run_line(cx, "rcu"), 0);
        joined(cx, [preempts]);
    });
    // `synchronize` found nobody to wait for.
    let expected = format!(
        "grace periods    1 passed
in progress      number 2, for 602 ms
waits for        CPU 2 runs deaf, has not answered for 150 ticks
                 P{} reader, lent priority
readers blocked  1, lent priority since boot: 1
CPU      queued     invoked     pending  callbacks run by
  0           3           0           3  rcuc/0
  1           0           0           0  rcuc/1
  2           0           0           0  rcuop/2
grace periods    2 passed
in progress      none
readers blocked  0, lent priority since boot: 1
CPU      queued     invoked     pending  callbacks run by
  0           3           3           0  rcuc/0
  1           0           0           0  rcuc/1
  2           0           0           0  rcuop/2
",
        named.take()[0]
    );
    assert_eq!(text(outcome.console.as_bytes()), expected);
}

/// It takes no arguments.
#[test]
fn rcu_takes_no_arguments() {
    super::golden(
        &[("rcu 1", 1), ("help rcu", 0)],
        "usage: rcu
usage: rcu
show grace periods, whom they wait for, and callbacks
",
    );
}
