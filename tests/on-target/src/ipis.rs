//! Do CPUs interrupt each other, and has each its private lines for itself? (G3-12, G3-13, IQ-13, PK-03)
use crate::{
    support::{Count, become_policy, fifo, ms, sleep, start_on, stay_on, us},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use kernel::{
    CpuSet, ThreadCx,
    ipi::{self, Ipi},
    irq::{self, Irq, inject},
    irq_flags,
    percpu::{self, PerCpuValue},
    sync::Semaphore,
    time,
};

/// CPUs of these tests' machine.
const CPUS: usize = 4;
/// A private line that nothing is connected to.
const PPI: Irq = Irq::ppi(4);

fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        hw::cpu::relax();
    }
}

/// G3-12.1: a word stored before the SGI is seen by what the interrupt runs, every time, on every CPU.
fn g3_12_1_what_was_stored_before_is_seen(cx: &mut ThreadCx) {
    assert_eq!(percpu::online(), CpuSet::first_n(CPUS));
    let word = AtomicU32::new(0);
    for n in 1..=200 {
        let seen = Count::new();
        word.store(n, Relaxed);
        ipi::call(cx, CpuSet::first_n(CPUS), &|_| {
            assert_eq!(word.load(Relaxed), n);
            seen.up();
        })
        .unwrap();
        assert_eq!(seen.get(), CPUS as u32);
    }
}
test!(g3_12_1_what_was_stored_before_is_seen, smp(4));

/// G3-12.3: two requests before CPU 1 acknowledges the SGI: one interrupt, both functions run.
fn g3_12_3_two_requests_are_one_interrupt(cx: &mut ThreadCx) {
    become_policy(cx, fifo(50));
    stay_on(cx, 0);
    let (masked, go) = (Count::new(), Count::new());
    let (there, until) = (masked.clone(), go.clone());
    let mut masker = start_on(cx, 1, fifo(40), move |cx| {
        let off = irq_flags::save(cx);
        there.up();
        spin_until(|| until.get() != 0);
        drop(off);
    });
    spin_until(|| masked.get() != 0);
    let ran = Count::new();
    let callers: [_; 2] = core::array::from_fn(|_| {
        let ran = ran.clone();
        start_on(cx, 0, fifo(60), move |cx| ipi::call(cx, CpuSet::of(1), &|_| _ = ran.up()).unwrap())
    });
    // Both ran as soon as they were started, and wait.
    go.set(1);
    for mut caller in callers {
        caller.join(cx).unwrap();
    }
    masker.join(cx).unwrap();
    assert_eq!((ran.get(), Ipi::CallFn.counts()[1]), (2, 1));
}
test!(g3_12_3_two_requests_are_one_interrupt, smp(4));

/// G3-12.4: a FIFO thread woken on a CPU that waits for an interrupt runs there at once, without a tick.
fn g3_12_4_a_thread_is_woken_on_an_idle_cpu(cx: &mut ThreadCx) {
    stay_on(cx, 0);
    let (go, ran) = (Arc::new(Semaphore::new(0)), Count::new());
    let (gate, there) = (go.clone(), ran.clone());
    let mut sleeper = start_on(cx, 1, fifo(10), move |cx| {
        gate.down(cx);
        there.up();
    });
    sleep(cx, ms(1));
    let ticks = |cx: &mut ThreadCx| irq::info(cx, Irq::ppi(11)).unwrap().counts[1];
    let (before, rescheds) = (ticks(cx), Ipi::Resched.counts()[1]);
    let woken = time::now();
    let _ = go.up(cx);
    spin_until(|| ran.get() != 0);
    let late = time::now().since(woken);
    assert!(late < us(200), "{late:?} late");
    assert_eq!((ticks(cx), Ipi::Resched.counts()[1]), (before, rescheds + 1));
    sleeper.join(cx).unwrap();
}
test!(g3_12_4_a_thread_is_woken_on_an_idle_cpu, smp(4));

/// G3-13.1: a private line enabled on CPUs 0 and 2 only: when all fire, only those count.
fn g3_13_1_only_cpus_that_enable_it_take_it(cx: &mut ThreadCx) {
    let line = Arc::new(irq::request_percpu(cx, PPI, "private", |_| {}).unwrap());
    for cpu in 0..CPUS {
        let line = line.clone();
        let mut on = start_on(cx, cpu, fifo(10), move |cx| {
            if cpu % 2 == 0 {
                line.enable(cx);
            }
            inject::pend(cx, PPI).unwrap();
            sleep(cx, us(10));
        });
        on.join(cx).unwrap();
    }
    assert_eq!(line.enabled_on(), CpuSet::from_bits(0b101));
    assert_eq!(irq::info(cx, PPI).unwrap().counts[..CPUS], [1, 0, 1, 0]);
}
test!(g3_13_1_only_cpus_that_enable_it_take_it, smp(4));

