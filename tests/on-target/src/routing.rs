//! Is an interrupt served where it was sent, and ended wherever its thread is by then? (G3-06, G3-14, IQ-18, IQ-22)
use crate::{
    bound,
    crew::{CPUS, assert_in_order, bind, here, on_each_cpu, only, settle, start, until},
    support::{Count, counted_line, fifo, free, give_way, hard_line, ms, pend, sleep, spare},
    table::test,
};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use hw::gic::Which;
use kernel::{
    CpuSet, Error, ThreadCx, heap,
    irq::{self, Flags, Handled, Irq, Primary, Request, Trigger, inject},
    irq_flags, percpu, thread,
};

fn route(cx: &mut ThreadCx, irq: Irq, cpus: CpuSet) {
    irq::set_affinity(cx, irq, cpus).expect("a mapped SPI and a CPU that runs");
}

/// G3-14.1: an SPI routed to CPU 2 is handled there. Re-routed to CPU 1 while it is pending and CPU 2 takes no interrupts,
/// it is handled once.
fn g3_14_1_an_spi_is_handled_where_it_is_routed(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    let (count, on) = (Count::new(), Count::new());
    let (counted, noted) = (count.clone(), on.clone());
    let line = hard_line(cx, spare(0), "routed", move |cx| {
        noted.set(percpu::id(cx) as u32);
        counted.up();
        Primary::Handled
    });
    route(cx, spare(0), only(2));
    pend(cx, spare(0));
    until("handled", || count.get() == 1);
    assert_eq!(on.get(), 2);
    let (masked, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_masked, goes) = (masked.clone(), go.clone());
    let mut deaf = start(cx, only(2), fifo(50), move |cx| {
        let _off = irq_flags::save(cx);
        is_masked.store(true, SeqCst);
        while !goes.load(SeqCst) {
            hw::cpu::relax();
        }
    });
    until("CPU 2 is deaf", || masked.load(SeqCst));
    pend(cx, spare(0));
    assert_eq!((inject::state(cx, spare(0), Which::Pending), count.get()), (Ok(true), 1));
    route(cx, spare(0), only(1));
    go.store(true, SeqCst);
    deaf.join(cx).unwrap();
    sleep(cx, ms(1));
    assert_eq!(count.get(), 2);
    assert!([1, 2].contains(&on.get()));
    assert_eq!(inject::state(cx, spare(0), Which::Pending), Ok(false));
    for nobody in [CpuSet::EMPTY, only(CPUS)] {
        assert_eq!(irq::set_affinity(cx, spare(0), nobody), Err(Error::Invalid));
    }
    free(cx, line);
}
test!(g3_14_1_an_spi_is_handled_where_it_is_routed, smp(4));

/// IQ-22.1: five interrupts on CPU 0 and three on CPU 2 are counted as 5, 0, 3, 0, together 8; it does not matter who
/// raised them.
fn iq_22_1_interrupts_are_counted_by_cpu(cx: &mut ThreadCx) {
    let (line, count) = counted_line(cx, spare(0), "counted");
    let raise = |cx: &mut ThreadCx, times: u32| {
        for _ in 0..times {
            let before = count.get();
            pend(cx, spare(0));
            until("handled", || count.get() > before);
        }
    };
    route(cx, spare(0), only(0));
    settle(cx, 3, 60);
    raise(cx, 5);
    route(cx, spare(0), only(2));
    settle(cx, 0, 60);
    raise(cx, 3);
    let info = irq::info(cx, spare(0)).unwrap();
    assert_eq!((&info.counts[..CPUS], info.total()), (&[5, 0, 3, 0][..], 8));
    free(cx, line);
}
test!(iq_22_1_interrupts_are_counted_by_cpu, smp(4));

