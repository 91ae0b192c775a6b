//! Do lines of the real controller pend, latch and end as the kernel asks? (G3-04, G3-07, G3-09)
use crate::{
    support::{counted_line, free, interrupts, pend, spare},
    table::test,
    uart::TxLine,
};
use hw::gic::Which;
use kernel::{
    ThreadCx, gic,
    irq::{self, inject},
    report,
};

/// Running priority of a CPU that handles nothing.
const IDLE: u8 = 0xff;

/// G3-04.3: of 1,000 edges, each awaited, every one is acknowledged, handled and ended once.
fn g3_04_3_a_thousand_edges_are_handled_and_ended(cx: &mut ThreadCx) {
    let (line, handled) = counted_line(cx, spare(0), "edge");
    for n in 1..=1000 {
        pend(cx, spare(0));
        assert_eq!(handled.get(), n);
        // Ended: neither active nor pending, or the next one would not come.
        assert_eq!(inject::state(cx, spare(0), Which::Active), Ok(false));
    }
    assert_eq!(interrupts(cx, spare(0)), 1000);
    assert_eq!(gic::running_priority(cx), IDLE);
    free(cx, line);
}
test!(g3_04_3_a_thousand_edges_are_handled_and_ended);

/// G3-04.2, IQ-01.2: an interrupt that nobody asked for is ended, its line masked, with one warning; no storm follows.
fn g3_04_2_an_interrupt_of_nobody_is_masked(cx: &mut ThreadCx) {
    let warnings = report::warnings();
    inject::set_state(cx, spare(0), Which::Enabled, true).unwrap();
    pend(cx, spare(0));
    let state = |which| inject::state(cx, spare(0), which);
    assert_eq!([Which::Enabled, Which::Active].map(state), [Ok(false); 2]);
    pend(cx, spare(0));
    assert_eq!(irq::totals().unexpected[0], 1);
    assert_eq!(report::warnings() - warnings, 1);
    // Whoever asks for it now gets what is still pending.
    let (line, handled) = counted_line(cx, spare(0), "late");
    assert_eq!(handled.get(), 1);
    free(cx, line);
}
test!(g3_04_2_an_interrupt_of_nobody_is_masked, says("WARNING: unexpected interrupt 80, masked"));

/// G3-07.2: an edge on a masked line is delivered once when it is unmasked, unless it was taken back meanwhile.
fn g3_07_2_an_edge_while_masked_waits_for_unmask(cx: &mut ThreadCx) {
    let (line, handled) = counted_line(cx, spare(0), "edge");
    let set = |cx: &mut ThreadCx, which, on| inject::set_state(cx, spare(0), which, on).unwrap();
    set(cx, Which::Enabled, false);
    pend(cx, spare(0));
    pend(cx, spare(0));
    assert_eq!(handled.get(), 0);
    set(cx, Which::Enabled, true);
    assert_eq!(handled.get(), 1);

    set(cx, Which::Enabled, false);
    pend(cx, spare(0));
    set(cx, Which::Pending, false);
    set(cx, Which::Enabled, true);
    assert_eq!(handled.get(), 1);
    free(cx, line);
}
test!(g3_07_2_an_edge_while_masked_waits_for_unmask);

/// G3-09.1: an idle edge line that is made pending by software is delivered once.
fn g3_09_1_a_line_made_pending_is_delivered_once(cx: &mut ThreadCx) {
    let (line, handled) = counted_line(cx, spare(0), "edge");
    assert_eq!(inject::set_state(cx, spare(0), Which::Pending, true), Ok(()));
    assert_eq!(handled.get(), 1);
    assert_eq!(line.inject(cx), Ok(()));
    assert_eq!(handled.get(), 2);
    free(cx, line);
}
test!(g3_09_1_a_line_made_pending_is_delivered_once);

/// G3-09.2: as long as its device asserts it, a level line cannot be made not pending.
fn g3_09_2_a_high_level_line_stays_pending(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let pending = |cx: &mut ThreadCx| inject::state(cx, TxLine::IRQ, Which::Pending);
    assert_eq!(pending(cx), Ok(false));
    device.raise();
    assert_eq!(pending(cx), Ok(true));
    assert_eq!(inject::set_state(cx, TxLine::IRQ, Which::Pending, false), Ok(()));
    assert_eq!(pending(cx), Ok(true));
    device.lower();
    assert_eq!(pending(cx), Ok(false));
}
test!(g3_09_2_a_high_level_line_stays_pending);
