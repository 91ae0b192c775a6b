//! What does a mutex cost, free and fought over, and priority that goes along a chain of them?
use super::{
    ROUNDS, WOKEN, fifo, give_way,
    row::{Row, note, note_more},
};
use alloc::{format, sync::Arc, vec::Vec};
use core::time::Duration;
use hw::{
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{
    Policy, Result, ThreadCx,
    sync::{Mutex, Semaphore},
    thread::Builder,
    time,
};

/// The owner at the end of a chain: above those that are merely ready, and that is all.
const HEAD: Policy = fifo(6);
/// The others, which have to get to their places past it.
const LINK: Policy = fifo(7);
/// Measurements of each chain.
const CHAINS: usize = 100;
/// How long the last one of a chain waits before it gives up.
const PATIENCE: Duration = Duration::from_micros(200);

/// What both sides of a fight share.
struct Fight {
    mutex: Mutex<()>,
    gate: Semaphore,
    /// Counter before the call that blocks, and before that which hands over.
    blocks: AtomicU64,
    hands: AtomicU64,
}

/// A more urgent thread blocks and lends its priority, until the owner runs; then the owner hands over, until that one does.
pub(super) fn contended(cx: &mut ThreadCx) -> Result<Row> {
    let fight = Arc::new(Fight {
        mutex: Mutex::new(()),
        gate: Semaphore::new(0),
        blocks: AtomicU64::new(0),
        hands: AtomicU64::new(0),
    });
    let theirs = fight.clone();
    let mut waiter = Builder::new("bench/fight").policy(WOKEN).spawn(cx, move |cx| {
        for round in 0..ROUNDS {
            theirs.gate.down(cx);
            theirs.blocks.store(cycles(), Relaxed);
            let guard = theirs.mutex.lock(cx);
            note_more(round, cycles() - theirs.hands.load(Relaxed));
            drop(guard);
        }
    })?;
    give_way(cx);
    for round in 0..ROUNDS {
        let guard = fight.mutex.lock(cx);
        fight.gate.up(cx)?;
        give_way(cx);
        let now = cycles();
        note_more(round, now - fight.blocks.load(Relaxed));
        fight.hands.store(cycles(), Relaxed);
        drop(guard);
        give_way(cx);
    }
    waiter.join(cx)?;
    Ok(Row::of("mutex-fight", ROUNDS))
}

/// What a chain shares.
struct Links {
    mutexes: Vec<Mutex<()>>,
    /// Counter before the call that joins the chain.
    joins: AtomicU64,
    took: AtomicU64,
    done: AtomicBool,
    ready: Semaphore,
    /// Makes the owner at the end ready; it gets to run when it inherits.
    go: Semaphore,
}

/// The measuring thread waits for the last of `depth` mutexes, each owned by a thread that waits for the one before; until
/// the owner of the first one runs.
pub(super) fn chain(cx: &mut ThreadCx, id: &'static str, depth: usize) -> Result<Row> {
    let links = Arc::new(Links {
        mutexes: (0..depth).map(|_| Mutex::new(())).collect(),
        joins: AtomicU64::new(0),
        took: AtomicU64::new(0),
        done: AtomicBool::new(false),
        ready: Semaphore::new(0),
        go: Semaphore::new(0),
    });
    let mut threads = Vec::with_capacity(depth);
    for n in 0..depth {
        let mine = links.clone();
        let policy = if n == 0 { HEAD } else { LINK };
        threads.push(Builder::new(&format!("bench/chain{n}")).policy(policy).spawn(cx, move |cx| {
            let _own = mine.mutexes[n].lock(cx);
            // Nobody gives more back than there is room for.
            let _ = mine.ready.up(cx);
            if n > 0 {
                drop(mine.mutexes[n - 1].lock(cx));
                return;
            }
            while !mine.done.load(Relaxed) {
                mine.go.down(cx);
                mine.took.store(cycles() - mine.joins.load(Relaxed), Relaxed);
            }
        })?);
        links.ready.down(cx);
    }
    for round in 0..CHAINS {
        time::sleep(cx, PATIENCE)?;
        links.go.up(cx)?;
        let deadline = time::now().saturating_add(PATIENCE);
        links.joins.store(cycles(), Relaxed);
        // The owner never gives it back.
        let _ = links.mutexes[depth - 1].lock_until(cx, deadline);
        note(round, links.took.load(Relaxed));
    }
    links.done.store(true, Relaxed);
    links.go.up(cx)?;
    for mut thread in threads {
        thread.join(cx)?;
    }
    Ok(Row::of(id, CHAINS))
}
