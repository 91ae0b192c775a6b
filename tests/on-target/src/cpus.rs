//! Are all CPUs there, with what each has of its own: redistributor, timer, idle thread, event log, log ring? And do they
//! have one clock? (BU-04, G3-02, HC-01, PK-01, TM-01)
use crate::{
    board, bound,
    crew::{CPUS, on_each_cpu, only, start},
    facts::FRAME,
    support::{become_policy, fifo, ms, sleep},
    table::test,
};
use alloc::{sync::Arc, vec};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use hw::{
    gic::Facts,
    mmio::{Mmio, Ro},
};
use kernel::{ThreadCx, gic, irq, log, percpu, println, sync::Semaphore, thread::ThreadId, time, trace};
use tock_registers::interfaces::Readable;

/// What the CPU that calls reads from the registers of its private lines: which CPU these are said to be of, and which of them
/// are enabled.
fn private_lines(cx: &mut ThreadCx, cpu: usize) -> (u64, u32) {
    const TYPER: usize = 0x8;
    const WAKER: usize = 0x14;
    /// ProcessorSleep, ChildrenAsleep.
    const ASLEEP: u32 = 6;
    const SGI_BASE: usize = 0x1_0000;
    const ENABLED: usize = 0x100;
    const TARGETS: usize = 0x800;
    let enabled = |base: Mmio| base.reg::<u32, (), Ro>(ENABLED).get();
    let facts = board::BOARD.gics.iter().find(|facts| facts.version() == gic::caps(cx).version);
    match facts.expect("the kernel runs") {
        // The redistributor of its affinity, 128 KiB behind the one before, and awake.
        Facts::V3(gic) => {
            let frame = gic.regions[0].base.offset(cpu * FRAME);
            assert_eq!(frame.reg::<u32, (), Ro>(WAKER).get() & ASLEEP, 0);
            (frame.reg::<u64, (), Ro>(TYPER).get() >> 32, enabled(frame.offset(SGI_BASE)))
        }
        // Banked registers; where its private lines go is its own bit.
        Facts::V2(gic) => {
            let target = gic.distributor.reg::<u32, (), Ro>(TARGETS).get() & 0xff;
            assert_eq!(target.count_ones(), 1);
            (target.trailing_zeros().into(), enabled(gic.distributor))
        }
    }
}

/// BU-04.1, G3-02.1: four CPUs, each with the interrupt controller's part that is of its affinity and with the CPU's timer
/// enabled; timer interrupts arrive on each, and each goes back to its idle thread.
fn bu_04_1_four_cpus_have_what_is_theirs(cx: &mut ThreadCx) {
    const TICKS: u32 = 4;
    assert_eq!(percpu::online().count(), CPUS);
    let timer = board::BOARD.timer;
    let before = irq::info(cx, timer).unwrap().counts;
    trace::drain(drop);
    let own = on_each_cpu(cx, fifo(50), |cx, cpu| {
        (0..TICKS).for_each(|_| sleep(cx, ms(1)));
        (hw::cpu::affinity(), private_lines(cx, cpu))
    });
    sleep(cx, ms(1));
    let after = irq::info(cx, timer).unwrap().counts;
    let mut idle = [0; CPUS];
    trace::drain(|event| {
        idle[event.cpu] += u32::from(event.kind == trace::SWITCH && event.b == u64::from(ThreadId::IDLE.0));
    });
    for (cpu, &(affinity, (whose, enabled))) in own.iter().enumerate() {
        assert_eq!(whose, affinity);
        assert_ne!(enabled & 1 << timer.number(), 0);
        assert!(own.iter().filter(|(other, _)| *other == affinity).count() == 1);
        assert!(after[cpu] - before[cpu] >= TICKS, "CPU {cpu}: {before:?} {after:?}");
        assert!(idle[cpu] >= TICKS, "CPU {cpu} went idle {} times", idle[cpu]);
    }
}
test!(bu_04_1_four_cpus_have_what_is_theirs, smp(4));

