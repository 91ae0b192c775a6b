//! Does each CPU have its private lines for itself? (G3-13, IQ-13)
use crate::{
    harness::{
        Log, fifo, move_to, ms, run, seeded_on_either_gic as seeded, smp_on_each_gic as smp, start_on, warnings,
    },
    irq_kit::{Count, warned},
};
use hw::{
    atomic::{AtomicU32, Ordering::SeqCst},
    gic::Which,
    sim::{self, seeds},
};
use kernel::{
    CpuSet, Error, ThreadCx,
    irq::{self, Irq, PerCpuLine, inject},
    percpu::{self, PerCpuValue},
    time,
};
use std::sync::Arc;

/// A private line that nothing is connected to.
const PPI: Irq = Irq::ppi(4);

/// Runs `f` with the line on each of these CPUs.
fn on_each(cx: &mut ThreadCx, cpus: CpuSet, line: &Arc<PerCpuLine>, f: fn(&PerCpuLine, &mut ThreadCx)) {
    for cpu in cpus.iter() {
        let line = line.clone();
        start_on(cx, &[cpu], "on", fifo(90), move |cx| f(&line, cx)).join(cx).unwrap();
    }
}

/// G3-13.1: enabled on CPUs 0 and 2 only: when all fire, only those count.
#[test]
fn only_cpus_that_enable_it_take_it() {
    smp(4, |cx| {
        let runs: Arc<[Count; 4]> = Arc::default();
        let counted = runs.clone();
        let line = irq::request_percpu(cx, PPI, "pmu", move |cx| _ = counted[percpu::id(cx)].up()).unwrap();
        let line = Arc::new(line);
        let some = CpuSet::from_bits(0b101);
        on_each(cx, some, &line, PerCpuLine::enable);
        assert_eq!(line.enabled_on(), some);
        (0..4).for_each(|cpu| sim::irq::pend_on(cpu, PPI.number()));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(irq::info(cx, PPI).unwrap().counts[..4], [1, 0, 1, 0]);
        assert_eq!([0, 1, 2, 3].map(|cpu: usize| runs[cpu].get()), [1, 0, 1, 0]);
        // What waits on CPU 3 comes when it is let through there; on CPU 0 nothing comes any more.
        on_each(cx, CpuSet::of(3), &line, PerCpuLine::enable);
        on_each(cx, CpuSet::of(0), &line, PerCpuLine::disable);
        sim::irq::pend_on(0, PPI.number());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!([0, 1, 2, 3].map(|cpu: usize| runs[cpu].get()), [1, 0, 1, 1]);
        assert_eq!(line.enabled_on(), CpuSet::from_bits(0b1100));
    });
}

/// IQ-13.1: on 4 CPUs at once the handlers overlap in time, and each sees its own cookie.
#[test]
fn handlers_overlap_and_see_their_own_cookie() {
    static COOKIES: PerCpuValue<u32> = PerCpuValue::new([10, 11, 12, 13, 14, 15, 16, 17]);
    seeds(50, |seed| {
        seeded(4, seed, |cx| {
            let (inside, seen) = (Arc::new(AtomicU32::new(0)), Log::new());
            let (here, log) = (inside.clone(), seen.clone());
            let handler = move |cx: &mut kernel::HardIrqCx<'_>| {
                let cpu = percpu::id(cx);
                let (cookie, _) = COOKIES.open(cx);
                log.push((cpu, *cookie));
                // None leaves before all are in: with a lock around the flow they never would be.
                here.fetch_add(1, SeqCst);
                while here.load(SeqCst) < 4 {
                    hw::cpu::relax();
                }
            };
            let line = Arc::new(irq::request_percpu(cx, PPI, "pmu", handler).unwrap());
            on_each(cx, CpuSet::first_n(4), &line, PerCpuLine::enable);
            (0..4).for_each(|cpu| sim::irq::pend_on(cpu, PPI.number()));
            time::sleep(cx, ms(1)).unwrap();
            let mut seen = seen.take();
            seen.sort_unstable();
            assert_eq!(seen, [(0, 10), (1, 11), (2, 12), (3, 13)]);
            assert_eq!(inside.load(SeqCst), 4);
        });
    });
}

