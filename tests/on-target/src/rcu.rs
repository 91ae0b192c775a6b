//! Do readers, and whoever waits for them, keep the rules of RCU on the machine itself? (RC-02 to RC-05, RC-08, RC-14, RC-15)
use crate::{
    crew::{spin, start},
    support::{Count, become_policy, fair, fifo, join, ms, sleep, start_on, us},
    table::{PREEMPTIBLE, test},
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};
use kernel::{
    CpuSet, Error, ThreadCx, bh, irq_flags, preempt,
    rcu::{self, RcuPtr},
    sleep_hook, thread,
    time::{self, Instant},
};

/// RC-02.1, RC-01.1, RC-01.2: of three sections in each other the end of the outermost lets a grace period end; whoever begins later
/// does not keep it, and sees the new value.
fn rc_02_1_the_outermost_end_counts(cx: &mut ThreadCx) {
    static PLACE: RcuPtr<u32> = RcuPtr::null();
    PLACE.replace(1);
    become_policy(cx, fifo(50));
    let steps = Arc::new(AtomicU32::new(0));
    let mine = steps.clone();
    let mut reader = thread::spawn(cx, "reader", move |cx| {
        rcu::with(cx, |outer, cx| {
            let old = PLACE.load(outer);
            rcu::with(cx, |_, cx| {
                rcu::with(cx, |_, _| spin(ms(1)));
                mine.store(1, SeqCst);
                spin(ms(1));
            });
            mine.store(2, SeqCst);
            spin(ms(1));
            assert_eq!(old, Some(&1));
            mine.store(3, SeqCst);
        });
        rcu::with(cx, |section, _| {
            assert_eq!(PLACE.load(section), Some(&2));
            spin(ms(5));
        });
    })
    .expect("a slot and memory");
    sleep(cx, us(500));
    let old = PLACE.replace(2).expect("there was one");
    let old = old.wait(cx).expect("a thread");
    assert_eq!((*old, steps.load(SeqCst), reader.is_finished()), (1, 3, false));
    reader.join(cx).expect("it ends by itself");
}
test!(rc_02_1_the_outermost_end_counts, models(PREEMPTIBLE));

/// RC-02.2: an end too many is a warning, and the depth stays 0.
fn rc_02_2_an_end_too_many(_: &mut ThreadCx) {
    // SAFETY: nothing was loaded in a section.
    unsafe { rcu::hook::leave() };
    assert_eq!(rcu::hook::depth(), 0);
}
test!(rc_02_2_an_end_too_many, says("WARNING\nRCU reader section of main ended, but none is open"));

/// RC-03.1, RC-03.3: who preempts a reader runs at once; the reader is listed once, however often that happens, and the grace period
/// waits for it, and no longer.
fn rc_03_1_a_preempted_reader_holds_the_grace_period(cx: &mut ThreadCx) {
    become_policy(cx, fifo(50));
    let left = Arc::new(AtomicU64::new(0));
    let leaves = left.clone();
    let reader = start(cx, CpuSet::ALL, fair(), move |cx| {
        rcu::with(cx, |_, _| {
            spin(ms(4));
            leaves.store(time::now().as_ns(), SeqCst);
        });
    });
    sleep(cx, ms(1));
    for _ in 0..2 {
        let woken = time::now();
        let preempts = start(cx, CpuSet::ALL, fifo(40), |_| time::now());
        let ran: Instant = join(cx, preempts);
        assert!(ran.since(woken) < us(50), "{:?}", ran.since(woken));
        assert_eq!(rcu::stats().blocked_readers, 1);
        sleep(cx, us(100));
    }
    let hog = start(cx, CpuSet::ALL, fifo(40), |_| spin(ms(20)));
    let began = time::now();
    rcu::synchronize(cx).expect("a thread");
    let ended = time::now();
    assert!(ended.since(began) > ms(20) && left.load(SeqCst) != 0, "the reader had left");
    assert!(ended.since(Instant::from_ns(left.load(SeqCst))) < us(200), "nobody else was waited for");
    assert_eq!(rcu::stats().blocked_readers, 0);
    join(cx, reader);
    join(cx, hog);
}
test!(rc_03_1_a_preempted_reader_holds_the_grace_period, models(PREEMPTIBLE));

