//! What is a GICv2's own: masks of CPUs, SGIs by sender, several interrupts an exception? (G2)
//!
//! What it does as a GICv3 does is in `gic_lines` and the tests of lines, which run on both.
use crate::{
    gic::{counting, start_v2},
    harness::{each_gic, pend, run_unverified, run_with, warnings},
};
use hw::{
    gic::{End, Facts, Gic, GicError, V2Facts, V3Facts, Version, Which},
    mmio::Mmio,
    sim::{self, Access, Config, Firmware, Quirks, irq},
};
use kernel::{
    CpuSet, ThreadCx,
    board::Board,
    gic,
    ipi::Ipi,
    irq::{self as lines, Irq, Rule, Trigger, Violation, inject},
    irq_flags,
    simulation::{self, Bug, turn_on},
    trace,
};
use std::sync::atomic::Ordering::SeqCst;

fn v2(cpus: usize) -> Config {
    Config { gic: Version::V2, cpus, ..Config::default() }
}
/// Accesses of `f` to the distributor and this CPU's interface.
fn accesses(f: impl FnOnce()) -> Vec<String> {
    sim::clear_registers();
    sim::log_registers(true);
    f();
    sim::log_registers(false);
    sim::registers().iter().map(Access::to_string).filter(|line| line.starts_with("GIC")).collect()
}
/// Those among them that are writes.
fn written(log: &[String]) -> Vec<&str> {
    log.iter().map(String::as_str).filter(|line| line.contains("<-")).collect()
}

/// G2-01, as G3-01.1: off, group 0 (the only one with one security state), quiet, level, priority, targets, on; every word of
/// SPIs 32..288 and none above.
#[test]
fn the_distributor_is_set_up_in_order_and_completely() {
    let firmware =
        Firmware { enabled: vec![40, 287], pending: vec![41], active: vec![42], ctlr: 3, ..Firmware::default() };
    sim::run(Config { firmware, interfaces: vec![5, 2], ..v2(2) }, || {
        let log = accesses(|| _ = start_v2());
        let step = |line: &&str| {
            let offset = usize::from_str_radix(line.strip_prefix("GICD+0x")?.split(' ').next()?, 16).ok()?;
            Some(match offset {
                0 => "CTLR",
                0x084..0x100 => "group",
                0x184..0x200 | 0x284..0x300 | 0x384..0x400 => "quiet",
                0xc08..0xd00 => "level",
                0x420..0x800 => "priority",
                0x820..0xc00 => "targets",
                _ => "private",
            })
        };
        let writes = written(&log);
        let mut steps: Vec<_> = writes.iter().filter_map(step).collect();
        let of = |name| steps.iter().filter(|step| **step == name).count();
        assert_eq!(["group", "quiet", "level", "priority", "targets"].map(of), [8, 24, 16, 64, 64]);
        steps.dedup();
        assert_eq!(steps, ["CTLR", "group", "quiet", "level", "priority", "targets", "CTLR", "private"]);
        assert_eq!((writes[0], writes.iter().rfind(|line| line.starts_with("GICD+0x0 ")).copied()), {
            ("GICD+0x0 <- 0x0", Some("GICD+0x0 <- 0x1"))
        });
        for intid in 32..288 {
            let s = irq::state(intid);
            assert!(!s.enabled && !s.pending && !s.active && !s.edge && !s.group1, "{intid}: {s:?}");
            assert_eq!((s.priority, s.route), (0xa0, 1 << 5), "{intid}: to the interface that this CPU has");
        }
    });
}

/// G2-01.2: three SPIs that are pending are served in one exception, which asks until nothing is left; with a GICv3 each has
/// one of its own.
#[test]
fn one_exception_serves_all_that_is_pending() {
    each_gic(|cx| {
        let requested: Vec<_> = (60..63).map(|intid| counting(cx, Irq::new(intid), Trigger::EdgeRising)).collect();
        let before = (sim::interrupts(), lines::totals().spurious[0]);
        let mut masked = irq_flags::save(cx);
        (60..63).for_each(|intid| inject::pend(masked.cx(), Irq::new(intid)).unwrap());
        drop(masked);
        sim::point();
        assert_eq!(requested.iter().map(|(_, runs)| runs.load(SeqCst)).collect::<Vec<_>>(), [1; 3]);
        let exceptions = if sim::gic_version() == Version::V2 { 1 } else { 3 };
        assert_eq!(sim::interrupts() - before.0, exceptions);
        assert_eq!(lines::totals().spurious[0], before.1, "the last answer of an exception is not spurious");
        requested.into_iter().for_each(|(line, _)| _ = line.free(cx).unwrap());
    });
}

/// G2-01.3: no CPU finds its bit: a warning, on each of several, none on a single one, which has no such register.
#[test]
fn a_mask_that_reads_zero_is_reported() {
    for (cpus, expected) in [(1, 0), (2, 2)] {
        let quirks = Quirks { no_cpu_mask: true, ..Quirks::default() };
        let outcome = run_with(Config { quirks, ..v2(cpus) }, "", |cx| {
            let (line, runs) = counting(cx, Irq::new(60), Trigger::EdgeRising);
            pend(cx, line.irq());
            assert_eq!(runs.load(SeqCst), 1, "and it works as far as it can");
            line.free(cx).unwrap();
        });
        assert_eq!(warnings(&outcome), vec!["WARNING: GIC CPU mask not found"; expected]);
    }
}

