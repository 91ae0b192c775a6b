//! Do records reach the host in order, and reports before the machine stops? (PK-03, PK-05)
use crate::{
    support::{Count, become_policy, fifo, hard_line, ms, pend, sleep, spare, us},
    table::test,
};
use kernel::{
    ThreadCx,
    irq::Primary,
    irq_flags, latency, log,
    time::{self, HrTimer, Restart},
};

/// Records of one interrupt: they fit into the ring, which cannot be emptied meanwhile.
const BURST: u32 = 100;
const BURSTS: u32 = 10;

/// PK-05.2: a hard handler logs 1,000 records; the host decodes all of them, in order (`tests/image.rs` reads each).
fn pk_05_2_a_thousand_records_of_a_hard_handler(cx: &mut ThreadCx) {
    let next = Count::new();
    let number = next.clone();
    let line = hard_line(cx, spare(0), "chatty", move |_| {
        // The test's doing: nobody should log so much in an interrupt.
        latency::ignore();
        for _ in 0..BURST {
            log::info!("record {} of a handler", number.up());
        }
        Primary::Handled
    });
    for _ in 0..BURSTS {
        pend(cx, spare(0));
        sleep(cx, ms(1));
    }
    assert_eq!(next.get(), BURST * BURSTS);
    assert_eq!(log::dropped(), 0);
    crate::support::free(cx, line);
}
test!(
    pk_05_2_a_thousand_records_of_a_hard_handler,
    says("record 0 of a handler\nrecord 1 of a handler\nrecord 998 of a handler\nrecord 999 of a handler")
);

/// PK-05: a thread's record is encoded with interrupts on. Those of an interrupt that comes meanwhile are records of their
/// own (`tests/image.rs` reads each).
fn pk_05_records_of_thread_and_interrupt_do_not_mix(cx: &mut ThreadCx) {
    const RECORDS: u32 = 400;
    let ticks = Count::new();
    let number = ticks.clone();
    let timer = HrTimer::new(cx, move |_, expiry| {
        // As above.
        latency::ignore();
        log::info!("tick {} of a timer", number.up());
        expiry.forward(time::now(), us(3));
        if number.get() < RECORDS { Restart::Yes } else { Restart::No }
    });
    timer.start_after(cx, us(1)).unwrap();
    let mut n = 0;
    while ticks.get() < RECORDS {
        log::info!("{} {=u64} of a thread, which takes its time to {=str}", n, u64::MAX, "say so");
        n += 1;
        if n % 20 == 0 {
            sleep(cx, us(300));
        }
    }
    assert_eq!(log::dropped(), 0);
}
test!(pk_05_records_of_thread_and_interrupt_do_not_mix, says("tick 399 of a timer"));

/// PK-01.2: of more records than the ring holds the oldest are dropped and counted; the newest arrive.
fn pk_01_2_records_beyond_the_ring_are_counted(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    for n in 0..5000_u32 {
        log::info!("record {} of a thread", n);
    }
    assert_eq!(log::dropped(), 0);
    // Now the console thread gets the CPU.
    sleep(cx, ms(10));
    let dropped = log::dropped();
    assert!((1000..5000).contains(&dropped), "{dropped}");
}
test!(pk_01_2_records_beyond_the_ring_are_counted, says("record 4998 of a thread\nrecord 4999 of a thread"));

/// PK-03: a panic with interrupts masked, in a thread above all others, is on the wire before the machine stops.
fn pk_03_a_panic_with_everything_masked_is_printed(cx: &mut ThreadCx) {
    become_policy(cx, fifo(99));
    let _masked = irq_flags::save(cx);
    panic!("nobody else runs any more");
}
test!(
    pk_03_a_panic_with_everything_masked_is_printed,
    expect(101),
    says("PANIC: nobody else runs any more\nlogging.rs\nthread\n(main)\nin thread context\nbacktrace:")
);
