//! Do mutexes lend priority on the machine itself, on one CPU and on several, and for how long are interrupts off meanwhile?
use crate::{
    crew::{CPUS, on_each_cpu},
    support::{become_policy, fair, fifo, ms, sleep, us},
    table::{PREEMPTIBLE, test},
};
use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use kernel::{
    Error, Policy, ThreadCx,
    latency::{self, Kind},
    sync::{Mutex, RobustError, RobustMutex, Semaphore, SpinLock},
    thread::{self, Builder, JoinHandle},
    time, trace,
};

fn start<T: Send + 'static>(
    cx: &mut ThreadCx,
    name: &str,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new(name).policy(policy).spawn(cx, body).expect("a slot and memory")
}

/// Changes by inheritance that were recorded since the last look: level before and after.
fn inherited() -> Vec<(u64, u64)> {
    let mut seen = Vec::with_capacity(1024);
    trace::drain(|e| {
        if e.kind == trace::INHERIT {
            seen.push((e.b >> 8, e.b & 0xff));
        }
    });
    seen
}

/// RM-02.5: L in its section, H blocks on it, M becomes ready: L runs on at H's priority, then H, M, and the rest of L.
fn rm_02_5_the_one_in_the_middle_waits(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    let lock = Arc::new(Mutex::new(Vec::with_capacity(8)));
    let go = Arc::new(Semaphore::new(0));
    let (theirs, gate) = (lock.clone(), go.clone());
    let mut low = start(cx, "low", fifo(10), move |cx| {
        let mut order = theirs.lock(cx);
        // The others come while it holds the lock, and sleeps.
        gate.down(cx);
        order.push("low, critical");
        drop(order);
        theirs.lock(cx).push("low, rest");
    });
    sleep(cx, us(50));
    let theirs = lock.clone();
    let mut high = start(cx, "high", fifo(30), move |cx| theirs.lock(cx).push("high"));
    sleep(cx, us(50));
    let theirs = lock.clone();
    let (start_middle, waits) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (gate, waiting) = (start_middle.clone(), waits.clone());
    let mut middle = start(cx, "middle", fifo(20), move |cx| {
        waiting.store(true, SeqCst);
        gate.down(cx);
        theirs.lock(cx).push("middle");
    });
    sleep(cx, us(50));
    assert!(waits.load(SeqCst));
    // Both are ready when this thread sleeps: which one runs is the question.
    go.up(cx).expect("room");
    start_middle.up(cx).expect("room");
    sleep(cx, us(200));
    for thread in [&mut low, &mut high, &mut middle] {
        thread.join(cx).expect("it ends");
    }
    assert_eq!(**lock.lock(cx), ["low, critical", "high", "middle", "low, rest"]);
}
test!(rm_02_5_the_one_in_the_middle_waits);

/// Two threads wait for a mutex that a third one has.
fn contend(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    drop(start(cx, "low", fifo(10), move |cx| {
        let _guard = held.lock(cx);
        Semaphore::new(0).down(cx);
    }));
    sleep(cx, us(50));
    for (name, priority) in [("middle", 20), ("high", 30)] {
        let wanted = lock.clone();
        drop(start(cx, name, fifo(priority), move |cx| drop(wanted.lock(cx))));
    }
    sleep(cx, us(50));
}
/// PK-03: a panic says who waits for which lock.
fn pk_03_a_panic_names_the_locks_that_are_waited_for(cx: &mut ThreadCx) {
    contend(cx);
    panic!("who hangs?");
}
test!(
    pk_03_a_panic_names_the_locks_that_are_waited_for,
    expect(101),
    says(
        "PANIC: who hangs?\nbacktrace:\nlocks that are waited for:\n  mutex of\nlocks.rs:\n: owner low (\n\
         , top waiter high (\n, 2 waiting"
    )
);
/// PK-03: so does a fault.
fn pk_03_a_fault_names_the_locks_that_are_waited_for(cx: &mut ThreadCx) {
    contend(cx);
    // SAFETY: the machine stops here.
    unsafe { core::arch::asm!("brk #7") };
}
test!(
    pk_03_a_fault_names_the_locks_that_are_waited_for,
    expect(101),
    says(
        "BUG: breakpoint instruction\nbacktrace:\nlocks that are waited for:\n  mutex of\n: owner low (\n\
         , top waiter high (\n, 2 waiting"
    )
);

/// OW-01.1: a thread that is killed as it holds a robust mutex leaves it, and its waiter's priority, to the waiter.
fn ow_01_1_the_next_owner_is_told(cx: &mut ThreadCx) {
    static BOOKS: RobustMutex<(i32, i32)> = RobustMutex::new((0, 0));
    become_policy(cx, fifo(99));
    inherited();
    let mut killed = start(cx, "killed", fifo(10), |cx| {
        let mut books = BOOKS.lock(cx).expect("sound");
        books.0 += 5;
        let _ = Semaphore::new(0).down_interruptible(cx);
        books.1 -= 5;
    });
    sleep(cx, us(50));
    let mut waiter = start(cx, "waiter", fifo(30), |cx| match BOOKS.lock(cx) {
        Err(RobustError::OwnerDead(mut books)) => {
            let found = *books;
            books.1 = -books.0;
            drop(books.make_consistent());
            Some(found)
        }
        _ => None,
    });
    sleep(cx, us(50));
    thread::kill(cx, killed.id()).expect("it waits");
    assert_eq!(killed.join(cx), Err(Error::Interrupted));
    assert_eq!(waiter.join(cx), Ok(Some((5, 0))));
    assert_eq!(BOOKS.lock(cx).map(|books| *books).ok(), Some((5, -5)));
    assert_eq!(inherited(), [(10, 30), (30, 10)]);
}
test!(ow_01_1_the_next_owner_is_told);

