//! How does a thread wait for a grace period, where must it not, and whom does that disturb? (RC-05, RC-11, RC-15)
use crate::{
    harness::{
        Log, MS, become_policy, each_model, fair, fifo, forged, hard_line, move_to, ms, pend, run_model, seeded,
        sleep_till, start, start_on, warnings,
    },
    rcu_grace::{PREEMPTIBLE, preempted_reader},
    rcu_kit::bind_gp,
};
use core::time::Duration;
use hw::{
    atomic::AtomicU64,
    sim::{self, Config, End, Rng, seeds},
};
use kernel::{
    Error, ThreadCx, irq_flags,
    model::Model,
    preempt,
    rcu::{self, RcuPtr},
    report,
    sync::Semaphore,
    time,
};
use std::sync::{
    Arc,
    atomic::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
    },
};

type Call = fn(&mut ThreadCx) -> kernel::Result<()>;
/// Every way to wait, with something to wait for.
const CALLS: [Call; 3] = [rcu::synchronize, rcu::synchronize_expedited, |cx| {
    let cookie = rcu::start_poll(cx);
    rcu::cond_sync(cx, cookie)
}];

/// RC-05.1: in a reader's section each of them is a report and `Deadlock`, and nothing was waited for.
#[test]
fn a_reader_does_not_wait() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            become_policy(cx, fifo(50));
            let before = rcu::stats();
            let guard = rcu::read(cx);
            for call in CALLS {
                assert_eq!(forged(call), Err(Error::Deadlock));
            }
            let old = RcuPtr::new(7).take().unwrap();
            let (old, error) = forged(|cx| old.wait(cx)).err().unwrap();
            assert_eq!((*old, error, rcu::hook::depth(), rcu::stats()), (7, Error::Deadlock, 1, before));
            drop(guard);
            assert_eq!(rcu::hook::depth(), 0);
            old.wait(cx).ok().unwrap();
            assert!(rcu::stats().grace_periods > before.grace_periods);
        });
        let text = "WARNING: main waits for a grace period in an RCU reader section, which it would wait for";
        assert_eq!(warnings(&outcome), [text; 4], "{}", model.name());
    }
}

/// RC-05.2: with interrupts or preemption off, and in a hard handler, each is a report and `WrongContext`.
#[test]
fn an_atomic_section_does_not_wait() {
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let refused = || CALLS.into_iter().for_each(|call| assert_eq!(forged(call), Err(Error::WrongContext)));
            become_policy(cx, fifo(50));
            let masked = irq_flags::save(cx);
            refused();
            drop(masked);
            time::sleep(cx, ms(1_000)).unwrap();
            assert_eq!(report::warnings(), 3);
            let off = preempt::disable(cx);
            refused();
            drop(off);
            time::sleep(cx, ms(1_000)).unwrap();
            assert_eq!(report::warnings(), 6);
            let line = hard_line(cx, 100, move |_| refused());
            pend(cx, line.irq());
            line.free(cx).unwrap();
        });
        let told = warnings(&outcome);
        let text = "WARNING: sleeping function called from invalid context at ";
        assert!(told.len() == 9 && told.iter().all(|told| told.starts_with(text)), "{}: {told:?}", model.name());
    }
}

/// RC-05.3: before threads run, waiting is over at once.
#[test]
fn early_boot_does_not_wait() {
    let ran = Arc::new(AtomicU32::new(0));
    let count = ran.clone();
    let early = move |cx: &mut ThreadCx| {
        assert!(!irq_flags::enabled());
        for call in CALLS {
            assert_eq!(call(cx), Ok(()));
            count.fetch_add(1, SeqCst);
        }
    };
    let outcome = kernel::simulation::boot_early(early, |cx| rcu::synchronize(cx).unwrap());
    assert_eq!((outcome.end, outcome.console.as_str(), ran.load(SeqCst)), (End::Exit(0), "", 3));
}

