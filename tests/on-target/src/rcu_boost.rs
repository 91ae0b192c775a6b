//! Do grace periods come along beside hogs, and what do readers get that keep them waiting? (RC-10, RC-11)
use crate::{
    crew::{settle, spin},
    support::{become_policy, fair, fifo, join, ms, sleep, start_on, us},
    table::{PREEMPTIBLE, test},
};
use alloc::sync::Arc;
use core::time::Duration;
use kernel::{
    ThreadCx,
    ipi::Ipi,
    model::Model,
    rcu,
    sync::{Mutex, Semaphore, SpinLock},
    thread::{self, ThreadId},
    time::{self, Instant},
};

/// Takes so many instructions, whoever else runs meanwhile: a nanosecond each under QEMU's clock. Other CPUs have their turns.
fn work(d: Duration) {
    const PIECE: Duration = us(10);
    for _ in 0..d.as_nanos() / PIECE.as_nanos() {
        let turns = PIECE.as_nanos() as u64 / 2;
        // SAFETY: counts a register down.
        unsafe {
            core::arch::asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) turns => _, options(nostack, nomem));
        }
        hw::cpu::relax();
    }
}
/// Keeps the CPU until a moment and does nothing with it, which costs the emulator nothing: with QEMU's clock the time passes at once.
/// Something else has to interrupt then.
fn occupy(until: Instant) {
    while time::now() < until {
        hw::cpu::wait_for_interrupt();
    }
}
fn level(cx: &mut ThreadCx, id: ThreadId) -> u8 {
    thread::info(cx, id).expect("it lives").level.get()
}

/// What happened to a fair reader whose CPU a FIFO-10 hog takes for 100 ms, a millisecond after its section of 2 ms began.
struct Story {
    /// When the hog began, when the section ended, when the grace period.
    hog: Instant,
    section: Instant,
    passed: Instant,
}
fn story(cx: &mut ThreadCx, during: impl FnOnce(&mut ThreadCx, ThreadId)) -> Story {
    become_policy(cx, fifo(60));
    let mut reader = start_on(cx, 0, fair(), |cx| {
        rcu::with(cx, |_, _| work(ms(2)));
        (time::now(), level(cx, thread::current_id()))
    });
    sleep(cx, ms(1));
    let hog = time::now();
    let mut hogs = start_on(cx, 0, fifo(10), |_| {
        work(ms(100));
        time::now()
    });
    let mut updater = start_on(cx, 0, fifo(50), |cx| {
        rcu::synchronize(cx).expect("a thread");
        time::now()
    });
    during(cx, reader.id());
    let passed = updater.join(cx).expect("it ends by itself");
    let (section, after) = reader.join(cx).expect("it ends by itself");
    hogs.join(cx).expect("it ends by itself");
    assert_eq!(after, 0, "the reader is fair again");
    Story { hog, section, passed }
}

/// RC-10.1: a fair reader behind a FIFO-10 hog is lent priority 20 when the grace period has waited for so long, and has it until its
/// section ends; the grace period ends with that, and the hog goes on.
fn rc_10_1_a_reader_behind_a_hog_is_lent_priority(cx: &mut ThreadCx) {
    let story = story(cx, |cx, reader| {
        sleep(cx, ms(19));
        assert_eq!(level(cx, reader), 0);
        sleep(cx, us(1500));
        assert_eq!(level(cx, reader), 20);
    });
    let (section, passed) = (story.section.since(story.hog), story.passed.since(story.hog));
    assert!(section >= ms(100), "the rest of the reader, which is fair again, waits for the hog: {section:?}");
    assert!(ms(20) < passed && passed < ms(22), "{passed:?}");
    assert_eq!(rcu::stats().boosted, 1);
}
test!(
    rc_10_1_a_reader_behind_a_hog_is_lent_priority,
    bootargs("rcu_kthread_prio=20 rcu_boost_delay_ms=20"),
    models(PREEMPTIBLE)
);

/// RC-10.2: whoever is more urgent than what is lent keeps the reader from running, and a report names the reader.
fn rc_10_2_a_hog_above_what_is_lent(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    let reader = start_on(cx, 1, fair(), |cx| rcu::with(cx, |_, _| work(ms(2))));
    sleep(cx, ms(1));
    let end = time::now().saturating_add(ms(3_300));
    let hog = start_on(cx, 1, fifo(30), move |_| occupy(end));
    let alarm = start_on(cx, 1, fifo(70), move |cx| time::sleep_until(cx, end).expect("nobody interrupts it"));
    let updater = start_on(cx, 2, fifo(50), |cx| rcu::synchronize(cx).expect("a thread"));
    sleep(cx, ms(1_000));
    assert_eq!((level(cx, reader.id()), rcu::stats().boosted), (20, 1));
    join(cx, updater);
    assert!(time::now() >= end);
    [reader, hog, alarm].into_iter().for_each(|thread| join(cx, thread));
}
test!(
    rc_10_2_a_hog_above_what_is_lent,
    smp(4),
    bootargs("bound=10 rcu_kthread_prio=20 rcu_boost_delay_ms=20 rcu_stall_timeout=3"),
    says("stalls: 3000 ms old, waits for 0 CPUs and 1 readers\n on, lent priority"),
    models(PREEMPTIBLE)
);

