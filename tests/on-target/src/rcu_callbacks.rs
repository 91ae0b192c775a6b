//! When and where do callbacks run on the machine itself, and who waits for them? (RC-06, RC-07, RC-12)
use crate::{
    crew::{CPUS, spin},
    support::{Count, become_policy, fair, fifo, hard_line, join, ms, pend, sleep, spare, start_on, us},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    time::Duration,
};
use kernel::{
    CpuSet, Error, ThreadCx,
    irq::Primary,
    irq_flags, percpu, preempt,
    rcu::{self, Call, Then},
    sleep_hook,
    sync::RawSpinLock,
    thread::{self, JoinHandle},
    time,
};

/// RC-06.1, RC-06.6: a callback that is queued in a section runs after it, in its CPU's thread, bottom halves disabled, interrupts
/// enabled.
fn rc_06_1_after_the_section(cx: &mut ThreadCx) {
    become_policy(cx, fifo(50));
    let (ran, here) = (Count::new(), Arc::new(AtomicU32::new(0)));
    let (counted, place) = (ran.clone(), here.clone());
    let call = Call::new(cx, move |_| {
        assert!(irq_flags::enabled() && !hw::cpu::in_interrupt() && preempt::context::in_softirq());
        place.store(thread::current_id().0, SeqCst);
        counted.up();
        Then::Done
    });
    rcu::with(cx, |_, cx| {
        call.queue(cx);
        spin(ms(10));
        assert_eq!(ran.get(), 0);
    });
    rcu::barrier(cx).expect("a thread");
    assert_eq!((ran.get(), here.load(SeqCst)), (1, rcu::callback_thread(0).0));
}
test!(rc_06_1_after_the_section);

/// RC-06.2: one that queues itself again runs each time after another grace period.
fn rc_06_2_again_after_another_grace_period(cx: &mut ThreadCx) {
    let seen = Arc::new(RawSpinLock::<Vec<u64>>::new(Vec::with_capacity(8)));
    let notes = seen.clone();
    let call = Call::new(cx, move |cx| {
        let now = rcu::stats().grace_periods;
        notes.with(cx, |notes, _| {
            notes.push(now);
            if notes.len() < 5 { Then::Again } else { Then::Done }
        })
    });
    call.queue(cx);
    for _ in 0..5 {
        rcu::barrier(cx).expect("a thread");
    }
    let seen = seen.with(cx, |seen, _| core::mem::take(seen));
    assert!(seen.len() == 5 && seen.windows(2).all(|two| two[0] < two[1]), "{seen:?}");
}
test!(rc_06_2_again_after_another_grace_period);

/// RC-06.3: a thousand callbacks that are ready keep a FIFO-40 thread waiting for one at most.
fn rc_06_3_many_callbacks_give_way(cx: &mut ThreadCx) {
    const ONE: Duration = us(20);
    become_policy(cx, fifo(60));
    let ran = Count::new();
    for _ in 0..1000 {
        let counted = ran.clone();
        let call = Call::new(cx, move |_| {
            spin(ONE);
            counted.up();
            Then::Done
        });
        call.queue(cx);
    }
    let meanwhile = ran.clone();
    let urgent = start_on(cx, 0, fifo(40), move |cx| {
        let began = time::now();
        for n in 1..=10 {
            let due = began.saturating_add(n * Duration::from_micros(1_333));
            time::sleep_until(cx, due).expect("nobody interrupts it");
            let late = time::now().since(due);
            assert!(late < 2 * ONE, "{late:?} late");
        }
        meanwhile.get()
    });
    let ran_before = join(cx, urgent);
    assert!(0 < ran_before && ran_before < 1000, "{ran_before}");
    rcu::barrier(cx).expect("a thread");
    assert_eq!(ran.get(), 1000);
}
test!(rc_06_3_many_callbacks_give_way);

/// RC-06.4: a hard handler queues one, which runs once.
fn rc_06_4_queued_by_a_hard_handler(cx: &mut ThreadCx) {
    let ran = Count::new();
    let counted = ran.clone();
    let mut call = Some(Call::new(cx, move |_| {
        counted.up();
        Then::Done
    }));
    let line = hard_line(cx, spare(0), "queues", move |cx| {
        if let Some(call) = call.take() {
            call.queue(cx);
        }
        Primary::Handled
    });
    (0..2).for_each(|_| pend(cx, spare(0)));
    rcu::barrier(cx).expect("a thread");
    assert_eq!(ran.get(), 1);
    drop(line.free(cx));
}
test!(rc_06_4_queued_by_a_hard_handler);

