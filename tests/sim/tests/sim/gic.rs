//! Is the GICv3 started as the architecture asks, in the order in which it asks? By the register log.
//!
//! The driver alone where its interface is what the scenario is about, the booted kernel elsewhere.
use crate::harness::{each_gic_with, pend, run_with, warnings};
use hw::{
    gic::{End, Facts, Gic, GicError, Local, Region, V2Facts, V3Facts, Version, Warning, Which},
    mmio::Mmio,
    sim::{self, Access, Block, Config, Firmware, Frame, Quirks, Redistributors, Register, irq},
};
use kernel::{
    ThreadCx,
    irq::{self as lines, Irq, Primary, Request, Trigger, inject},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// Distance of two redistributor frames.
const FRAME: usize = 0x2_0000;

fn block(base: usize) -> Mmio {
    // SAFETY: the simulated bus, which checks.
    unsafe { Mmio::new(base) }
}
/// Starts the driver as the boot does: with these redistributor regions, at most `size` bytes each.
fn start(regions: &[(usize, usize)]) -> (Vec<Warning>, Result<(Gic, Local), GicError>) {
    let regions: Vec<_> = regions.iter().map(|&(base, size)| Region { base: block(base), size, stride: 0 }).collect();
    start_as(&Facts::V3(V3Facts { distributor: block(0x0800_0000), regions: regions.leak() }))
}
fn start_as(facts: &Facts) -> (Vec<Warning>, Result<(Gic, Local), GicError>) {
    let mut warnings = Vec::new();
    let mut warn = |warning| warnings.push(warning);
    let affinity = hw::cpu::affinity();
    let gic = Gic::start(facts, End::Split, affinity, &mut warn).unwrap();
    let local = gic.start_cpu(affinity, &mut warn);
    (warnings, local.map(|local| (gic, local)))
}
/// The machine's controller.
pub fn started() -> (Gic, Local) {
    match sim::gic_version() {
        Version::V2 => start_v2().1,
        Version::V3 => start(&[(0x080a_0000, FRAME)]).1.unwrap(),
    }
}
/// Starts a GICv2.
pub fn start_v2() -> (Vec<Warning>, (Gic, Local)) {
    let (distributor, cpu_interface) = (block(0x0800_0000), block(0x0801_0000));
    let (warnings, gic) = start_as(&Facts::V2(V2Facts { distributor, cpu_interface }));
    (warnings, gic.unwrap())
}
/// Runs `body` on a machine with each controller, with nothing but its driver.
#[track_caller]
pub fn each_driver(config: &Config, body: impl FnOnce() + Clone + 'static) {
    for gic in [Version::V3, Version::V2] {
        let outcome = sim::run(Config { gic, ..config.clone() }, body.clone());
        assert_eq!(outcome.end, sim::End::Exit(0), "{}", gic.name());
    }
}
pub fn quirks(quirks: Quirks) -> Config {
    // Long polls in few steps.
    Config { quirks, relax: 100_000, ..Config::default() }
}

/// Register accesses of `f`, as text, without reads of the clock. A GICv2's acknowledge and ends have the names of a GICv3's,
/// and the acknowledge by which it says that an exception has no more to serve is left out.
pub fn logged(f: impl FnOnce()) -> Vec<String> {
    sim::clear_registers();
    sim::log_registers(true);
    f();
    sim::log_registers(false);
    alike(sim::registers().iter().map(Access::to_string).filter(|line| !line.starts_with("CNT")))
}
/// See [`logged`].
pub fn alike(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut serving = false;
    let line = |line: String| {
        let Some(line) = line.strip_prefix("GICC_") else { return Some(line) };
        match line.strip_prefix("IAR -> ") {
            Some("1023") if serving => {
                serving = false;
                return None;
            }
            Some(taken) => {
                serving = taken.parse().is_ok_and(|intid: u32| intid < 1020);
                return Some(format!("ICC_IAR1 -> {taken}"));
            }
            None => {}
        }
        Some(format!("ICC_{}", line.replace("EOIR ", "EOIR1 ")))
    };
    lines.filter_map(line).collect()
}
/// A line whose hard handler counts, and the count.
pub fn counting(cx: &mut ThreadCx, irq: Irq, trigger: Trigger) -> (lines::Line, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    let line = Request::new(irq, "counting")
        .hard(move |_| {
            seen.fetch_add(1, SeqCst);
            Primary::Handled
        })
        .trigger(trigger)
        .submit(cx)
        .unwrap();
    (line, count)
}

/// What a write to the distributor during its initialisation is about.
fn step_of(offset: usize) -> &'static str {
    match offset {
        0 => "CTLR",
        0x080..0x100 => "group 1",
        0x180..0x200 | 0x280..0x300 | 0x380..0x400 => "disabled and inactive",
        0xc00..0xd00 => "level",
        0x400..0x800 => "priority",
        0x6000..0x8000 => "route",
        _ => "something else",
    }
}

