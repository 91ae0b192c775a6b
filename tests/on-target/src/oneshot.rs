//! Does a threaded level line fire once for each run of its thread, whatever the thread does? (IQ-09)
use crate::{
    support::{Count, become_policy, fifo, free, give_way, interrupts, ms, sleep, us},
    table::{PREEMPTIBLE, test},
    uart::TxLine,
};
use core::time::Duration;
use hw::gic::Which;
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Line, Primary, Request, inject},
    thread::Builder,
    time,
};

/// A one-shot line on the level source: hard part and thread are counted, the thread lowers the source when `lower` says.
fn oneshot(
    cx: &mut ThreadCx,
    device: TxLine,
    mut lower: impl FnMut() -> bool + Send + 'static,
) -> (Line, Count, Count) {
    let (hard, thread) = (Count::new(), Count::new());
    let (counted, woken) = (hard.clone(), thread.clone());
    let line = Request::new(TxLine::IRQ, "tx")
        .flags(Flags::ONESHOT)
        .hard(move |_| {
            counted.up();
            Primary::WakeThread
        })
        .threaded(move |_| {
            woken.up();
            if lower() {
                device.lower();
            }
            Handled::Yes
        })
        .submit(cx)
        .unwrap();
    (line, hard, thread)
}

/// IQ-09.1: a level asserted once, and lowered by the thread, is one hard handler and one thread run; then the line can
/// fire again.
fn iq_09_1_one_assertion_is_one_hard_and_one_thread_run(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let (line, hard, thread) = oneshot(cx, device, || true);
    for n in 1..=3 {
        device.raise();
        give_way(cx);
        // The thread, more urgent than this one, has run.
        assert_eq!((hard.get(), thread.get()), (n, n));
        let state = |which| inject::state(cx, TxLine::IRQ, which);
        assert_eq!([Which::Enabled, Which::Pending, Which::Active].map(state), [Ok(true), Ok(false), Ok(false)]);
    }
    assert_eq!(interrupts(cx, TxLine::IRQ), 3);
    free(cx, line);
}
test!(iq_09_1_one_assertion_is_one_hard_and_one_thread_run);

/// IQ-09.2: a thread that never lowers its level takes turns with the hard handler for 100 ms, and a thread more urgent
/// than it keeps its period.
fn iq_09_2_a_level_left_high_does_not_starve_the_more_urgent(cx: &mut ThreadCx) {
    const PERIOD: Duration = ms(1);
    const PERIODS: u32 = 100;
    let device = TxLine::new();
    let stop = Count::new();
    let stopped = stop.clone();
    let (line, hard, thread) = oneshot(cx, device, move || stopped.get() != 0);
    become_policy(cx, fifo(70));
    let runs = thread.clone();
    let periodic = move |cx: &mut ThreadCx| {
        let (mut latest, start) = (Duration::ZERO, time::now());
        for n in 1..=PERIODS {
            let at = start.saturating_add(n * PERIOD);
            time::sleep_until(cx, at).unwrap();
            latest = latest.max(time::now().since(at));
        }
        (latest, runs.get())
    };
    device.raise();
    let (latest, runs) = Builder::new("periodic").policy(fifo(60)).spawn(cx, periodic).unwrap().join(cx).unwrap();
    assert!(latest < us(20), "woke up {latest:?} late");
    assert!(runs > 10_000, "the line's thread ran {runs} times only");
    stop.set(1);
    sleep(cx, ms(1));
    assert_eq!(hard.get(), thread.get());
    let at_rest = hard.get();
    sleep(cx, ms(1));
    assert_eq!(hard.get(), at_rest);
    free(cx, line);
}
test!(iq_09_2_a_level_left_high_does_not_starve_the_more_urgent, models(PREEMPTIBLE));