/// RC-07.1, RC-07.2, RC-12.1: a barrier waits for what was queued on any CPU, one of them offloaded, and for no reader.
fn rc_07_2_a_barrier_waits_for_all_cpus(cx: &mut ThreadCx) {
    become_policy(cx, fifo(50));
    let ran = Count::new();
    let threads: [JoinHandle<()>; CPUS] = core::array::from_fn(|cpu| {
        let ran = ran.clone();
        start_on(cx, cpu, fifo(40), move |cx| {
            for _ in 0..5 {
                let (counted, offloaded) = (ran.clone(), cpu == 2);
                let call = Call::new(cx, move |_| {
                    assert_eq!(thread::current_id(), rcu::callback_thread(cpu));
                    assert_eq!(thread::policy(thread::current_id()).map(|p| p.is_rt()), Ok(!offloaded));
                    counted.up();
                    Then::Done
                });
                call.queue(cx);
            }
        })
    });
    threads.into_iter().for_each(|thread| join(cx, thread));
    rcu::barrier(cx).expect("a thread");
    assert_eq!(ran.get(), 20);
    // Nothing is queued once those are gone that the ended threads have left.
    while rcu::stats().callbacks_queued != rcu::stats().callbacks_invoked {
        sleep(cx, ms(1));
    }
    let reader = start_on(cx, 1, fifo(30), |cx| rcu::with(cx, |_, _| spin(ms(5))));
    sleep(cx, us(200));
    rcu::barrier(cx).expect("a thread");
    assert!(!reader.is_finished());
    join(cx, reader);
}
test!(rc_07_2_a_barrier_waits_for_all_cpus, smp(4), bootargs("rcu_nocbs=2"));

/// RC-07.3: a barrier in a callback would wait for itself.
fn rc_07_3_a_barrier_in_a_callback(cx: &mut ThreadCx) {
    let ran = Count::new();
    let counted = ran.clone();
    let call = Call::new(cx, move |_| {
        // SAFETY: what the types forbid is what is tested.
        assert_eq!(unsafe { sleep_hook::with_forged_token(rcu::barrier) }, Err(Error::Deadlock));
        counted.up();
        Then::Done
    });
    call.queue(cx);
    rcu::barrier(cx).expect("a thread");
    assert_eq!(ran.get(), 1);
}
test!(rc_07_3_a_barrier_in_a_callback, says("RCU barrier in a callback of rcuc/0"));

/// RC-12.2: the thread of an offloaded CPU's callbacks is moved and made urgent, and callbacks run as it does.
fn rc_12_2_a_thread_of_callbacks_can_be_moved(cx: &mut ThreadCx) {
    let id = rcu::callback_thread(1);
    kernel::sched::set_affinity(cx, id, CpuSet::of(0)).expect("it runs");
    kernel::sched::set(cx, id, fifo(2)).expect("it lives");
    let ran = Count::new();
    let counted = ran.clone();
    let queues = start_on(cx, 1, fifo(40), move |cx| {
        let here = RawSpinLock::<()>::new(());
        let call = Call::new(cx, move |cx| {
            assert_eq!((here.with(cx, |(), cx| percpu::id(cx)), thread::current_id()), (0, id));
            counted.up();
            Then::Done
        });
        call.queue(cx);
    });
    join(cx, queues);
    rcu::barrier(cx).expect("a thread");
    assert_eq!((ran.get(), thread::policy(id)), (1, Ok(fifo(2))));
}
test!(rc_12_2_a_thread_of_callbacks_can_be_moved, smp(4), bootargs("rcu_nocbs=1-3"));

/// RC-12.3: a list that makes no sense is a warning, and no CPU's callbacks are offloaded.
fn rc_12_3_a_list_that_makes_no_sense(cx: &mut ThreadCx) {
    for cpu in 0..CPUS {
        let info = thread::info(cx, rcu::callback_thread(cpu)).expect("it lives");
        assert!(info.name.starts_with("rcuc/"), "{}", info.name);
    }
}
test!(rc_12_3_a_list_that_makes_no_sense, smp(4), bootargs("rcu_nocbs=3-1,x"), says("rcu_nocbs"));

/// RC-12.4: a flood of offloaded callbacks from its CPU makes a periodic FIFO-60 thread later by a context switch at most, where
/// their section can be preempted.
fn rc_12_4_a_flood_of_callbacks_does_not_delay(cx: &mut ThreadCx) {
    /// Of a switch, and what the flood's own sections of raw locks take.
    const SWITCH: Duration = us(2);
    become_policy(cx, fifo(70));
    let latest = |cx: &mut ThreadCx| {
        let periodic = start_on(cx, 0, fifo(60), |cx| {
            let began = time::now();
            let late = (1..=30).map(|n| {
                let due = began.saturating_add(n * us(333));
                time::sleep_until(cx, due).expect("nobody interrupts it");
                time::now().since(due)
            });
            late.max().expect("thirty")
        });
        join(cx, periodic)
    };
    let quiet = latest(cx);
    let (ran, over) = (Count::new(), Arc::new(AtomicBool::new(false)));
    let (counted, ends) = (ran.clone(), over.clone());
    let flood = start_on(cx, 0, fair(), move |cx| {
        while !ends.load(SeqCst) {
            let counted = counted.clone();
            let call = Call::new(cx, move |_| {
                spin(us(50));
                counted.up();
                Then::Done
            });
            call.queue(cx);
            spin(us(10));
        }
    });
    let busy = latest(cx);
    assert!(ran.get() > 0, "none ran meanwhile");
    over.store(true, SeqCst);
    join(cx, flood);
    assert!(busy <= quiet + SWITCH, "{busy:?}, and {quiet:?} without the flood");
}
test!(
    rc_12_4_a_flood_of_callbacks_does_not_delay,
    bootargs("rcu_nocbs=0"),
    models(&[kernel::model::Model::Rtb, kernel::model::Model::Rt])
);