/// G3-01.1: the stated order; every word of SPIs 32..288, none above; `IROUTER` only after affinity routing reads on.
#[test]
fn the_distributor_is_set_up_in_order_and_completely() {
    let config = quirks(Quirks { affinity_routing_off: true, ..Quirks::default() });
    let firmware =
        Firmware { enabled: vec![40, 287], pending: vec![41], active: vec![42], ctlr: 2, ..Firmware::default() };
    sim::run(Config { log_registers: true, firmware, affinities: vec![0x103], ..config }, || {
        let _ = started();
        let log = sim::registers();
        let in_gicd = |access: &Access| match access.what {
            Register::Memory { block: Block::Gicd, offset, .. } => Some((offset, access.write, access.value)),
            _ => None,
        };
        let gicd: Vec<_> = log.iter().filter_map(in_gicd).collect();
        let writes: Vec<_> = gicd.iter().filter(|(_, write, _)| *write).collect();
        let mut steps: Vec<_> = writes.iter().map(|(offset, ..)| step_of(*offset)).collect();
        steps.dedup();
        let expected = ["CTLR", "group 1", "disabled and inactive", "level", "priority", "CTLR", "route"];
        assert_eq!(steps, expected);

        let words = |from: usize, to: usize, step: usize, value: u64| {
            let mut found: Vec<_> = writes.iter().filter(|(at, ..)| (from & !0x7f..to).contains(at)).collect();
            found.sort();
            let expected: Vec<_> = (from..to).step_by(step).collect();
            assert_eq!(found.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), expected, "words at {from:#x}");
            assert!(found.iter().all(|(.., v)| *v == value), "values at {from:#x}: {found:x?}");
        };
        words(0x084, 0x0a4, 4, 0xffff_ffff);
        words(0x184, 0x1a4, 4, 0xffff_ffff);
        words(0x384, 0x3a4, 4, 0xffff_ffff);
        words(0xc08, 0xc48, 4, 0);
        words(0x420, 0x520, 4, 0xa0a0_a0a0);
        words(0x6100, 0x6900, 8, 0x103);
        assert!(writes.iter().all(|(at, ..)| matches!(at, 0 | 0x84..0xc48 | 0x6100..0x6900)), "nothing above 287");

        let at = |write: bool, what: fn(usize, u64) -> bool| {
            gicd.iter().position(|(offset, w, value)| *w == write && what(*offset, *value)).unwrap()
        };
        let on = at(true, |offset, value| offset == 0 && value == 0x12);
        assert_eq!(*writes[0], (0, true, 0));
        assert_eq!(gicd[at(true, |o, _| step_of(o) == "group 1") - 1].2 >> 31, 0, "RWP clear before the SPIs");
        assert!(on < at(false, |offset, value| offset == 0 && value >> 31 == 0 && value & 0x12 == 0x12));
        assert_eq!(gicd[at(true, |o, _| step_of(o) == "route") - 1].2 & 0x8000_0010, 0x10, "ARE reads 1, RWP 0");

        for intid in 32..288 {
            let s = irq::state(intid);
            assert!(!s.enabled && !s.pending && !s.active && !s.edge && s.group1, "{intid}: {s:?}");
            assert_eq!((s.priority, s.route), (0xa0, 0x103), "{intid}");
        }
    });
}

/// G3-01.2: RWP never clears: one warning, up within a second.
#[test]
fn a_stuck_rwp_is_reported_once_and_boot_goes_on() {
    let outcome = run_with(quirks(Quirks { rwp_stuck: true, ..Quirks::default() }), "", |cx| {
        assert!(sim::time() <= 1_000_000_000, "{}", sim::time());
        inject::set_state(cx, Irq::new(60), Which::Enabled, false).unwrap();
        assert!(sim::time() <= 1_000_000_000, "masking does not wait for it again");
    });
    assert_eq!(warnings(&outcome), ["WARNING: GIC: RWP timeout"]);
}