/// RC-10.3: of two readers the one that lost its CPU first is lent to first, though it is less urgent.
fn rc_10_3_one_reader_after_the_other(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let reader = |cx: &mut ThreadCx, priority| {
        let reader = start_on(cx, 0, fifo(priority), |cx| rcu::with(cx, |_, _| work(ms(3))));
        sleep(cx, ms(1));
        reader
    };
    let (first, second) = (reader(cx, 1), reader(cx, 2));
    let hog = start_on(cx, 0, fifo(10), |_| work(ms(100)));
    let updater = start_on(cx, 0, fifo(50), |cx| rcu::synchronize(cx).expect("a thread"));
    let both = |cx: &mut ThreadCx| (level(cx, first.id()), level(cx, second.id()));
    sleep(cx, ms(19));
    assert_eq!(both(cx), (1, 2));
    sleep(cx, us(1500));
    assert_eq!(both(cx), (20, 2));
    sleep(cx, ms(2));
    // The first one has ended its section, and waits for the hog to end itself.
    assert_eq!(both(cx), (1, 20));
    join(cx, updater);
    assert_eq!((both(cx), hog.is_finished(), rcu::stats().boosted), ((1, 2), false, 2));
    [first, second, hog].into_iter().for_each(|thread| join(cx, thread));
}
test!(rc_10_3_one_reader_after_the_other, bootargs("rcu_kthread_prio=20 rcu_boost_delay_ms=20"), models(PREEMPTIBLE));

/// RC-10.4: a reader that inherits more keeps that; when it gives the mutex back it has what is lent to readers, to the end of its
/// section.
fn rc_10_4_a_reader_that_inherits_more(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    let lock = Arc::new(Mutex::new(()));
    let (mine, theirs) = (lock.clone(), lock);
    let given = Arc::new(Semaphore::new(0));
    let gave = given.clone();
    let reader = start_on(cx, 1, fair(), move |cx| {
        let held = mine.lock(cx);
        rcu::with(cx, |_, cx| {
            work(ms(30));
            drop(held);
            gave.up(cx).expect("far below the maximum");
            work(ms(2));
        });
    });
    sleep(cx, ms(1));
    let hog = start_on(cx, 1, fifo(10), |_| work(ms(100)));
    let updater = start_on(cx, 1, fifo(50), |cx| rcu::synchronize(cx).expect("a thread"));
    sleep(cx, ms(1));
    let waiter = start_on(cx, 1, fifo(40), move |cx| drop(theirs.lock(cx)));
    sleep(cx, ms(1));
    assert_eq!(level(cx, reader.id()), 40);
    // Lent to by now.
    sleep(cx, ms(20));
    assert_eq!((level(cx, reader.id()), rcu::stats().boosted), (40, 1));
    given.down(cx);
    assert_eq!(level(cx, reader.id()), 20);
    join(cx, updater);
    assert_eq!((level(cx, reader.id()), hog.is_finished()), (0, false));
    [reader, hog, waiter].into_iter().for_each(|thread| join(cx, thread));
}
test!(
    rc_10_4_a_reader_that_inherits_more,
    smp(4),
    bootargs("rcu_kthread_prio=20 rcu_boost_delay_ms=20"),
    models(PREEMPTIBLE)
);

/// RC-10.6: what is lent goes on to the fair owner of the spinlock that the reader waits for.
fn rc_10_6_what_is_lent_goes_along_the_chain(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let lock = Arc::new(SpinLock::<()>::new(()));
    let mine = lock.clone();
    let owner = start_on(cx, 0, fair(), move |cx| mine.with(cx, |_, _| work(ms(3))));
    sleep(cx, ms(1));
    let reader = start_on(cx, 0, fifo(1), move |cx| rcu::with(cx, |_, cx| lock.with(cx, |_, _| work(ms(2)))));
    sleep(cx, us(100));
    let hog = start_on(cx, 0, fifo(10), |_| work(ms(100)));
    let updater = start_on(cx, 0, fifo(50), |cx| rcu::synchronize(cx).expect("a thread"));
    sleep(cx, ms(19));
    assert_eq!((level(cx, owner.id()), level(cx, reader.id())), (1, 1));
    sleep(cx, us(1500));
    assert_eq!((level(cx, owner.id()), level(cx, reader.id())), (20, 20));
    join(cx, updater);
    assert!(!hog.is_finished());
    assert_eq!((level(cx, owner.id()), level(cx, reader.id())), (0, 1));
    [owner, reader, hog].into_iter().for_each(|thread| join(cx, thread));
}
test!(
    rc_10_6_what_is_lent_goes_along_the_chain,
    bootargs("rcu_kthread_prio=20 rcu_boost_delay_ms=20"),
    models(&[Model::Rt])
);