/// RC-05.4: a hundred threads that wait at once share two grace periods: the one that the first of them began, and the next.
#[test]
fn many_threads_share_grace_periods() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            let begin = sim::time();
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let guard = rcu::read(cx);
                sim::spend(20 * MS);
                drop(guard);
            });
            sleep_till(cx, begin + MS);
            let before = rcu::stats().grace_periods;
            let (done, over) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let mut threads: Vec<_> = (0..100)
                .map(|n| {
                    let (done, over) = (done.clone(), over.clone());
                    start_on(cx, &[0], "waits", fifo(1 + n % 50), move |cx| {
                        rcu::synchronize(cx).unwrap();
                        let returned = sim::time();
                        done.up(cx).unwrap();
                        over.down(cx);
                        returned
                    })
                })
                .collect();
            (0..100).for_each(|_| done.down(cx));
            assert_eq!(rcu::stats().grace_periods - before, 2);
            (0..100).for_each(|_| over.up(cx).unwrap());
            assert!(threads.iter_mut().all(|thread| thread.join(cx).unwrap() >= begin + 20 * MS));
            reader.join(cx).unwrap();
        });
    }
}

const NODES: usize = 4;
const POISON: u64 = u64::MAX;

/// A list that readers walk while somebody unlinks a node, waits, and poisons it. Node 0 is the head.
#[derive(Default)]
struct Nodes {
    next: [AtomicU64; NODES + 1],
    value: [AtomicU64; NODES + 1],
    stop: AtomicU64,
}
impl Nodes {
    /// Each reader's walk, until the updater is done; how many nodes it saw.
    fn walk(&self, cx: &mut ThreadCx, rng: &Rng) -> u64 {
        let mut seen = 0;
        while self.stop.load(Relaxed) == 0 {
            let guard = rcu::read(cx);
            let mut at = self.next[0].load(Relaxed) as usize;
            while at != 0 {
                assert_ne!(self.value[at].load(Relaxed), POISON, "node {at} was freed while it was read");
                sim::spend(rng.below(200));
                (seen, at) = (seen + 1, self.next[at].load(Relaxed) as usize);
            }
            drop(guard);
            // Whoever comes back preempts somebody in a walk.
            time::sleep(cx, Duration::from_nanos(rng.below(1_000))).unwrap();
        }
        seen
    }
    fn link(&self, at: usize) {
        self.value[at].store(1, Relaxed);
        self.next[at].store(self.next[0].load(Relaxed), Relaxed);
        self.next[0].store(at as u64, Relaxed);
    }
    fn update(&self, cx: &mut ThreadCx, rounds: u64, rng: &Rng) {
        (1..=NODES).for_each(|at| self.link(at));
        for _ in 0..rounds {
            let at = 1 + rng.below(NODES as u64) as usize;
            let before = (0..=NODES).find(|&n| self.next[n].load(Relaxed) == at as u64).unwrap();
            self.next[before].store(self.next[at].load(Relaxed), Relaxed);
            rcu::synchronize_expedited(cx).unwrap();
            self.value[at].store(POISON, Relaxed);
            sim::spend(rng.below(200));
            self.link(at);
        }
        self.stop.store(1, Relaxed);
    }
}

/// Readers of a list on three CPUs, some of which are preempted and move, and whoever unlinks nodes.
fn unlinked(cx: &mut ThreadCx, seed: u64, rounds: u64) {
    let nodes = Arc::new(Nodes::default());
    become_policy(cx, fifo(50));
    let readers = [fair(), fair(), fifo(10), fifo(60)];
    let mut readers: Vec<_> = (0..)
        .zip(readers)
        .map(|(n, policy)| {
            let (nodes, rng) = (nodes.clone(), Rng::new(seed ^ n));
            start_on(cx, if n == 3 { &[2] } else { &[0, 1, 2] }, "reader", policy, move |cx| nodes.walk(cx, &rng))
        })
        .collect();
    nodes.update(cx, rounds, &Rng::new(seed));
    let seen: u64 = readers.iter_mut().map(|reader| reader.join(cx).unwrap()).sum();
    assert!(seen > rounds, "{seen}");
}