/// G3-06.3: acknowledged on one CPU and held active, an interrupt whose thread has moved to another one is inactive when
/// that has finished, and fires again; from each CPU to each other.
fn g3_06_3_a_thread_that_moved_ends_its_interrupt(cx: &mut ThreadCx) {
    settle(cx, 0, 20);
    let (to, active) = (Count::new(), Count::new());
    let (goes, held) = (to.clone(), active.clone());
    let request = Request::new(spare(0), "mover").flags(Flags::ONESHOT).trigger(Trigger::EdgeRising);
    let line = request.threaded(move |cx| {
        bind(cx, thread::current_id(), only(goes.get() as usize));
        held.set(inject::state(cx, spare(0), Which::Active).is_ok_and(|active| active).into());
        assert_eq!(here(cx), goes.get() as usize);
        Handled::Yes
    });
    let line = line.submit(cx).unwrap();
    let mut served = 0;
    for from in 0..CPUS {
        route(cx, spare(0), only(from));
        for cpu in 0..CPUS {
            to.set(cpu as u32);
            active.set(0);
            pend(cx, spare(0));
            served += 1;
            until("its thread has run", || {
                give_way(cx);
                line.thread_runs() == served
            });
            // Its last act is to deactivate.
            until("inactive", || inject::state(cx, spare(0), Which::Active) == Ok(false));
            assert_eq!(active.get(), 1);
        }
    }
    let info = irq::info(cx, spare(0)).unwrap();
    assert_eq!(info.counts[..CPUS], [CPUS as u32; CPUS]);
    free(cx, line);
    assert_eq!(irq::verify(cx), Ok(()));
}
test!(g3_06_3_a_thread_that_moved_ends_its_interrupt, smp(4));

/// IQ-18.4: requested and freed 10,000 times (1,000 on the host's clock, where QEMU's devices are slow), while another CPU
/// raises it and a third one takes it, a line leaks neither threads nor stacks nor memory nor mask bits, and no handler is
/// left behind a free.
fn iq_18_4_requests_and_frees_leak_nothing(cx: &mut ThreadCx) {
    let rounds = if bound::given().is_some() { 1000 } else { 10_000 };
    settle(cx, 0, 60);
    let round = |cx: &mut ThreadCx| {
        let served = Count::new();
        let counted = served.clone();
        let request = Request::new(spare(0), "flow").flags(Flags::ONESHOT).trigger(Trigger::EdgeRising);
        let request = request.hard(|_| Primary::WakeThread).threaded(move |_| {
            counted.up();
            Handled::Yes
        });
        let line = request.submit(cx).unwrap();
        until("served", || served.get() > 0);
        free(cx, line);
        assert!(served.is_last());
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let mut device = start(cx, only(1), fifo(50), move |cx| {
        while !stopped.load(SeqCst) {
            pend(cx, spare(0));
            hw::cpu::relax();
        }
    });
    irq::map(cx, spare(0).number()).unwrap();
    route(cx, spare(0), only(2));
    round(cx);
    let usage = |cx: &mut ThreadCx| {
        // The last thread has left its stack.
        sleep(cx, ms(1));
        (thread::live(), heap::usage(cx).1.used)
    };
    let before = usage(cx);
    (0..rounds).for_each(|_| round(cx));
    let after = usage(cx);
    // A thread that has not left its stack by the next round costs another slot, once.
    assert!(after.0 == before.0 && after.1 < before.1 + rounds as usize, "{before:?} {after:?}");
    let info = irq::info(cx, spare(0)).unwrap();
    assert!(info.handlers.is_empty() && info.depth == 1, "{info:?}");
    assert!(info.counts[2] > rounds && info.total() == u64::from(info.counts[2]), "{:?}", info.counts);
    stop.store(true, SeqCst);
    device.join(cx).unwrap();
    // Every stack and slot can still be had.
    assert_eq!(on_each_cpu(cx, fifo(50), |_, cpu| cpu), [0, 1, 2, 3]);
    assert_in_order(cx);
    assert_eq!(irq::verify(cx), Ok(()));
}
test!(iq_18_4_requests_and_frees_leak_nothing, smp(4));