/// RC-10.5: without lending, the grace period ends when the hog leaves the CPU.
fn rc_10_5_without_lending_the_hog_decides(cx: &mut ThreadCx) {
    let story = story(cx, |cx, reader| {
        sleep(cx, ms(50));
        assert_eq!(level(cx, reader), 0);
    });
    let passed = story.passed.since(story.hog);
    assert!(ms(100) < passed && passed < ms(103), "{passed:?}");
    assert_eq!(rcu::stats().boosted, 0);
}
test!(
    rc_10_5_without_lending_the_hog_decides,
    bootargs("rcu_kthread_prio=20 rcu_boost_delay_ms=20 rcu_boost=off"),
    models(PREEMPTIBLE)
);

/// RC-10.7: a priority out of range is taken as the next one in range, with one alert.
fn rc_10_7_the_priority_is_clamped(cx: &mut ThreadCx) {
    let mut found = None;
    thread::for_each(cx, |_, info| {
        if info.name == "rcu_gp" {
            found = Some(info.policy);
        }
    });
    assert_eq!(found, Some(fifo(99)));
}
test!(rc_10_7_the_priority_is_clamped, bootargs("rcu_kthread_prio=120"), says("rcu_kthread_prio=120 is out of range"));

/// RC-10.8: with haste it is lent at once.
fn rc_10_8_haste_lends_at_once(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let reader = start_on(cx, 0, fair(), |cx| rcu::with(cx, |_, _| work(ms(3))));
    sleep(cx, ms(1));
    let hog = start_on(cx, 0, fifo(10), |_| work(ms(100)));
    sleep(cx, ms(1));
    let began = time::now();
    rcu::synchronize_expedited(cx).expect("a thread");
    let took = time::now().since(began);
    assert!(took < ms(3), "{took:?}");
    assert_eq!((level(cx, reader.id()), rcu::stats().boosted, hog.is_finished()), (0, 1, false));
    [reader, hog].into_iter().for_each(|thread| join(cx, thread));
}
test!(rc_10_8_haste_lends_at_once, bootargs("rcu_kthread_prio=20"), models(PREEMPTIBLE));

/// RC-11.1: with hogs at FIFO 50 on all CPUs and RCU's threads at 60, a grace period ends within two ticks.
fn rc_11_1_hogs_do_not_keep_grace_periods_from_ending(cx: &mut ThreadCx) {
    become_policy(cx, fifo(70));
    let hogs: [_; 4] = core::array::from_fn(|cpu| start_on(cx, cpu, fifo(50), |_| spin(ms(40))));
    sleep(cx, ms(1));
    let began = time::now();
    rcu::synchronize(cx).expect("a thread");
    let took = time::now().since(began);
    assert!(took < ms(2 * 4) + us(500), "{took:?}");
    for hog in hogs {
        join(cx, hog);
    }
}
test!(rc_11_1_hogs_do_not_keep_grace_periods_from_ending, smp(4), bootargs("rcu_kthread_prio=60"), models(PREEMPTIBLE));

/// RC-11.2: a hog above RCU's threads keeps a grace period from ending, and the report says that `rcu_gp` starves.
fn rc_11_2_a_starved_thread_is_named(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    let reader = start_on(cx, 0, fair(), |cx| rcu::with(cx, |_, _| work(ms(2))));
    sleep(cx, ms(1));
    let end = time::now().saturating_add(ms(3_300));
    let hog = start_on(cx, 0, fifo(50), move |_| occupy(end));
    let alarm = start_on(cx, 0, fifo(70), move |cx| time::sleep_until(cx, end).expect("nobody interrupts it"));
    rcu::synchronize(cx).expect("a thread");
    assert!(time::now() >= end);
    [reader, hog, alarm].into_iter().for_each(|thread| join(cx, thread));
}
test!(
    rc_11_2_a_starved_thread_is_named,
    bootargs("bound=10 rcu_kthread_prio=20 rcu_boost_delay_ms=20 rcu_stall_timeout=3"),
    says("stalls: 3000 ms old, waits for 0 CPUs and 1 readers\nrcu_gp kthread starved"),
    models(PREEMPTIBLE)
);

/// RC-11.3: an idle CPU takes no interrupt for a hundred grace periods that wait for readers on another one.
fn rc_11_3_idle_cpus_are_left_alone(cx: &mut ThreadCx) {
    become_policy(cx, fifo(60));
    kernel::sched::set_affinity(cx, thread::current_id(), kernel::CpuSet::of(0)).expect("it runs");
    let mut gp = None;
    thread::for_each(cx, |_, info| {
        if info.name == "rcu_gp" {
            gp = Some(info.id);
        }
    });
    kernel::sched::set_affinity(cx, gp.expect("it lives"), kernel::CpuSet::of(0)).expect("it runs");
    let reader = start_on(cx, 1, fifo(30), |cx| {
        for _ in 0..2000 {
            rcu::with(cx, |_, _| spin(us(20)));
        }
    });
    sleep(cx, ms(1));
    let asked = || Ipi::Resched.counts();
    let before = asked();
    for _ in 0..100 {
        rcu::synchronize_expedited(cx).expect("a thread");
    }
    let after = asked();
    assert_eq!((after[2], after[3]), (before[2], before[3]));
    assert!(after[1] > before[1]);
    join(cx, reader);
}
test!(rc_11_3_idle_cpus_are_left_alone, smp(4));