/// IQ-13.2: freed while it is enabled on a CPU: a warning, Busy, and it stays installed; then it can be freed and requested.
#[test]
fn a_line_that_is_enabled_is_not_freed() {
    let outcome = smp(2, |cx| {
        move_to(cx, 0);
        let runs = Count::new();
        let counted = runs.clone();
        let line = Arc::new(irq::request_percpu(cx, PPI, "pmu", move |_| _ = counted.up()).unwrap());
        on_each(cx, CpuSet::of(1), &line, PerCpuLine::enable);
        let line = Arc::into_inner(line).unwrap();
        let (line, error) = line.free(cx).unwrap_err();
        assert_eq!(error, Error::Busy);
        sim::irq::pend_on(1, PPI.number());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!((runs.get(), runs.sharers()), (1, 1), "still installed");
        let line = Arc::new(line);
        on_each(cx, CpuSet::of(1), &line, PerCpuLine::disable);
        let line = Arc::into_inner(line).unwrap();
        assert_eq!(line.free(cx).unwrap(), "pmu");
        assert_eq!(runs.sharers(), 0, "the handler is gone");
        let again = irq::request_percpu(cx, PPI, "again", |_| {}).unwrap();
        assert_eq!(again.free(cx).unwrap(), "again");
    });
    assert_eq!(warnings(&outcome), ["WARNING on CPU 0: irq 20: pmu freed while it is enabled on CPU 1"]);
}

/// IQ-13.2: a handler that runs on another CPU, because somebody has forced the controller, is not freed under its feet.
#[test]
fn free_waits_for_handlers_on_other_cpus() {
    seeds(50, |seed| {
        seeded(2, seed, |cx| {
            move_to(cx, 0);
            let inside = Arc::new(AtomicU32::new(0));
            let here = inside.clone();
            let handler = move |_: &mut kernel::HardIrqCx<'_>| {
                here.store(1, SeqCst);
                sim::spend(100_000);
                here.store(2, SeqCst);
            };
            let line = irq::request_percpu(cx, PPI, "pmu", handler).unwrap();
            let force = move |cx: &mut ThreadCx| inject::set_state(cx, PPI, Which::Enabled, true).unwrap();
            start_on(cx, &[1], "on", fifo(90), force).join(cx).unwrap();
            sim::irq::pend_on(1, PPI.number());
            while inside.load(SeqCst) == 0 {
                hw::cpu::relax();
            }
            line.free(cx).unwrap();
            assert_eq!(inside.load(SeqCst), 2);
            assert_eq!(Arc::strong_count(&inside), 1);
        });
    });
}

/// IQ-13.3: a private line without action: one warning, and it is disabled on that CPU; the other CPU's stays enabled.
#[test]
fn a_private_line_without_action_is_disabled() {
    for requested in [false, true] {
        let outcome = smp(2, move |cx| {
            move_to(cx, 0);
            if requested {
                irq::request_percpu(cx, PPI, "pmu", |_| {}).unwrap().free(cx).unwrap();
            }
            let force = move |cx: &mut ThreadCx| inject::set_state(cx, PPI, Which::Enabled, true).unwrap();
            force(cx);
            start_on(cx, &[1], "on", fifo(90), force).join(cx).unwrap();
            for _ in 0..2 {
                sim::irq::pend_on(1, PPI.number());
                time::sleep(cx, ms(1)).unwrap();
            }
            assert_eq!(irq::totals().unexpected[..2], [0, 1]);
            let read = |cx: &mut ThreadCx| inject::state(cx, PPI, Which::Enabled).unwrap();
            assert!(read(cx) && !start_on(cx, &[1], "on", fifo(90), read).join(cx).unwrap());
        });
        assert_eq!(warnings(&outcome), ["WARNING on CPU 1: unexpected interrupt 20, masked"]);
    }
}

/// IQ-13: a PPI's details say on which CPUs it is enabled; freeing needs a thread.
#[test]
fn details_say_where_it_is_enabled() {
    let outcome = run(|cx| {
        let line = irq::request_percpu(cx, PPI, "pmu", |_| {}).unwrap();
        assert_eq!(shell::run_line(cx, "irq 20"), 0);
        line.enable(cx);
        assert_eq!(shell::run_line(cx, "irq 20"), 0);
        line.disable(cx);
        line.free(cx).unwrap();
    });
    assert!(outcome.console.contains("  disabled\r\n") && outcome.console.contains("  enabled on CPU 0\r\n"));
    warned(&["sleeping function called from invalid context"], |cx| {
        let line = irq::request_percpu(cx, PPI, "pmu", |_| {}).unwrap();
        let off = kernel::irq_flags::save(cx);
        // SAFETY: a test of what is found at run time.
        let refused = unsafe { kernel::sleep_hook::with_forged_token(|cx| line.free(cx)) };
        drop(off);
        let (line, error) = refused.unwrap_err();
        assert_eq!(error, Error::WrongContext);
        line.free(cx).unwrap();
    });
}