/// RC-05.5: no reader sees poison, in a hundred thousand rounds over all seeds.
#[test]
fn nobody_sees_what_was_unlinked() {
    const SEEDS: u64 = 200;
    seeds(SEEDS, |seed| _ = seeded(3, seed, move |cx| unlinked(cx, seed, 100_000 / SEEDS)));
}

/// RC-15.1: a cookie's grace period has not passed while a reader holds it, nor when the one ends that was in progress when it was
/// made; then it has. Asked for from any context.
#[test]
fn a_cookie_tells() {
    for model in PREEMPTIBLE {
        run_model(model, Config::default(), "", |cx| {
            let mut first = preempted_reader(cx, 10 * MS);
            let early = rcu::start_poll(cx);
            assert!(!rcu::poll(early));
            time::sleep(cx, ms(1)).unwrap();
            assert!(rcu::stats().in_progress);
            let mut second = start(cx, "second", fifo(10), |cx| {
                let guard = rcu::read(cx);
                sim::spend(20 * MS);
                drop(guard);
            });
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(rcu::stats().blocked_readers, 2);
            let late = Log::new();
            let mut off = preempt::disable(cx);
            late.push(rcu::start_poll(off.cx()));
            drop(off);
            let mine = late.clone();
            let line = hard_line(cx, 100, move |cx| mine.push(rcu::start_poll(cx)));
            pend(cx, line.irq());
            let late = late.take();
            assert!(late.len() == 2 && late[0] == late[1] && late[0] != early);
            // The first one goes on, and the second one does not.
            kernel::sched::set(cx, first.id(), fifo(20)).unwrap();
            first.join(cx).unwrap();
            assert_eq!((rcu::poll(early), rcu::poll(late[0])), (true, false));
            // `rcu_gp` gets to run.
            kernel::sched::set(cx, second.id(), fair()).unwrap();
            second.join(cx).unwrap();
            assert_eq!((rcu::poll(early), rcu::poll(late[0])), (true, true));
            line.free(cx).unwrap();
        });
    }
}

/// RC-15.1: one that somebody waited for has passed, whatever `rcu_gp` has come to.
#[test]
fn a_cookie_tells_what_somebody_waited_for() {
    each_model(|cx, _| {
        become_policy(cx, fifo(50));
        let cookie = rcu::start_poll(cx);
        assert!(!rcu::poll(cookie));
        rcu::synchronize(cx).unwrap();
        assert!(rcu::poll(cookie));
    });
}

/// RC-15.2: with a cookie whose grace period has passed nobody waits, and without that as long as it takes.
#[test]
fn a_cookie_is_waited_for() {
    for model in Model::ALL {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let begin = sim::time();
            let mut reader = start_on(cx, &[1], "reader", fair(), |cx| {
                let guard = rcu::read(cx);
                sim::spend(10 * MS);
                drop(guard);
                sim::spend(10 * MS);
            });
            sleep_till(cx, begin + MS);
            let cookie = rcu::start_poll(cx);
            rcu::cond_sync(cx, cookie).unwrap();
            assert_eq!((sim::time(), rcu::poll(cookie)), (begin + 10 * MS, true));
            let (before, passed) = (sim::switches(), rcu::stats().grace_periods);
            rcu::cond_sync(cx, cookie).unwrap();
            assert_eq!((sim::switches(), rcu::stats().grace_periods), (before, passed));
            reader.join(cx).unwrap();
        });
    }
}

/// RC-15.3: what has passed has passed for good, though the numbers wrap. (`logic::rcu::seq` has the half of their range.)
#[test]
fn an_old_cookie_has_passed() {
    each_model(|cx, _| {
        let first = rcu::start_poll(cx);
        for n in 0..1_000 {
            let cookie = rcu::start_poll(cx);
            rcu::synchronize(cx).unwrap();
            assert!(rcu::poll(first) && rcu::poll(cookie), "after {n}");
        }
        assert!(rcu::stats().grace_periods >= 1_000);
    });
}
