//! Does the report of a grace period that does not end tell where its reader is? (RC-13) The host turns addresses into names.
use crate::{
    support::{ms, sleep},
    table::test,
};
use core::{hint::black_box, time::Duration};
use kernel::{ThreadCx, rcu, sleep_hook, thread, time};

/// Longer than the grace period may last, by less than the test may.
const TOO_LONG: Duration = Duration::from_millis(3_500);

#[inline(never)]
fn sleeps_in_a_section(cx: &mut ThreadCx) {
    let reader = rcu::read(cx);
    // SAFETY: what the types forbid is what is tested; nothing was loaded in the section.
    let slept = unsafe { sleep_hook::with_forged_token(|cx| time::sleep(cx, TOO_LONG)) };
    slept.expect("nobody interrupts it");
    drop(reader);
    black_box(());
}

/// RC-13.2: a reader that does not run is named by its number, and the calls that it is in follow; it was warned of before.
fn rc_13_2_a_blocked_reader_and_its_calls(cx: &mut ThreadCx) {
    let mut reader = thread::spawn(cx, "reader", sleeps_in_a_section).expect("a thread");
    sleep(cx, ms(1));
    rcu::synchronize(cx).expect("no reader");
    assert!(reader.is_finished(), "it ended before its reader");
    reader.join(cx).expect("it ends");
}
test!(
    rc_13_2_a_blocked_reader_and_its_calls,
    bootargs("bound=10 rcu_stall_timeout=3"),
    says(
        "voluntary context switch in an RCU reader section\nstalls: 3000 ms old, waits for 0 CPUs and 1 readers\n  P\nreader\n\
         backtrace of thread\n(reader):\n#0  [<0x\nsleeps_in_a_section+0x"
    )
);