/// RC-03.2: preempted on one CPU, it goes on and ends on another.
fn rc_03_2_a_reader_that_moves(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    kernel::sched::set_affinity(cx, thread::current_id(), CpuSet::of(0)).expect("it runs");
    let places = Arc::new([const { AtomicU32::new(0) }; 2]);
    let mine = places.clone();
    let reader = start(cx, CpuSet::of(1).with(2), fifo(10), move |cx| {
        let here = |cx: &mut ThreadCx| crate::crew::here(cx) as u32;
        mine[0].store(here(cx), SeqCst);
        // Where it is asked who runs it a section cannot be open: the thread's token is the section's.
        let guard = rcu::read(cx);
        spin(ms(3));
        drop(guard);
        mine[1].store(here(cx), SeqCst);
    });
    sleep(cx, ms(1));
    let from = places[0].load(SeqCst) as usize;
    let hog = start_on(cx, from, fifo(40), |_| spin(ms(10)));
    rcu::synchronize(cx).expect("a thread");
    sleep(cx, us(100));
    assert_eq!(places[1].load(SeqCst) as usize, 3 - from);
    join(cx, reader);
    join(cx, hog);
}
test!(rc_03_2_a_reader_that_moves, smp(4), models(PREEMPTIBLE));

/// RC-03.4: a grace period that waits for one reader ends with it, though another one that began later has lost its CPU since.
fn rc_03_4_a_later_reader_does_not_hold_it(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let first = start_on(cx, 0, fair(), |cx| rcu::with(cx, |_, _| spin(ms(3))));
    sleep(cx, ms(1));
    let updater = start_on(cx, 0, fifo(50), |cx| rcu::synchronize(cx).expect("a thread"));
    let later = start_on(cx, 0, fifo(3), |cx| rcu::with(cx, |_, _| spin(ms(30))));
    sleep(cx, ms(1));
    assert_eq!((rcu::stats().blocked_readers, updater.is_finished()), (2, false));
    kernel::sched::set(cx, first.id(), fifo(5)).expect("it lives");
    join(cx, updater);
    assert_eq!((rcu::stats().blocked_readers, later.is_finished()), (1, false));
    [first, later].into_iter().for_each(|thread| join(cx, thread));
}
test!(rc_03_4_a_later_reader_does_not_hold_it, bootargs("rcu_kthread_prio=40"), models(PREEMPTIBLE));

/// RC-03.5: with a reader in a section at any time, each of many grace periods ends within a few sections.
fn rc_03_5_readers_without_end(cx: &mut ThreadCx) {
    const SECTION: Duration = us(300);
    become_policy(cx, fifo(60));
    kernel::sched::set_affinity(cx, thread::current_id(), CpuSet::of(0)).expect("it runs");
    // How many are inside, and how often one came while another was.
    let (inside, overlaps, over) = (Count::new(), Count::new(), Arc::new(AtomicBool::new(false)));
    let readers = [1, 2].map(|cpu| {
        let (inside, overlaps, over) = (inside.clone(), overlaps.clone(), over.clone());
        start_on(cx, cpu, fifo(30), move |cx| {
            while !over.load(SeqCst) {
                rcu::with(cx, |_, _| {
                    if inside.up() != 0 {
                        overlaps.up();
                    }
                    spin(SECTION);
                    inside.down();
                });
                kernel::preempt::cond_resched(cx);
            }
        })
    });
    sleep(cx, ms(1));
    for _ in 0..20 {
        let began = time::now();
        rcu::synchronize_expedited(cx).expect("a thread");
        assert!(time::now().since(began) < 4 * SECTION, "{:?}", time::now().since(began));
    }
    over.store(true, SeqCst);
    readers.into_iter().for_each(|reader| join(cx, reader));
    assert!(overlaps.get() > 10, "{} overlaps", overlaps.get());
}
test!(rc_03_5_readers_without_end, smp(4));

/// RC-04.3: where nobody is preempted, a reader is not either.
fn rc_04_3_not_preempted_where_nobody_is(cx: &mut ThreadCx) {
    let woken = Arc::new(AtomicBool::new(false));
    let wakes = woken.clone();
    let thread = start(cx, CpuSet::ALL, fifo(99), move |cx| {
        sleep(cx, us(100));
        wakes.store(true, SeqCst);
    });
    preempt::cond_resched(cx);
    rcu::with(cx, |_, _| {
        spin(ms(1));
        assert!(!woken.load(SeqCst));
    });
    sleep(cx, us(10));
    assert!(woken.load(SeqCst));
    join(cx, thread);
}
test!(rc_04_3_not_preempted_where_nobody_is, models(&[kernel::model::Model::None, kernel::model::Model::Voluntary]));