/// HC-01.2: four CPUs record 10,000 events each while they are read: none is lost, each CPU's come in its order, and no
/// number repeats.
fn hc_01_2_events_of_four_cpus_keep_their_order(cx: &mut ThreadCx) {
    const EVENTS: u64 = 10_000;
    /// With what the scheduler records meanwhile, fewer than the log keeps of a CPU.
    const BURST: u64 = 400;
    /// Events after which the next CPU gets its turn.
    const TURN: u64 = 8;
    become_policy(cx, fifo(60));
    let go: Arc<[Semaphore; CPUS]> = Arc::new([const { Semaphore::new(0) }; CPUS]);
    let done = Arc::new(Semaphore::new(0));
    let mut writers = core::array::from_fn::<_, CPUS, _>(|cpu| {
        let (go, done) = (go.clone(), done.clone());
        start(cx, only(cpu), fifo(50), move |cx| {
            for n in 0..EVENTS {
                if n % BURST == 0 {
                    go[cpu].down(cx);
                }
                trace::record(trace::MARK, n, cpu as u64);
                if n % TURN == 0 {
                    hw::cpu::relax();
                }
                if n % BURST == BURST - 1 {
                    done.up(cx).unwrap();
                }
            }
        })
    });
    trace::drain(drop);
    let (dropped, began) = (trace::dropped(), trace::seq());
    // A bit for each number.
    let mut seen = vec![0_u64; 4 * EVENTS as usize / 32];
    let (mut next, mut last, mut before, mut changes) = ([0; CPUS], [began; CPUS], 0, 0);
    for _ in 0..EVENTS / BURST {
        go.iter().for_each(|go| go.up(cx).unwrap());
        (0..CPUS).for_each(|_| done.down(cx));
        trace::drain(|event| {
            // What a CPU recorded between the drain above and the look at the number is no part of this.
            let Some(number) = event.seq.checked_sub(began + 1).map(|n| n as usize) else { return };
            assert_eq!(seen[number / 64] >> (number % 64) & 1, 0, "number {number} repeats");
            seen[number / 64] |= 1 << (number % 64);
            assert!(event.seq > last[event.cpu], "{} behind {}", event.seq, last[event.cpu]);
            last[event.cpu] = event.seq;
            changes += u32::from(event.cpu != before);
            before = event.cpu;
            if event.kind == trace::MARK {
                assert_eq!((event.cpu as u64, event.a), (event.b, next[event.cpu]));
                next[event.cpu] += 1;
            }
        });
    }
    writers.iter_mut().for_each(|writer| writer.join(cx).unwrap());
    assert_eq!((next, trace::dropped()), ([EVENTS; CPUS], dropped));
    assert!(bound::given().is_some() || changes > 1000, "they took {changes} turns only");
}
test!(hc_01_2_events_of_four_cpus_keep_their_order, smp(4));

/// PK-01.1: four CPUs write 10,000 records, the first half faster than anybody reads them. What arrives, and that what
/// does not was counted, is looked at by the host (`tests/image.rs`).
fn pk_01_1_records_of_four_cpus_are_whole_or_counted(cx: &mut ThreadCx) {
    const RECORDS: u32 = 10_000 / CPUS as u32;
    /// Records after which the next CPU gets its turn.
    const TURN: u32 = 8;
    /// Fewer than the ring keeps.
    const BURST: u32 = 100;
    on_each_cpu(cx, fifo(50), |cx, cpu| {
        for n in 0..RECORDS {
            log::info!("record {} of CPU {}", n, cpu as u32);
            if n % TURN == 0 {
                hw::cpu::relax();
            }
            if n > RECORDS / 2 && n % BURST == 0 {
                sleep(cx, ms(1));
            }
        }
    });
    log::flush(cx);
    let dropped = log::dropped();
    assert!(dropped > 0);
    println!(cx, "dropped {dropped}");
}
test!(pk_01_1_records_of_four_cpus_are_whole_or_counted, smp(4), says("record 2499 of CPU\ndropped "));

/// TM-01.3: the time that one CPU reads and hands to the next is never later than what that one reads then.
fn tm_01_3_the_clock_is_one_for_all_cpus(cx: &mut ThreadCx) {
    const ROUNDS: u32 = 1000;
    let (given, time) = (Arc::new([const { Semaphore::new(0) }; CPUS]), Arc::new(AtomicU64::new(0)));
    given[0].up(cx).unwrap();
    let earlier = on_each_cpu(cx, fifo(50), move |cx, cpu| {
        let mut earlier = 0;
        for _ in 0..ROUNDS {
            given[cpu].down(cx);
            earlier += u32::from(time::now().as_ns() < time.load(SeqCst));
            time.store(time::now().as_ns(), SeqCst);
            given[(cpu + 1) % CPUS].up(cx).unwrap();
        }
        earlier
    });
    assert_eq!(earlier, [0; CPUS]);
}
test!(tm_01_3_the_clock_is_one_for_all_cpus, smp(4));