/// G3-01.3: what firmware left active, pending and enabled is gone; nothing is taken for it.
#[test]
fn a_line_that_firmware_left_on_does_not_fire() {
    let left = vec![40];
    let firmware = Firmware {
        enabled: left.clone(),
        pending: left.clone(),
        active: left,
        ctlr: 3,
        active_priorities: 1 << 20,
        ..Firmware::default()
    };
    let outcomes = each_gic_with(&Config { firmware, ..Config::default() }, "", |cx| {
        let (line, runs) = counting(cx, Irq::new(100), Trigger::EdgeRising);
        pend(cx, line.irq());
        assert_eq!(runs.load(SeqCst), 1);
        let s = irq::state(40);
        assert!(!s.enabled && !s.active && !s.pending);
        assert_eq!(lines::totals().unexpected[0], 0);
        line.free(cx).unwrap();
    });
    assert_eq!(outcomes.map(|outcome| outcome.console), [""; 2]);
}

/// G3-02.2: two regions, affinity with Aff1: the frame that matches is found.
#[test]
fn the_redistributor_may_be_in_any_region() {
    let region = |base, frames| Redistributors { base, stride: FRAME, frames, vlpis: false, last: None };
    let redistributors = vec![
        region(0x080a_0000, vec![Frame::Absent(0), Frame::Absent(1)]),
        region(0x4000_0000, vec![Frame::Absent(0x101), Frame::Cpu(0)]),
    ];
    sim::run(Config { affinities: vec![0x100], redistributors, ..Config::default() }, || {
        let (warnings, result) = start(&[(0x080a_0000, 2 * FRAME), (0x4000_0000, 2 * FRAME)]);
        assert_eq!((warnings, result.unwrap().1.base()), (vec![], 0x4000_0000 + FRAME));
    });
}

/// G3-02.3: `Last` before a match: NotFound, a warning with the MPIDR, no read past that frame; the boot says so.
#[test]
fn no_frame_is_read_past_the_last_one() {
    let frames = vec![Frame::Absent(7), Frame::Absent(8), Frame::Cpu(0)];
    let last = Redistributors { base: 0x080a_0000, stride: FRAME, frames, vlpis: false, last: Some(1) };
    let config =
        Config { redistributors: vec![last], affinities: vec![0x205], log_registers: true, ..Config::default() };
    let driver = sim::run(config.clone(), || {
        let (warnings, result) = start(&[(0x080a_0000, 3 * FRAME)]);
        assert_eq!(warnings, [Warning::NoRedistributor(0x205)]);
        assert_eq!(result.err(), Some(GicError::NoRedistributor));
    });
    let kernel = kernel::simulation::boot(config, "", |_| unreachable!());
    assert_eq!(kernel.end, sim::End::Exit(kernel::report::EXIT_BUG));
    assert_eq!(warnings(&kernel), ["WARNING: GIC: no redistributor for MPIDR 0x205"]);
    for outcome in [driver, kernel] {
        assert!(!outcome.registers.iter().any(|access| access.to_string().starts_with("GICR2")));
    }
}

/// G3-03.1: system registers first, the banks that the priority bits imply cleared, group 1 enabled last.
#[test]
fn the_cpu_interface_is_set_up_in_order() {
    let banks = |n: usize| ["ICC_AP1R0", "ICC_AP1R1", "ICC_AP1R2", "ICC_AP1R3"][..n].to_vec();
    for (priority_bits, cleared) in [(5, banks(1)), (6, banks(2)), (7, banks(4))] {
        let firmware = Firmware { active_priorities: 0x10, ..Firmware::default() };
        sim::run(Config { priority_bits, firmware, ..Config::default() }, move || {
            let log = logged(|| _ = started());
            let log: Vec<_> = log.iter().filter(|line| line.starts_with("ICC_")).map(String::as_str).collect();
            assert!(log[0].starts_with("ICC_SRE <- 0x7") && log[1] == "ICC_SRE -> 0x7", "{log:?}");
            let written = log.iter().filter(|line| line.contains("<-"));
            let names: Vec<_> = written.map(|line| line.split(' ').next().unwrap()).collect();
            let first = ["ICC_SRE", "ICC_PMR", "ICC_BPR1", "ICC_CTLR"];
            assert_eq!(names, [&first[..], &cleared, &["ICC_IGRPEN1"]].concat());
            assert!(log.contains(&"ICC_CTLR <- 0x2"), "EOI mode 1");
        });
    }
}

/// G3-03.3: SRE reads back 0: BUG.
#[test]
fn a_controller_without_system_registers_is_a_bug() {
    let config = quirks(Quirks { sre_reads_zero: true, ..Quirks::default() });
    let outcome = kernel::simulation::boot(config, "", |_| unreachable!());
    assert_eq!(outcome.end, sim::End::Exit(kernel::report::EXIT_BUG));
    assert!(outcome.console.contains("SRE disabled at a higher EL"), "{}", outcome.console);
}