/// RC-05.1, RC-05.2: who would wait for itself, or must not sleep, is refused, with a warning.
fn rc_05_1_waiting_where_one_must_not(cx: &mut ThreadCx) {
    rcu::with(cx, |_, _| {
        // SAFETY: what the types forbid is what is tested; nothing was loaded.
        let refused = unsafe { sleep_hook::with_forged_token(rcu::synchronize) };
        assert_eq!(refused, Err(Error::Deadlock));
    });
    let guard = irq_flags::save(cx);
    // SAFETY: as above.
    let refused = unsafe { sleep_hook::with_forged_token(rcu::synchronize) };
    drop(guard);
    assert_eq!((refused, rcu::hook::depth()), (Err(Error::WrongContext), 0));
}
test!(
    rc_05_1_waiting_where_one_must_not,
    says("waits for a grace period in an RCU reader section\nsleeping function called from invalid context")
);

/// RC-05.4: a hundred threads that wait at once share three grace periods at most.
fn rc_05_4_many_share_grace_periods(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let reader = start_on(cx, 1, fifo(30), |cx| rcu::with(cx, |_, _| spin(ms(3))));
    sleep(cx, us(200));
    let before = rcu::stats().grace_periods;
    let threads: Vec<_> =
        (0..100).map(|_| start_on(cx, 0, fifo(20), |cx| rcu::synchronize(cx).expect("a thread"))).collect();
    // Whoever has ended leaves something for a grace period of its own: they are counted while none has.
    sleep(cx, ms(2));
    assert_eq!(rcu::stats().grace_periods, before);
    join(cx, reader);
    threads.into_iter().for_each(|thread| join(cx, thread));
    assert!(rcu::stats().grace_periods - before <= 3 + 2, "{} for all", rcu::stats().grace_periods - before);
}
test!(rc_05_4_many_share_grace_periods, smp(4));

/// RC-08.1: with haste, busy CPUs are not waited for until the next tick.
fn rc_08_1_haste_waits_for_no_tick(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    kernel::sched::set_affinity(cx, thread::current_id(), CpuSet::of(0)).expect("it runs");
    let hogs = [1, 2, 3].map(|cpu| start_on(cx, cpu, fifo(30), |_| spin(ms(20))));
    sleep(cx, ms(1));
    let began = time::now();
    for _ in 0..10 {
        rcu::synchronize_expedited(cx).expect("a thread");
    }
    let took = time::now().since(began);
    assert!(took < ms(4), "ten took {took:?}");
    hogs.into_iter().for_each(|hog| join(cx, hog));
}
test!(rc_08_1_haste_waits_for_no_tick, smp(4));

/// RC-14.1, RC-14.2, RC-14.3: whoever has preemption, bottom halves or interrupts disabled on another CPU is waited for; so is one
/// with bottom halves disabled that was preempted.
fn rc_14_1_disabled_is_reading(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    kernel::sched::set_affinity(cx, thread::current_id(), CpuSet::of(0)).expect("it runs");
    let sections: [fn(&mut ThreadCx, &AtomicBool); 3] = [
        |cx, over| {
            let guard = preempt::disable(cx);
            spin(ms(2));
            over.store(true, Relaxed);
            drop(guard);
        },
        |cx, over| {
            let guard = bh::disable(cx);
            spin(ms(2));
            over.store(true, Relaxed);
            drop(guard);
        },
        |cx, over| {
            let guard = irq_flags::save(cx);
            spin(ms(2));
            over.store(true, Relaxed);
            drop(guard);
        },
    ];
    for (n, section) in sections.into_iter().enumerate() {
        let over = Arc::new(AtomicBool::new(false));
        let shows = over.clone();
        let reads = start_on(cx, 1, fifo(30), move |cx| section(cx, &shows));
        sleep(cx, us(500));
        // It takes the CPU from the second one, where the model lets it.
        let hog = (n == 1).then(|| start_on(cx, 1, fifo(40), |_| spin(ms(2))));
        rcu::synchronize_expedited(cx).expect("a thread");
        assert!(over.load(Relaxed), "section {n} was not over");
        join(cx, reads);
        if let Some(hog) = hog {
            join(cx, hog);
        }
    }
}
test!(rc_14_1_disabled_is_reading, smp(4));

/// RC-15.1, RC-15.2: what was asked for is not there before a whole grace period has passed; then it is, and nobody waits for it.
fn rc_15_1_asked_and_not_waited_for(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let reader = start_on(cx, 1, fifo(30), |cx| rcu::with(cx, |_, _| spin(ms(3))));
    sleep(cx, ms(1));
    let cookie = rcu::start_poll(cx);
    assert!(!rcu::poll(cookie));
    rcu::cond_sync(cx, cookie).expect("a thread");
    assert!(rcu::poll(cookie));
    let passed = rcu::stats().grace_periods;
    rcu::cond_sync(cx, cookie).expect("a thread");
    assert!(rcu::stats().grace_periods <= passed + 1);
    join(cx, reader);
}
test!(rc_15_1_asked_and_not_waited_for, smp(4));
