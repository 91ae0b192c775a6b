//! When may an interrupt come again? With both ways to end one. (G3-05, G3-06)
use crate::{
    support::{Count, counted_line, free, give_way, interrupts, ms, pend, sleep, spare},
    table::test,
    uart::TxLine,
};
use hw::gic::Which;
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Primary, Request, Trigger, inject},
    irq_flags,
};

/// G3-05.1: without ONESHOT a level that its handler leaves alone fires again right after the end of the interrupt,
/// before the interrupted thread gets on.
fn g3_05_1_mode_0_a_level_left_alone_fires_again_at_once(cx: &mut ThreadCx) {
    const TIMES: u32 = 5;
    let device = TxLine::new();
    let hard = Count::new();
    let counted = hard.clone();
    let handler = move |_: &mut kernel::HardIrqCx<'_>| {
        if counted.up() + 1 == TIMES {
            device.lower();
        }
        Primary::Handled
    };
    let line = Request::new(TxLine::IRQ, "stubborn").flags(Flags::NO_THREAD).hard(handler).submit(cx).unwrap();
    let masked = irq_flags::save(cx);
    device.raise();
    drop(masked);
    assert_eq!(hard.get(), TIMES);
    free(cx, line);
}
test!(g3_05_1_mode_0_a_level_left_alone_fires_again_at_once, bootargs("eoimode=0"));

/// A one-shot line on the level source whose thread takes its time and then lowers it: one hard interrupt until it has.
fn one_interrupt_until_the_thread_is_done(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let (hard, thread) = (Count::new(), Count::new());
    let (counted, woken, seen) = (hard.clone(), thread.clone(), hard.clone());
    let line = Request::new(TxLine::IRQ, "slow")
        .flags(Flags::ONESHOT)
        .hard(move |_| {
            counted.up();
            Primary::WakeThread
        })
        .threaded(move |cx| {
            sleep(cx, ms(1));
            assert_eq!(seen.get(), woken.up() + 1);
            device.lower();
            Handled::Yes
        })
        .submit(cx)
        .unwrap();
    for n in 1..=3 {
        device.raise();
        sleep(cx, ms(2));
        assert_eq!((hard.get(), thread.get(), interrupts(cx, TxLine::IRQ)), (n, n, n.into()));
    }
    free(cx, line);
}

/// G3-05.2: in EOI mode 0 the line is masked meanwhile.
fn g3_05_2_mode_0_a_oneshot_level_waits_for_its_thread(cx: &mut ThreadCx) {
    one_interrupt_until_the_thread_is_done(cx);
}
test!(g3_05_2_mode_0_a_oneshot_level_waits_for_its_thread, bootargs("eoimode=0"));

/// G3-06: in EOI mode 1 it stays active meanwhile.
fn g3_06_mode_1_a_oneshot_level_waits_for_its_thread(cx: &mut ThreadCx) {
    one_interrupt_until_the_thread_is_done(cx);
}
test!(g3_06_mode_1_a_oneshot_level_waits_for_its_thread);

/// G3-06.1: while a line is active because its thread works, another of the same priority is taken at once.
fn g3_06_1_an_active_line_does_not_hold_up_its_equals(cx: &mut ThreadCx) {
    let (other, taken) = counted_line(cx, spare(1), "other");
    let (done, seen) = (Count::new(), taken.clone());
    let finished = done.clone();
    let line = Request::new(spare(0), "worker")
        .flags(Flags::ONESHOT)
        .trigger(Trigger::EdgeRising)
        .threaded(move |cx| {
            assert_eq!(inject::state(cx, spare(0), Which::Active), Ok(true));
            pend(cx, spare(1));
            assert_eq!(seen.get(), 1);
            assert_eq!(inject::state(cx, spare(0), Which::Active), Ok(true));
            finished.up();
            Handled::Yes
        })
        .submit(cx)
        .unwrap();
    pend(cx, spare(0));
    give_way(cx);
    assert_eq!((done.get(), taken.get()), (1, 1));
    assert_eq!(inject::state(cx, spare(0), Which::Active), Ok(false));
    free(cx, line);
    free(cx, other);
}
test!(g3_06_1_an_active_line_does_not_hold_up_its_equals);

/// G3-06.2: after the deactivation a level fires again exactly once if it is still high, and not if it was lowered.
fn g3_06_2_a_level_fires_again_only_while_high(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let runs = Count::new();
    let counted = runs.clone();
    let line = Request::new(TxLine::IRQ, "forgetful")
        .flags(Flags::ONESHOT)
        .threaded(move |_| {
            // The first run leaves it high.
            if counted.up() == 1 {
                device.lower();
            }
            Handled::Yes
        })
        .submit(cx)
        .unwrap();
    device.raise();
    sleep(cx, ms(1));
    assert_eq!((runs.get(), interrupts(cx, TxLine::IRQ)), (2, 2));
    free(cx, line);
}
test!(g3_06_2_a_level_fires_again_only_while_high);