/// IQ-13.1: on 4 CPUs at once the handlers overlap in time, and each sees its own cookie.
fn iq_13_1_handlers_overlap_and_see_their_own_cookie(cx: &mut ThreadCx) {
    static COOKIES: PerCpuValue<u32> = PerCpuValue::new([10, 11, 12, 13, 14, 15, 16, 17]);
    static SEEN: [AtomicU32; CPUS] = [const { AtomicU32::new(0) }; CPUS];
    let (ready, inside) = (Count::new(), Count::new());
    let within = inside.clone();
    let handler = move |cx: &mut kernel::HardIrqCx<'_>| {
        SEEN[percpu::id(cx)].store(*COOKIES.open(cx).0, SeqCst);
        within.up();
        // None leaves before all are in: with a lock around the flow they never would be.
        spin_until(|| within.get() == CPUS as u32);
    };
    let line = Arc::new(irq::request_percpu(cx, PPI, "private", handler).unwrap());
    let threads: Vec<_> = (0..CPUS)
        .map(|cpu| {
            let (line, ready) = (line.clone(), ready.clone());
            start_on(cx, cpu, fifo(10), move |cx| {
                line.enable(cx);
                ready.up();
                while ready.get() < CPUS as u32 {
                    sleep(cx, us(10));
                }
                inject::pend(cx, PPI).unwrap();
            })
        })
        .collect();
    for mut thread in threads {
        thread.join(cx).unwrap();
    }
    assert_eq!(inside.get(), CPUS as u32);
    assert_eq!([0, 1, 2, 3].map(|cpu: usize| SEEN[cpu].load(SeqCst)), [10, 11, 12, 13]);
}
test!(iq_13_1_handlers_overlap_and_see_their_own_cookie, smp(4));

/// KD-03: every CPU tells whom it interrupts for that, from the interrupted function on.
fn kd_03_every_cpu_tells_where_it_is(cx: &mut ThreadCx) {
    #[inline(never)]
    fn spins(until: &Count) {
        spin_until(|| until.get() != 0);
    }
    stay_on(cx, 0);
    let (stop, there) = (Count::new(), Count::new());
    let (until, began) = (stop.clone(), there.clone());
    let mut busy = start_on(cx, 1, fifo(10), move |_| {
        began.up();
        spins(&until);
    });
    spin_until(|| there.get() != 0);
    ipi::backtrace(cx, CpuSet::first_n(3));
    kernel::fault::backtrace_of(cx, busy.id()).unwrap();
    stop.set(1);
    busy.join(cx).unwrap();
}
test!(
    kd_03_every_cpu_tells_where_it_is,
    smp(4),
    says(
        "CPU 0: thread\n(main), preempt count 0x0\nipi::send\nkd_03_every_cpu\nCPU 1: thread\n(on)\n#0\n\
         spins+0x\nCPU 2: thread 0 (idle/2)\nidle::run+0x\n\
         backtrace of thread\n(on):\nCPU 1: thread\n(on)\nspins+0x"
    )
);

/// PK-03: a panic on another CPU names it, and those that do not halt in time.
fn pk_03_a_panic_on_another_cpu_is_named(cx: &mut ThreadCx) {
    stay_on(cx, 0);
    let masked = Count::new();
    let there = masked.clone();
    let _masker = start_on(cx, 2, fifo(10), move |cx| {
        let _off = irq_flags::save(cx);
        there.up();
        loop {
            hw::cpu::relax();
        }
    });
    spin_until(|| masked.get() != 0);
    let _ = start_on(cx, 3, fifo(10), |_| panic!("far away")).join(cx);
}
test!(
    pk_03_a_panic_on_another_cpu_is_named,
    smp(4),
    expect(101),
    says("PANIC: far away\nCPU 3, thread\n(on)\nstill running: CPU 2\nbacktrace:")
);

/// PK-03: faults on two CPUs at once: each has its own stack, one is reported.
fn pk_03_of_two_faults_one_is_reported(cx: &mut ThreadCx) {
    let (ready, go) = (Count::new(), Count::new());
    for cpu in [1, 2] {
        let (ready, go) = (ready.clone(), go.clone());
        drop(start_on(cx, cpu, fifo(10), move |_| {
            ready.up();
            spin_until(|| go.get() != 0);
            // SAFETY: the machine stops here.
            unsafe { core::arch::asm!("mov x5, #0xbeef", "brk #7", out("x5") _) };
        }));
    }
    spin_until(|| ready.get() == 2);
    go.set(1);
    sleep(cx, ms(100));
}
test!(
    pk_03_of_two_faults_one_is_reported,
    smp(4),
    expect(101),
    says(
        "BUG: breakpoint instruction 0x7 in thread\n(on) on CPU\nELR=[<\nx5  000000000000beef\nbacktrace:\npk_03_of_two"
    )
);