/// OW-01.3: a thread that ends and leaves a mutex locked that nobody waits for: whoever comes is told of both.
fn ow_01_3_a_dead_owner_is_named(cx: &mut ThreadCx) {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    let mut owner = start(cx, "careless", fifo(10), move |cx| core::mem::forget(held.lock(cx)));
    owner.join(cx).expect("it ends");
    drop(lock.lock(cx));
}
test!(
    ow_01_3_a_dead_owner_is_named,
    expect(101),
    says("BUG: mutex of\nlocks.rs:\n belongs to careless (thread\n), which has ended\nthread\n(main)")
);

/// Instructions of the longest section with interrupts off while priority goes along `depth` mutexes and back.
fn longest_of_a_chain(cx: &mut ThreadCx, depth: usize) -> u64 {
    let mutexes: Arc<Vec<Mutex<()>>> = Arc::new((0..depth).map(|_| Mutex::new(())).collect());
    let done = Arc::new(Semaphore::new(0));
    let threads: Vec<_> = (0..depth)
        .map(|n| {
            let (mutexes, done) = (mutexes.clone(), done.clone());
            let thread = start(cx, &format!("link{n}"), fifo(10), move |cx| {
                let _own = mutexes[n].lock(cx);
                match n {
                    0 => done.down(cx),
                    n => drop(mutexes[n - 1].lock(cx)),
                }
            });
            sleep(cx, us(20));
            thread
        })
        .collect();
    let level = |cx: &mut ThreadCx, id| {
        let mut level = 0;
        thread::for_each(cx, |_, info| {
            if info.id == id {
                level = info.level.get();
            }
        });
        level
    };
    latency::reset(Kind::IrqsOff);
    let last = mutexes.clone();
    let first = threads[0].id();
    let mut waiter = start(cx, "last", fifo(90), move |cx| {
        let deadline = time::now().saturating_add(ms(1));
        last[depth - 1].lock_until(cx, deadline).err()
    });
    sleep(cx, us(500));
    let lent = level(cx, first);
    assert_eq!(waiter.join(cx).expect("it ends"), Some(kernel::Error::TimedOut));
    let longest = latency::max(Kind::IrqsOff).map_or(0, |section| section.length);
    assert_eq!((lent, level(cx, first)), (90, 10), "it came, and went, along {depth}");
    done.up(cx).expect("room");
    for mut thread in threads {
        thread.join(cx).expect("it ends");
    }
    longest
}

/// RM-04.3: the longest section with interrupts off does not grow with the chain.
fn rm_04_3_a_hop_is_as_long_in_a_chain_of_64(cx: &mut ThreadCx) {
    /// Of code that differs with what happens to be ready.
    const MARGIN: u64 = 20;
    become_policy(cx, fifo(95));
    let (short, long) = (longest_of_a_chain(cx, 4), longest_of_a_chain(cx, 64));
    assert!(long <= short + MARGIN, "{long} instructions along 64, {short} along 4");
}
test!(rm_04_3_a_hop_is_as_long_in_a_chain_of_64, bootargs("bound=10"));

/// CX-07.3: whoever is preempted inside the allocator is boosted by a more urgent one that allocates.
fn cx_07_3_the_allocator_lends_priority(cx: &mut ThreadCx) {
    const ROUNDS: usize = 2_000;
    become_policy(cx, fifo(80));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let mut low = start(cx, "low", fair(), move |_| {
        while !stopped.load(SeqCst) {
            drop(core::hint::black_box(Box::new([0u8; 64])));
        }
    });
    let mut boosts = 0;
    inherited();
    for n in 0..ROUNDS {
        // At another place of its loop each time.
        sleep(cx, us(10) + core::time::Duration::from_nanos(16 * (n as u64 % 97)));
        drop(core::hint::black_box(Box::new([0u8; 64])));
        boosts += inherited().iter().filter(|&&change| change == (0, 80)).count();
    }
    stop.store(true, SeqCst);
    low.join(cx).expect("it ends");
    assert!(boosts > 0, "never met inside the allocator");
}
test!(cx_07_3_the_allocator_lends_priority, models(PREEMPTIBLE), bootargs("bound=10"));

/// RM-01, LK-02: four CPUs fight for a mutex and a spinlock with priorities that differ: each is one thread's at a time.
fn rm_01_four_cpus_fight_for_two_locks(cx: &mut ThreadCx) {
    const ROUNDS: u32 = 2_000;
    static INSIDE: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
    let enter = |n: usize| assert_eq!(INSIDE[n].fetch_add(1, SeqCst), 0, "two inside");
    let leave = |n: usize| assert_eq!(INSIDE[n].fetch_sub(1, SeqCst), 1);
    let locks = Arc::new((Mutex::new(0u32), SpinLock::<u32>::new(0)));
    let theirs = locks.clone();
    on_each_cpu(cx, fifo(20), move |cx, cpu| {
        for n in 0..ROUNDS {
            become_policy(cx, fifo(20 + (n as i32 + cpu as i32) % 4));
            let mut total = theirs.0.lock(cx);
            enter(0);
            *total += 1;
            theirs.1.with(cx, |spins, _| {
                enter(1);
                *spins += 1;
                leave(1);
            });
            leave(0);
            drop(total);
            theirs.1.with(cx, |spins, _| {
                enter(1);
                *spins += 1;
                leave(1);
            });
        }
    });
    let expected = ROUNDS * CPUS as u32;
    assert_eq!((*locks.0.lock(cx), *locks.1.lock(cx)), (expected, 2 * expected));
}
test!(rm_01_four_cpus_fight_for_two_locks, smp(4), bootargs("bound=10"));
