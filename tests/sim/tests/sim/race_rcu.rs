//! What if a reader, whoever takes away what it reads, and a grace period begin at the same moment? (RC-01)
use crate::{
    harness::{MS, US, become_policy, fifo, move_to, ms, sleep_till, smp_with, start_on},
    race::busy_till,
};
use hw::{
    atomic::{
        AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    sim::{self, Config},
};
use kernel::{ThreadCx, rcu, time};
use std::sync::Arc;

/// When it begins, and how long the reader stays in its section.
const BEGIN: u64 = 40 * MS;
const SECTION: u64 = 10 * MS;

/// Whether readers find the value, whether it is nobody's any more, and how many of two have done what the race is about.
struct Shared {
    there: AtomicU64,
    freed: AtomicU64,
    done: AtomicU64,
}
impl Shared {
    fn done(&self) {
        if self.done.fetch_add(1, SeqCst) == 1 {
            sim::interleave(false);
        }
    }
}

/// CPU 0 asks for a grace period, CPU 1 takes the value away and asks for one, CPU 2 begins to read: all at once, and none of them
/// ran before.
fn all_at_once(cx: &mut ThreadCx, ask: fn(&mut ThreadCx)) {
    let shared = Arc::new(Shared { there: AtomicU64::new(1), freed: AtomicU64::new(0), done: AtomicU64::new(0) });
    let mine = shared.clone();
    let mut updater = start_on(cx, &[1], "updater", fifo(50), move |cx| {
        sleep_till(cx, BEGIN);
        mine.there.store(0, Relaxed);
        let cookie = rcu::start_poll(cx);
        mine.done();
        while !rcu::poll(cookie) {
            time::sleep(cx, ms(1)).unwrap();
        }
        mine.freed.store(1, SeqCst);
    });
    let mine = shared.clone();
    let mut reader = start_on(cx, &[2], "reader", fifo(50), move |cx| {
        sleep_till(cx, BEGIN);
        let guard = rcu::read(cx);
        let there = mine.there.load(Relaxed);
        mine.done();
        sim::spend(SECTION);
        assert!(there == 0 || mine.freed.load(SeqCst) == 0, "freed while it was read");
        drop(guard);
    });
    become_policy(cx, fifo(60));
    move_to(cx, 0);
    sleep_till(cx, BEGIN - US);
    sim::interleave(true);
    busy_till(BEGIN);
    ask(cx);
    updater.join(cx).unwrap();
    reader.join(cx).unwrap();
}

/// RC-01.1: whoever takes something away while a grace period begins needs the next one.
#[test]
fn taken_away_while_one_begins() {
    let asks: [fn(&mut ThreadCx); 2] = [|cx| rcu::synchronize(cx).unwrap(), |cx| _ = rcu::start_poll(cx)];
    for ask in asks {
        let explored = sim::explore(1, 40_000, |order| {
            smp_with(Config { cpus: 3, order, ..Config::default() }, move |cx| {
                sim::interleave(false);
                all_at_once(cx, ask);
            });
        });
        println!("{explored:?}");
    }
}
