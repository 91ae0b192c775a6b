//! Does anybody get a CPU while as many more urgent threads as CPUs want it? sched_football (SC-11.2).
//!
//! Offence moves the ball whenever it runs. There is one defender for each CPU, more urgent and always ready.
use crate::harness::{MS, US, become_policy, fifo, seeded, sleep_till, smp, start};
use hw::sim::{self, Rng, seeds};
use kernel::{ThreadCx, time};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

const CPUS: usize = 4;

#[derive(Default)]
struct Field {
    ball: AtomicU32,
    over: AtomicBool,
}

/// `length` of the game, and of the pieces that a player runs in, in ns.
fn match_of(cx: &mut ThreadCx, length: u64, piece: u64) {
    become_policy(cx, fifo(80));
    let field = Arc::new(Field::default());
    let mut players = vec![];
    for (name, priority) in [("offence", 15), ("defence", 30)] {
        for n in 0..CPUS {
            let field = field.clone();
            players.push(start(cx, name, fifo(priority), move |_| {
                let rng = Rng::new(n as u64);
                while !field.over.load(SeqCst) {
                    field.ball.fetch_add(u32::from(name == "offence"), SeqCst);
                    sim::spend(piece / 2 + rng.below(piece));
                }
            }));
        }
    }
    // Everybody is on the field.
    sleep_till(cx, MS);
    assert!(field.ball.load(SeqCst) < 1_000);
    let kick_off = sim::time();
    field.ball.store(0, SeqCst);
    while sim::time() < kick_off + length {
        time::sleep(cx, core::time::Duration::from_nanos(length / 7)).unwrap();
    }
    assert_eq!(field.ball.load(SeqCst), 0, "offence had a CPU");
    field.over.store(true, SeqCst);
    for mut player in players {
        player.join(cx).unwrap();
    }
}

/// SC-11.2: five seconds without a goal, in the fixed order.
#[test]
fn a_long_match() {
    smp(CPUS, |cx| match_of(cx, 5_000 * MS, MS));
}

/// SC-11.2: short ones in many orders.
#[test]
fn many_short_matches() {
    seeds(200, |seed| _ = seeded(CPUS, seed, |cx| match_of(cx, 2 * MS, 20 * US)));
}
