//! Does an interrupt take the way that its request asked for? (IQ-02, IQ-03, IQ-16, IP-02)
use crate::{
    support::{Count, counted_line, fifo, free, give_way, hard_line, pend, spare},
    table::test,
    uart::TxLine,
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Line, Primary, Request, Trigger},
    irq_flags,
    preempt::context,
    sched, trace,
};

/// IQ-02.1: a NO_THREAD handler runs once for its interrupt, in hard context with interrupts off.
fn iq_02_1_a_hard_handler_runs_in_hard_context(cx: &mut ThreadCx) {
    let (right, count) = (Arc::new(AtomicBool::new(false)), Count::new());
    let (seen, counted) = (right.clone(), count.clone());
    let line = hard_line(cx, spare(0), "hard", move |_| {
        seen.store(context::in_hardirq() && !context::preemptible() && !irq_flags::enabled(), SeqCst);
        counted.up();
        Primary::Handled
    });
    pend(cx, spare(0));
    assert_eq!((right.load(SeqCst), count.get()), (true, 1));
    assert!(line.thread().is_none() && !context::in_hardirq() && irq_flags::enabled());
    free(cx, line);
}
test!(iq_02_1_a_hard_handler_runs_in_hard_context);

/// IQ-03.1: the order is enter, hard handler with its wake, exit, switch, thread handler, which is preemptible.
fn iq_03_1_wake_exit_switch_thread_in_this_order(cx: &mut ThreadCx) {
    let preemptible = Arc::new(AtomicBool::new(false));
    let seen = preemptible.clone();
    let line = Request::new(spare(0), "ordered")
        .flags(Flags::ONESHOT)
        .trigger(Trigger::EdgeRising)
        .hard(|_| Primary::WakeThread)
        .threaded(move |_| {
            seen.store(context::in_task() && context::preemptible(), SeqCst);
            Handled::Yes
        })
        .submit(cx)
        .unwrap();
    let (intid, thread) = (u64::from(spare(0).number()), u64::from(line.thread().unwrap().0));
    let mut events = Vec::with_capacity(64);
    trace::drain(drop);
    pend(cx, spare(0));
    give_way(cx);
    trace::drain(|event| events.push(event));
    let way = [
        ("irq_enter", events.iter().position(|e| e.kind == trace::IRQ_ENTER && e.a == intid)),
        ("wake", events.iter().position(|e| e.kind == trace::WAKE && e.a == thread)),
        ("irq_exit", events.iter().position(|e| e.kind == trace::IRQ_EXIT && e.a == intid)),
        ("switch", events.iter().position(|e| e.kind == trace::SWITCH && e.b == thread)),
        ("thread", events.iter().position(|e| e.kind == trace::THREAD_RUN && e.a == intid)),
        ("finalized", events.iter().position(|e| e.kind == trace::FINALIZED && e.a == intid)),
    ];
    assert!(way.is_sorted_by_key(|(_, place)| place.map_or(usize::MAX, |p| p)), "{way:?}");
    assert!(way.iter().all(|(_, place)| place.is_some()), "{way:?}");
    assert!(preemptible.load(SeqCst));
    free(cx, line);
}
test!(iq_03_1_wake_exit_switch_thread_in_this_order);

/// IQ-16.2: three edges on a disabled line are one run of its handler when it is enabled.
fn iq_16_2_edges_while_disabled_are_one_run(cx: &mut ThreadCx) {
    let (line, handled) = counted_line(cx, spare(0), "edge");
    line.disable(cx).unwrap();
    for _ in 0..3 {
        pend(cx, spare(0));
    }
    assert_eq!((handled.get(), line.depth()), (0, 1));
    line.enable(cx).unwrap();
    assert_eq!((handled.get(), line.depth()), (1, 0));
    pend(cx, spare(0));
    assert_eq!(handled.get(), 2);
    free(cx, line);
}
test!(iq_16_2_edges_while_disabled_are_one_run);

/// IQ-16.3: a level that came and went while its line was disabled is nothing when it is enabled; one that is still high
/// is served.
fn iq_16_3_a_level_gone_while_disabled_is_nothing(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let handled = Count::new();
    let counted = handled.clone();
    let request = Request::new(TxLine::IRQ, "level").flags(Flags::NO_THREAD).hard(move |_| {
        device.lower();
        counted.up();
        Primary::Handled
    });
    let line = request.submit(cx).unwrap();
    line.disable(cx).unwrap();
    device.raise();
    device.lower();
    line.enable(cx).unwrap();
    assert_eq!(handled.get(), 0);
    line.disable(cx).unwrap();
    device.raise();
    line.enable(cx).unwrap();
    assert_eq!(handled.get(), 1);
    free(cx, line);
}
test!(iq_16_3_a_level_gone_while_disabled_is_nothing);

/// Lines 0 and 1, threaded; each notes the place at which its thread ran.
fn two_threaded(cx: &mut ThreadCx, order: &Count) -> [(Line, Count); 2] {
    [0, 1].map(|n| {
        let (order, place) = (order.clone(), Count::new());
        let noted = place.clone();
        let request = Request::new(spare(n), "device").flags(Flags::ONESHOT).trigger(Trigger::EdgeRising);
        let line = request.threaded(move |_| {
            noted.set(order.up() + 1);
            Handled::Yes
        });
        (line.submit(cx).unwrap(), place)
    })
}

/// IP-02.1: of two interrupts at once the threads, both FIFO 50, run in the order of their waking; when the second one's
/// thread is set to 80, it runs first.
fn ip_02_1_the_more_urgent_irq_thread_runs_first(cx: &mut ThreadCx) {
    let order = Count::new();
    let devices = two_threaded(cx, &order);
    let both = |cx: &mut ThreadCx| {
        order.set(0);
        let mut masked = irq_flags::save(cx);
        pend(masked.cx(), spare(0));
        pend(masked.cx(), spare(1));
        drop(masked);
        give_way(cx);
        [devices[0].1.get(), devices[1].1.get()]
    };
    assert_eq!(both(cx), [1, 2]);
    sched::set(cx, devices[1].0.thread().unwrap(), fifo(80)).unwrap();
    assert_eq!(both(cx), [2, 1]);
    sched::set(cx, devices[0].0.thread().unwrap(), fifo(90)).unwrap();
    assert_eq!(both(cx), [1, 2]);
    for (line, _) in devices {
        free(cx, line);
    }
}
test!(ip_02_1_the_more_urgent_irq_thread_runs_first);
