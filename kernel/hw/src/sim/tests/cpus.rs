//! Do several CPUs run beside each other, in every order that they should?
use super::on_secondary;
use crate::{
    atomic::{AtomicU32, Ordering::SeqCst},
    cpu, global,
    sim::{self, Config, End, Explored, Order, Outcome, Quirks, explore, interleave, run, seeds, spend},
    smp::{Method, StartError, start},
};
use std::{cell::RefCell, collections::BTreeSet, panic::catch_unwind, rc::Rc};

global! {
    static WORD: AtomicU32 = AtomicU32::new(0);
    static DONE: AtomicU32 = AtomicU32::new(0);
}

fn start_cpu(cpu: usize) -> Result<(), StartError> {
    // SAFETY: a toy kernel needs no preparation.
    unsafe { start(cpu, cpu as u64, Method::PsciHvc) }
}

/// Runs `body(cpu)` on each of `cpus` CPUs, `end` on the boot CPU when all are done.
fn on_each(order: Order, cpus: usize, body: impl Fn(usize) + 'static, end: impl FnOnce() + 'static) -> Outcome {
    run(Config { cpus, order, ..Config::default() }, move || {
        let body = Rc::new(body);
        let mine = body.clone();
        on_secondary(move |cpu| {
            body(cpu);
            DONE.fetch_add(1, SeqCst);
        });
        (1..cpus).for_each(|n| assert_eq!(start_cpu(n), Ok(())));
        interleave(true);
        mine(0);
        interleave(false);
        while DONE.load(SeqCst) as usize != cpus - 1 {
            cpu::relax();
        }
        end();
    })
}

/// Adds one without the atomicity that it needs.
fn add_one() {
    let seen = WORD.load(SeqCst);
    WORD.store(seen + 1, SeqCst);
}

#[test]
fn cpus_start_once_with_their_own_registers() {
    let outcome = on_each(
        Order::Fixed,
        4,
        |n| {
            assert_eq!((sim::here(), cpu::affinity()), (n, n as u64));
            assert!(cpu::local().is_null() && !crate::irqs::enabled());
            spend(10);
        },
        || {
            assert_eq!(start_cpu(3), Err(StartError::AlreadyOn));
            assert_eq!(start_cpu(4), Err(StartError::Refused(-2)));
        },
    );
    assert_eq!(outcome.end, End::Exit(0));
}

/// BU-04.2's hardware: firmware is content and the CPU never comes.
#[test]
fn a_cpu_may_fail_to_come() {
    let quirks = Quirks { never_start: vec![1], ..Quirks::default() };
    let outcome = run(Config { cpus: 2, quirks, ..Config::default() }, || {
        on_secondary(|_| unreachable!("it does not start"));
        assert_eq!(start_cpu(1), Ok(()));
        cpu::wait_for_interrupt();
    });
    assert_eq!(outcome.end, End::Stuck);
}

/// What CPUs do takes the time of the longest, not of all.
#[test]
fn time_passes_for_all_at_once() {
    for order in [Order::Fixed, Order::Seeded(1), Order::Seeded(2)] {
        let outcome = on_each(order, 4, |n| spend(1000 * (n as u64 + 1)), || {});
        assert!((4000..4200).contains(&outcome.time), "{}", outcome.time);
    }
}

/// Two CPUs that each load and store: 2 or 1, and both are found.
#[test]
fn every_order_is_explored() {
    let found = RefCell::new(BTreeSet::new());
    let search = |preemptions| {
        found.borrow_mut().clear();
        explore(preemptions, 1000, |order| {
            let seen = Rc::new(RefCell::new(0));
            let out = seen.clone();
            on_each(order, 2, |_| add_one(), move || *out.borrow_mut() = WORD.load(SeqCst));
            found.borrow_mut().insert(*seen.borrow());
        })
    };
    let Explored { runs, depth, .. } = search(2);
    assert_eq!(*found.borrow(), BTreeSet::from([1, 2]));
    assert!((5..100).contains(&runs) && depth >= 2, "{runs} runs, {depth} deep");
    let Explored { runs: fewer, .. } = search(0);
    assert_eq!(*found.borrow(), BTreeSet::from([2]));
    assert!(fewer < runs);
}

/// Both ways to use a seed find the lost update, and the same seed does the same.
#[test]
fn seeds_find_orders_and_repeat_them() {
    let run = |seed| {
        let seen = Rc::new(RefCell::new(0));
        let out = seen.clone();
        let outcome = on_each(Order::Seeded(seed), 2, |_| add_one(), move || *out.borrow_mut() = WORD.load(SeqCst));
        (*seen.borrow(), outcome.points, outcome.time)
    };
    let found: Vec<u32> = (0..200).map(|seed| run(seed).0).collect();
    let lost = found.iter().filter(|&&n| n == 1).count();
    assert!((4..196).contains(&lost), "{lost} of 200");
    (0..20).for_each(|seed| assert_eq!(run(seed), run(seed)));
}

/// The report of a failing run names seed, CPUs and places.
#[test]
fn a_failing_run_tells_its_story() {
    let failed = catch_unwind(|| {
        seeds(200, |seed| {
            on_each(Order::Seeded(seed), 2, |_| add_one(), || assert_eq!(WORD.load(SeqCst), 2));
        });
    });
    assert!(failed.is_err());
    let outcome = sim::run_catching(Config { cpus: 2, order: Order::Seeded(7), ..Config::default() }, || {
        on_secondary(|_| {
            loop {
                add_one();
            }
        });
        start_cpu(1).unwrap();
        interleave(true);
        for _ in 0..1000 {
            add_one();
        }
        panic!("as told");
    });
    assert!(outcome.story.contains("cpus.rs:") && outcome.story.contains("2 CPUs"), "{}", outcome.story);
}

/// A CPU that waits in virtual time lets the others go on; one that is interrupted goes on early.
#[test]
fn an_ipi_ends_a_busy_wait_that_is_not_masked() {
    let outcome = run(Config { cpus: 2, ..Config::default() }, || {
        super::on_interrupt(|| {
            DONE.fetch_add(1, SeqCst);
            sim::at_call(sim::time(), Box::new(|| sim::stop(End::Exit(sim::time() as i32))));
            false
        });
        on_secondary(|_| {
            spend(100);
            sim::irq::special(1023);
            crate::irqs::enable();
            spend(1_000_000);
        });
        start_cpu(1).unwrap();
        cpu::wait_for_interrupt();
    });
    assert_eq!(outcome.end, End::Exit(100));
}
