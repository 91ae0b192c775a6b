//! Is a call in the wrong context caught when the types were got around? (CX-03, CX-07)
use crate::{
    support::{hard_line, ms, pend, spare},
    table::test,
};
use alloc::boxed::Box;
use core::{alloc::Layout, hint::black_box};
use kernel::{ThreadCx, irq::Primary, report, sleep_hook, sync::RawSpinLock, time};

/// CX-03, CX-04.3: a primary handler that sleeps is named, and the machine does not go on.
fn cx_03_a_sleeping_primary_handler_is_named(cx: &mut ThreadCx) {
    let _line = hard_line(cx, spare(0), "sleepy", |_| {
        // SAFETY: this is the wrong context; that it is found out is the test.
        let _ = unsafe { sleep_hook::with_forged_token(|cx| time::sleep(cx, ms(1))) };
        Primary::Handled
    });
    pend(cx, spare(0));
}
test!(
    cx_03_a_sleeping_primary_handler_is_named,
    expect(101),
    says(
        "WARNING: sleeping function called from invalid context at\ncontexts.rs\nin_atomic 1, irqs_disabled 1\nthread main\n\
         BUG: scheduling while atomic: main\nin a hard interrupt\nbacktrace:\nsleep_until"
    )
);

/// CX-07.1: with a raw lock held an allocation warns and fails; it neither sleeps nor succeeds.
fn cx_07_1_allocation_with_a_raw_lock_held_warns_and_fails(cx: &mut ThreadCx) {
    let lock: RawSpinLock<()> = RawSpinLock::new(());
    let warnings = report::warnings();
    // SAFETY: a layout of 8 bytes.
    let block = lock.with(cx, |(), _| unsafe { alloc::alloc::alloc(Layout::new::<u64>()) });
    assert!(black_box(block).is_null());
    assert_eq!(report::warnings() - warnings, 1);
    // Outside it works.
    assert_eq!(*black_box(Box::new(7)), 7);
    assert_eq!(report::warnings() - warnings, 1);
}
test!(cx_07_1_allocation_with_a_raw_lock_held_warns_and_fails, says("WARNING: heap allocation in atomic context"));

/// CX-07: an allocation in a hard handler is a BUG.
fn cx_07_allocation_in_a_hard_handler_is_a_bug(cx: &mut ThreadCx) {
    let _line = hard_line(cx, spare(0), "greedy", |_| {
        black_box(Box::new(7));
        Primary::Handled
    });
    pend(cx, spare(0));
}
test!(
    cx_07_allocation_in_a_hard_handler_is_a_bug,
    expect(101),
    says("BUG: heap allocation in a hard interrupt\nin a hard interrupt")
);

/// CX-07.4: so is giving memory back.
fn cx_07_4_freeing_in_a_hard_handler_is_a_bug(cx: &mut ThreadCx) {
    let mut kept = Some(Box::new(7));
    let _line = hard_line(cx, spare(0), "generous", move |_| {
        drop(black_box(kept.take()));
        Primary::Handled
    });
    pend(cx, spare(0));
}
test!(
    cx_07_4_freeing_in_a_hard_handler_is_a_bug,
    expect(101),
    says("BUG: heap free in a hard interrupt\nin a hard interrupt")
);
