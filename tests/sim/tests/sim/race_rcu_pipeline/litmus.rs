//! What may a reader and an updater see of each other's stores, with a grace period between the updater's two steps? (RC-01.6)
//!
//! The simulated machine's memory is sequentially consistent, so this is about the order of sections and grace periods; what
//! memory may reorder around them is the models' (`tests/loom`, `activity` and `grace`).
//!
//! | shape | updater | reader, in one section | never |
//! |---|---|---|---|
//! | MP, old first | x = 1; wait; y = 1 | a = x; b = y | a = 0 and b = 1 |
//! | MP, new first | x = 1; wait; y = 1 | b = y; a = x | a = 0 and b = 1 |
//! | SB | x = 1; wait; b = y | y = 1; a = x | a = 0 and b = 0 |
use crate::harness::{US, fair, fifo, run_model, start_on};
use hw::{
    atomic::{AtomicU32, Ordering::SeqCst},
    sim::{self, Config, Order, Rng, seeds},
};
use kernel::{ThreadCx, model::Model, rcu, sched, sync::Semaphore, thread, time};
use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};

const MACHINES: u64 = 100;
/// On each of them.
const ROUNDS: u32 = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    OldFirst,
    NewFirst,
    Sb,
}
impl Shape {
    const ALL: [Self; 3] = [Self::OldFirst, Self::NewFirst, Self::Sb];
    /// What a and b may never be.
    const fn never(self) -> (u32, u32) {
        if matches!(self, Self::Sb) { (0, 0) } else { (0, 1) }
    }
}

/// What both change.
struct Shared {
    x: AtomicU32,
    y: AtomicU32,
    begin: Semaphore,
    hog: Semaphore,
    done: Semaphore,
    /// What the reader saw: of x, and of y if it looks there.
    seen: Mutex<(u32, u32)>,
}

fn rest(rng: &Rng) {
    sim::spend(rng.below(3 * US));
}

/// The reader's part.
fn reads(shared: &Shared, shape: Shape, rng: &Rng, cx: &mut ThreadCx) -> (u32, u32) {
    rest(rng);
    rcu::with(cx, |_, _| match shape {
        Shape::OldFirst => {
            let a = shared.x.load(SeqCst);
            rest(rng);
            (a, shared.y.load(SeqCst))
        }
        Shape::NewFirst => {
            let b = shared.y.load(SeqCst);
            rest(rng);
            (shared.x.load(SeqCst), b)
        }
        Shape::Sb => {
            shared.y.store(1, SeqCst);
            rest(rng);
            (shared.x.load(SeqCst), 0)
        }
    })
}

/// The updater's part; what it saw of y, if it looks.
fn updates(shared: &Shared, shape: Shape, rng: &Rng, cx: &mut ThreadCx) -> u32 {
    rest(rng);
    shared.x.store(1, SeqCst);
    match rng.below(3) {
        0 => rcu::synchronize(cx).unwrap(),
        1 => rcu::synchronize_expedited(cx).unwrap(),
        _ => {
            let cookie = rcu::start_poll(cx);
            rcu::cond_sync(cx, cookie).unwrap();
        }
    }
    if shape == Shape::Sb {
        return shared.y.load(SeqCst);
    }
    shared.y.store(1, SeqCst);
    0
}

thread_local! {
    /// How often a and b were what, in each shape.
    static OUTCOMES: [[Cell<u64>; 4]; 3] = const { [const { [const { Cell::new(0) }; 4] }; 3] };
}

fn machine(seed: u64) {
    let config = Config { cpus: 2, order: Order::Seeded(seed), ..Config::default() };
    run_model(Model::ALL[(seed % 5) as usize], config, "", move |cx| {
        let shared = Arc::new(Shared {
            x: AtomicU32::new(0),
            y: AtomicU32::new(0),
            begin: Semaphore::new(0),
            hog: Semaphore::new(0),
            done: Semaphore::new(0),
            seen: Mutex::default(),
        });
        let rng = Rng::new(seed ^ 0x11_7035);
        sched::set(cx, thread::current_id(), fifo(10)).unwrap();
        let (mine, random) = (shared.clone(), Rng::new(rng.draw()));
        let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
            for round in 0..ROUNDS {
                mine.begin.down(cx);
                let seen = reads(&mine, Shape::ALL[round as usize % 3], &random, cx);
                *mine.seen.lock().unwrap() = seen;
                mine.done.up(cx).unwrap();
            }
        });
        // Takes the reader's CPU away.
        let (mine, random) = (shared.clone(), Rng::new(rng.draw()));
        let mut hog = start_on(cx, &[1], "hog", fifo(40), move |cx| {
            for _ in 0..ROUNDS {
                mine.hog.down(cx);
                time::sleep(cx, Duration::from_nanos(1 + random.below(6 * US))).unwrap();
                rest(&random);
            }
        });
        for round in 0..ROUNDS {
            let shape = Shape::ALL[round as usize % 3];
            shared.x.store(0, SeqCst);
            shared.y.store(0, SeqCst);
            shared.begin.up(cx).unwrap();
            shared.hog.up(cx).unwrap();
            let looked = updates(&shared, shape, &rng, cx);
            shared.done.down(cx);
            let (a, b) = *shared.seen.lock().unwrap();
            let outcome = (a, b.max(looked));
            assert_ne!(
                outcome,
                shape.never(),
                "round {round}: a section both saw what was before a grace period and after"
            );
            OUTCOMES.with(|outcomes| {
                let count = &outcomes[shape as usize][(2 * outcome.0 + outcome.1) as usize];
                count.set(count.get() + 1);
            });
        }
        reader.join(cx).unwrap();
        hog.join(cx).unwrap();
    });
}

/// RC-01.6: of 10^5 rounds none has the outcome that is forbidden, and each other one happens.
#[test]
fn no_section_is_on_both_sides_of_a_grace_period() {
    let machines = Cell::new(0);
    seeds(MACHINES, |seed| {
        machine(seed);
        machines.set(machines.get() + 1);
    });
    let outcomes = OUTCOMES.with(|all| Shape::ALL.map(|shape| all[shape as usize].each_ref().map(Cell::get)));
    println!("{outcomes:?}");
    if machines.get() >= MACHINES {
        for (shape, counts) in Shape::ALL.into_iter().zip(outcomes) {
            let never = shape.never();
            let seen = |(a, b): (u32, u32)| counts[(2 * a + b) as usize] > 0;
            let all = [(0, 0), (0, 1), (1, 0), (1, 1)];
            assert!(all.into_iter().all(|outcome| seen(outcome) == (outcome != never)), "{counts:?}");
        }
    }
}
