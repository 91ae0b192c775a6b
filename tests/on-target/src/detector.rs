//! Does the machine survive an interrupt that nobody cares for? (IQ-19)
use crate::{
    board,
    support::{Count, free, interrupts, ms, sleep},
    table::test,
    uart::TxLine,
};
use kernel::{
    ThreadCx,
    irq::{Flags, Primary, Request},
};

/// Interrupts after which the detector judges.
const WINDOW: u32 = 100_000;

/// IQ-19.6: a level that nobody lowers, on a NO_THREAD line whose handler says "not mine", is disabled after a window of
/// such interrupts; the thread that it interrupted goes on.
fn iq_19_6_a_level_that_nobody_lowers_is_disabled(cx: &mut ThreadCx) {
    let device = TxLine::new();
    let calls = Count::new();
    let counted = calls.clone();
    let request = Request::new(TxLine::IRQ, "somebody-else").flags(Flags::NO_THREAD).hard(move |_| {
        counted.up();
        Primary::None
    });
    let line = request.submit(cx).unwrap();
    device.raise();
    assert_eq!((calls.get(), line.depth()), (WINDOW, 1));
    // Disabling is lazy: the line fires once more, and is masked then.
    assert_eq!(interrupts(cx, TxLine::IRQ), u64::from(WINDOW) + 1);
    sleep(cx, ms(1));
    assert_eq!(interrupts(cx, TxLine::IRQ), u64::from(WINDOW) + 1);
    device.lower();
    free(cx, line);
}
test!(iq_19_6_a_level_that_nobody_lowers_is_disabled, says(board::NOBODY_CARED));
