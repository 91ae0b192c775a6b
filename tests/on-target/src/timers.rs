//! Do the real counter and its event timer keep their times? (TM-01, TM-06)
use crate::{
    board,
    support::{ms, us},
    table::test,
};
use alloc::sync::Arc;
use core::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};
use kernel::{
    ThreadCx, irq, irq_flags,
    preempt::context,
    sched,
    time::{self, HrTimer, Instant, Restart},
};

/// TM-01.2: a timer that is armed for a moment that has passed fires at once.
fn tm_01_2_a_deadline_in_the_past_fires_at_once(cx: &mut ThreadCx) {
    let fired = Arc::new(AtomicU64::new(0));
    let noted = fired.clone();
    let timer = HrTimer::new(cx, move |_, _| {
        noted.store(time::now().as_ns(), SeqCst);
        Restart::No
    });
    crate::support::sleep(cx, ms(2));
    let armed = time::now();
    let passed = Instant::from_ns(armed.as_ns() - 1_000_000);
    timer.start_at(cx, passed).unwrap();
    let at = Instant::from_ns(fired.load(SeqCst));
    assert!(at >= armed && at.since(armed) < us(5), "armed at {armed:?}, fired at {at:?}");
    assert!(!timer.is_queued());
}
test!(tm_01_2_a_deadline_in_the_past_fires_at_once);

/// TM-01.2 for the counter's own granularity: deadlines from now to a few ticks ahead all fire.
fn tm_01_2_deadlines_of_a_few_ticks_all_fire(cx: &mut ThreadCx) {
    let fired = Arc::new(AtomicU64::new(0));
    let noted = fired.clone();
    let timer = HrTimer::new(cx, move |_, expiry| {
        assert!(time::now() >= expiry.at());
        noted.fetch_add(1, SeqCst);
        Restart::No
    });
    for n in 0..500 {
        timer.start_after(cx, Duration::from_nanos(8 * n)).unwrap();
        let limit = time::now().saturating_add(us(20));
        while fired.load(SeqCst) == n && time::now() < limit {}
        assert_eq!(fired.load(SeqCst), n + 1, "{} ns ahead", 8 * n);
    }
}
test!(tm_01_2_deadlines_of_a_few_ticks_all_fire);

/// IQ-06.1: the timer's interrupt is served in hard context, whatever the model threads.
fn iq_06_1_the_timer_interrupt_stays_hard(cx: &mut ThreadCx) {
    let hard = Arc::new(AtomicU64::new(0));
    let seen = hard.clone();
    let timer = HrTimer::new(cx, move |_, _| {
        seen.store((context::in_hardirq() && !irq_flags::enabled()).into(), SeqCst);
        Restart::No
    });
    timer.start_after(cx, us(100)).unwrap();
    crate::support::sleep(cx, ms(1));
    assert_eq!(hard.load(SeqCst), 1);
    let info = irq::info(cx, board::BOARD.timer).unwrap();
    assert!(info.handlers[0].thread.is_none() && info.total() > 0, "{info:?}");
}
test!(iq_06_1_the_timer_interrupt_stays_hard);

/// TM-06.3: an idle second with one sleeper costs one timer interrupt: there is no tick.
fn tm_06_3_an_idle_second_needs_one_timer_interrupt(cx: &mut ThreadCx) {
    // What boot left to be done is done.
    crate::support::sleep(cx, ms(10));
    let ((before, _), waits, start) = (time::interrupt_counts(cx), sched::idle_waits(), time::now());
    crate::support::sleep(cx, ms(1000));
    let ((after, _), slept) = (time::interrupt_counts(cx), time::now().since(start));
    assert_eq!(after - before, 1);
    assert!(sched::idle_waits() - waits <= 2);
    assert!(slept >= ms(1000) && slept < ms(1001), "{slept:?}");
}
test!(tm_06_3_an_idle_second_needs_one_timer_interrupt);
