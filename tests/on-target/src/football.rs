//! Does a less urgent thread ever run while a more urgent one is ready? Played as football (SC-11.2; the game is that of
//! `sched_football` in the Linux Test Project).
use crate::{
    crew::{CPUS, assert_in_order, start},
    support::{Count, become_policy, fifo, give_way, ms, sleep},
    table::test,
};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use kernel::{CpuSet, ThreadCx, thread::JoinHandle};

/// Of virtual time: some CPU runs all the while, so these are as many million instructions.
const GAME_MS: u32 = 300;
/// Moves after which a player lets QEMU run the next CPU.
const MOVES: u32 = 100;

static BALL: AtomicU32 = AtomicU32::new(0);
static OVER: AtomicBool = AtomicBool::new(false);

/// As many players as there are CPUs, each running when this returns, or preempted by the team that came later.
fn team(cx: &mut ThreadCx, priority: i32, play: fn()) -> Vec<JoinHandle<()>> {
    let ready = Count::new();
    let players = (0..CPUS).map(|_| {
        let ready = ready.clone();
        start(cx, CpuSet::ALL, fifo(priority), move |cx| {
            ready.up();
            while !OVER.load(Relaxed) {
                (0..MOVES).for_each(|_| play());
                hw::cpu::relax();
                give_way(cx);
            }
        })
    });
    let players = players.collect();
    while ready.get() < CPUS as u32 {
        sleep(cx, ms(1));
    }
    players
}

/// SC-11.2: 4 attackers (FIFO 15) move the ball whenever they run; 4 defenders (FIFO 30), one for each CPU, keep them from
/// it. The referee (FIFO 80) looks every millisecond, which takes a CPU from a defender each time. The ball does not move
/// in 0.3 s.
fn sc_11_2_football(cx: &mut ThreadCx) {
    become_policy(cx, fifo(80));
    let mut players = team(cx, 15, || _ = BALL.fetch_add(1, SeqCst));
    assert!(BALL.load(SeqCst) > 0);
    players.extend(team(cx, 30, core::hint::spin_loop));
    BALL.store(0, SeqCst);
    for n in 0..GAME_MS {
        sleep(cx, ms(1));
        assert_eq!(BALL.load(SeqCst), 0, "at {n} ms");
    }
    OVER.store(true, SeqCst);
    players.iter_mut().for_each(|player| player.join(cx).unwrap());
    assert_in_order(cx);
}
test!(sc_11_2_football, smp(4));
