//! Are stacks guarded, measured and there from the start? (BU-03)
use crate::{
    support::{hard_line, pend, spare},
    table::test,
};
use alloc::vec::Vec;
use core::hint::black_box;
use kernel::{ThreadCx, irq::Primary, stack_size, thread};

const PAGE: usize = 4096;
/// What a stack is filled with before its thread runs, see `thread/table.rs`.
const PAINT: u64 = 0x5afe_5afe_5afe_5afe;

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + frame[3] }
}

/// BU-03.1: an overflow ends in the guard page, before it reaches a neighbour, and the report names the thread.
fn bu_03_1_stack_overflow_names_the_thread(cx: &mut ThreadCx) {
    let _ = thread::spawn(cx, "recursing", |_| recurse(0)).unwrap().join(cx);
}
test!(
    bu_03_1_stack_overflow_names_the_thread,
    expect(101),
    says("BUG: stack overflow of thread\n(recursing)\nbacktrace:\nrecurse+0x\nrecurse+0x\n(more than")
);

/// BU-03.1: so does the overflow of a CPU's interrupt stack, on which nothing can be reported any more.
fn bu_03_1_interrupt_stack_overflow_names_the_cpu(cx: &mut ThreadCx) {
    let _line = hard_line(cx, spare(0), "recursing", |_| {
        recurse(0);
        Primary::Handled
    });
    pend(cx, spare(0));
}
test!(
    bu_03_1_interrupt_stack_overflow_names_the_cpu,
    expect(101),
    says(
        "BUG: stack overflow of CPU 0, interrupt stack, in thread\n(main)\nbacktrace:\nrecurse+0x\nrecurse+0x\n(more than"
    )
);

/// BU-03.2: the high-water mark counts what was used, and not what was not.
fn bu_03_2_high_water_mark(cx: &mut ThreadCx) {
    let body = |_: &mut ThreadCx| {
        black_box([1_u8; 1000]);
        thread::stack_high_water()
    };
    let used = thread::spawn(cx, "user", body).unwrap().join(cx).unwrap();
    assert!((1000..stack_size::SIZE / 2).contains(&used), "{used}");
    let body = |_: &mut ThreadCx| {
        black_box([1_u8; 8000]);
        thread::stack_high_water()
    };
    let more = thread::spawn(cx, "user", body).unwrap().join(cx).unwrap();
    assert!((8000..stack_size::SIZE).contains(&more), "{more}");
}
test!(bu_03_2_high_water_mark);

/// BU-03.3: with `stack_prefill` every page of the stack was written before the thread's first statement.
fn bu_03_3_prefilled_stack(cx: &mut ThreadCx) {
    let body = |_: &mut ThreadCx| {
        let here = 0_u8;
        let top_page = (&raw const here).addr() & !(PAGE - 1);
        let below = |page: usize| (top_page - page * PAGE) as *const u64;
        // SAFETY: the stack has whole pages, the first statement is on the uppermost one.
        (1..stack_size::SIZE / PAGE).map(|page| unsafe { below(page).read_volatile() }).collect::<Vec<_>>()
    };
    let mut thread = thread::Builder::new("prefilled").stack_prefill(true).spawn(cx, body).unwrap();
    let pages = thread.join(cx).unwrap();
    assert_eq!(pages.len(), stack_size::SIZE / PAGE - 1);
    assert!(pages.iter().all(|&word| word == PAINT), "{pages:x?}");
}
test!(bu_03_3_prefilled_stack);