/// G2-01.4: what firmware said about signals that bypass the controller stays when the interface is enabled.
#[test]
fn bypass_bits_are_preserved() {
    for (left, bypass) in [(0, 0), (0x1e7, 0x1e0), (0xa0, 0xa0), (0x21f, 0)] {
        let firmware = Firmware { interface: left, ..Firmware::default() };
        sim::run(Config { firmware, ..v2(1) }, move || {
            let log = accesses(|| _ = start_v2());
            assert_eq!(log.last().unwrap(), &format!("GICC_CTLR <- {:#x}", bypass | 0x201));
            assert_eq!(log.iter().filter(|line| line.starts_with("GICC_CTLR <-")).count(), 1);
        });
    }
}

/// G2-01: a CPU's bit is that of its interface, as the controller says, not that of its affinity: lines and SGIs get there.
#[test]
fn targets_are_interfaces_not_affinities() {
    run_with(Config { interfaces: vec![6, 0, 3], affinities: vec![0, 0x100, 0x7], ..v2(3) }, "", |cx| {
        let (line, runs) = counting(cx, Irq::new(60), Trigger::EdgeRising);
        for (n, (cpu, target)) in [(1, 1), (2, 1 << 3), (0, 1 << 6)].into_iter().enumerate() {
            lines::set_affinity(cx, line.irq(), CpuSet::of(cpu)).unwrap();
            assert_eq!(irq::state(60).route, target);
            pend(cx, line.irq());
            kernel::time::sleep(cx, crate::harness::ms(1)).unwrap();
            assert_eq!((runs.load(SeqCst), lines::info(cx, line.irq()).unwrap().counts[cpu]), (n as u32 + 1, 1));
        }
        let log = accesses(|| kernel::ipi::call(cx, CpuSet::from_bits(0b110), &|_| {}).unwrap());
        assert!(log.contains(&"GICD+0xf00 <- 0x90001".to_owned()), "one write for both: {log:?}");
        line.free(cx).unwrap();
    });
}

/// G2-02.1: an SGI of CPU 1: its sender is in what is acknowledged, shown, and named by the end.
#[test]
fn an_sgi_is_ended_with_its_sender() {
    run_with(v2(2), "", |_| {
        trace::drain(drop);
        let log = accesses(|| {
            irq::sgi_from(1, 0, Ipi::CallFn as u32);
            sim::point();
        });
        assert_eq!(log, ["GICC_IAR -> 0x401", "GICC_EOIR <- 0x401", "GICC_DIR <- 0x401", "GICC_IAR -> 1023"]);
        let mut entered = Vec::new();
        trace::drain(|event| entered.extend((event.kind == trace::IRQ_ENTER).then_some((event.a, event.b))));
        assert_eq!(entered, [(1, 1)], "SGI 1 of CPU 1");
        assert_eq!(Ipi::CallFn.counts()[0], 1);
    });
    run_with(v2(2), "eoimode=0", |_| {
        let log = accesses(|| {
            irq::sgi_from(1, 0, Ipi::CallFn as u32);
            sim::point();
        });
        assert_eq!(log, ["GICC_IAR -> 0x401", "GICC_EOIR <- 0x401", "GICC_IAR -> 1023"]);
    });
}

/// G2-02.2: the same SGI of two CPUs is two deliveries; a GICv3 has one pending bit for it.
#[test]
fn an_sgi_is_pending_once_for_each_sender() {
    for (gic, deliveries) in [(Version::V2, 2), (Version::V3, 1)] {
        run_with(Config { gic, ..v2(3) }, "", move |cx| {
            let masked = irq_flags::save(cx);
            (1..3).for_each(|sender| irq::sgi_from(sender, 0, Ipi::CallFn as u32));
            drop(masked);
            sim::point();
            assert_eq!(Ipi::CallFn.counts()[0], deliveries);
        });
    }
}

/// G2-02.3: `bug_v2_sgi_eoi`: ended without its sender the SGI stays active, and no other one of its number arrives. The
/// verifier names it; without the bug, and with a GICv3, whose SGIs have no sender, it has nothing to say.
#[test]
fn an_sgi_that_is_ended_without_its_sender_is_found() {
    for bootargs in ["eoimode=1", "eoimode=0"] {
        for (gic, bug, stuck) in [(Version::V2, true, true), (Version::V2, false, false), (Version::V3, true, false)] {
            run_unverified(Config { gic, ..v2(2) }, bootargs, move |cx| {
                if bug {
                    turn_on(Bug::V2SgiEoi);
                }
                for _ in 0..2 {
                    irq::sgi_from(1, 0, Ipi::CallFn as u32);
                    sim::point();
                }
                let found = Violation { irq: Irq::new(Ipi::CallFn as u32), rule: Rule::Stuck };
                assert_eq!(lines::verify(cx), if stuck { Err(found) } else { Ok(()) });
                assert_eq!((irq::state(1).active, Ipi::CallFn.counts()[0]), if stuck { (true, 1) } else { (false, 2) });
            });
        }
    }
}

