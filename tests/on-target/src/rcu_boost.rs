//! Do grace periods come along beside hogs, and what do readers get that keep them waiting? (RC-10, RC-11)
use crate::{
    crew::spin,
    support::{become_policy, fair, fifo, join, ms, sleep, start_on, us},
    table::{PREEMPTIBLE, test},
};
use core::time::Duration;
use kernel::{
    ThreadCx,
    ipi::Ipi,
    rcu,
    thread::{self, ThreadId},
    time::{self, Instant},
};

/// Takes so many instructions, whoever else runs meanwhile: a nanosecond each under QEMU's clock.
fn work(d: Duration) {
    let turns = d.as_nanos() as u64 / 2;
    // SAFETY: counts a register down.
    unsafe {
        core::arch::asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) turns => _, options(nostack, nomem));
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