/// G2-02, G3-09: an SGI can be forced as if its CPU had sent it, and taken back whoever sent it, by the registers that have
/// its senders.
#[test]
fn a_pending_sgi_is_forced_and_taken_back() {
    const SGI: Irq = Irq::new(Ipi::CallFn as u32);
    run_with(Config { interfaces: vec![2, 1], ..v2(2) }, "", |cx| {
        let set = |cx: &mut ThreadCx, on| inject::set_state(cx, SGI, Which::Pending, on).unwrap();
        let mut masked = irq_flags::save(cx);
        let log = accesses(|| inject::set_state(masked.cx(), SGI, Which::Pending, true).unwrap());
        assert_eq!(written(&log), ["GICD+0xf20 <- 0x400"]);
        irq::sgi_from(1, 0, 1);
        assert_eq!(inject::state(masked.cx(), SGI, Which::Pending), Ok(true));
        let log = accesses(|| inject::set_state(masked.cx(), SGI, Which::Pending, false).unwrap());
        assert_eq!(written(&log), ["GICD+0xf10 <- 0xff00"]);
        assert_eq!(inject::state(masked.cx(), SGI, Which::Pending), Ok(false));
        drop(masked);
        sim::point();
        assert_eq!(Ipi::CallFn.counts()[0], 0);
        set(cx, true);
        sim::point();
        assert_eq!(Ipi::CallFn.counts()[0], 1);
    });
}

/// G2-03.1: what either controller can do.
#[test]
fn the_difference_can_be_asked_for() {
    each_gic(|cx| {
        let caps = gic::caps(cx);
        let v3 = sim::gic_version() == Version::V3;
        assert_eq!(caps.version, sim::gic_version());
        assert_eq!(caps.max_cpus, if v3 { None } else { Some(8) });
        assert_eq!([caps.system_registers, caps.redistributors, caps.affinity_routing], [v3; 3]);
        // The simulated GICv3 says that it has LPIs, as QEMU's does.
        assert_eq!((caps.sgi_per_source, caps.lpis), (!v3, v3));
    });
}

/// A controller that the board's facts do not have is a BUG that says which; so is one that is not where it should be.
#[test]
fn a_controller_that_is_not_known_is_a_bug() {
    /// The simulated board with these of its controllers.
    const fn board(gics: &'static [Facts]) -> Board {
        Board { gics, ..simulation::BOARD }
    }
    static ONLY_V3: Board = board(simulation::BOARD.gics.split_at(1).0);
    // SAFETY: the simulated bus, which checks. Where the driver asks for the version there, `GICR_WAKER` answers.
    const NOWHERE: Mmio = unsafe { Mmio::new(0x080a_0014 - 0xffe8) };
    static ELSEWHERE: Board = board(&[Facts::V3(V3Facts { distributor: NOWHERE, regions: &[] })]);
    for (gic, board, said) in [
        (Version::V2, &ONLY_V3, "simulation: nothing is known of its GICv2"),
        (Version::V3, &ELSEWHERE, "there is no GICv3 at 0x809002c"),
    ] {
        let boot = hw::upcall::Boot { device_tree: 0, entry_level: 1 };
        let outcome =
            sim::run(Config { gic, ..v2(1) }, move || kernel::boot::start(&boot, board, |_| unreachable!("no boot")));
        assert_eq!(outcome.end, sim::End::Exit(kernel::report::EXIT_BUG));
        assert!(outcome.console.contains(said), "{}", outcome.console);
    }
}

/// A line cannot be given to a CPU that the controller does not know.
#[test]
fn a_route_to_nobody_is_refused() {
    sim::run(v2(2), || {
        let (_, (gic, local)) = start_v2();
        gic.unmask(&local, 60);
        assert_eq!(gic.set_route(&local, 60, 1), Err(GicError::Invalid), "its interface was not started");
        assert!(irq::state(60).enabled && irq::state(60).route == 1);
        assert_eq!(gic.send_sgi(1, [1], &mut |_| {}), Err(GicError::Unsupported));
        assert_eq!(gic.send_sgi(16, [0], &mut |_| {}), Err(GicError::Invalid));
        assert_eq!(gic.send_sgi(1, [], &mut |_| {}), Err(GicError::Invalid));
    });
    let wrong = Config { gic: Version::V3, ..v2(1) };
    sim::run(wrong, || {
        // SAFETY: the simulated bus, which checks.
        let [distributor, cpu_interface] = [0x0800_0000, 0x0801_0000].map(|at| unsafe { Mmio::new(at) });
        let facts = Facts::V2(V2Facts { distributor, cpu_interface });
        let started = Gic::start(&facts, End::Split, 0, &mut |_| {});
        assert_eq!(started.err(), Some(GicError::Unsupported), "a GICv3 is none");
    });
}
