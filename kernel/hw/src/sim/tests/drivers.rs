//! Does configured misbehaviour reach a driver, and is misuse of the controller noticed?
use super::interrupts::started;
use crate::{
    gic::{End, Facts, Gic, GicError, Region, V3Facts, Warning},
    mmio::{Mmio, Rw},
    sim::{self, Config, Firmware, Frame, Quirks, Redistributors, irq, run},
    sysreg::{IccAp1r0, IccAp1r1, IccDir, IccEoir1, IccIar1, IccPmr, IccRpr, IccSgi1r},
};
use tock_registers::interfaces::{Readable, Writeable};

fn block(base: usize) -> Mmio {
    // SAFETY: the simulated bus, which checks.
    unsafe { Mmio::new(base) }
}
/// Starts a controller; what it warned of, and how it ended.
fn start(regions: &[(usize, usize, usize)]) -> (Vec<Warning>, Result<usize, GicError>) {
    let regions: Vec<_> =
        regions.iter().map(|&(base, size, stride)| Region { base: block(base), size, stride }).collect();
    let facts = Facts::V3(V3Facts { distributor: block(0x0800_0000), regions: regions.leak() });
    let mut warnings = Vec::new();
    let mut warn = |warning| warnings.push(warning);
    let affinity = crate::cpu::affinity();
    let gic = Gic::start(&facts, End::Split, affinity, &mut warn).unwrap();
    let result = gic.start_cpu(affinity, &mut warn).map(|local| local.base());
    (warnings, result)
}
const ONE: &[(usize, usize, usize)] = &[(0x080a_0000, 0x2_0000, 0)];
fn quirks(quirks: Quirks) -> Config {
    Config { quirks, relax: 100_000, ..Config::default() }
}

#[test]
fn sre_may_read_zero() {
    run(quirks(Quirks { sre_reads_zero: true, ..Quirks::default() }), || {
        assert_eq!(start(ONE), (vec![], Err(GicError::Unsupported)));
    });
}

#[test]
fn rwp_may_be_stuck() {
    run(quirks(Quirks { rwp_stuck: true, ..Quirks::default() }), || {
        let (warnings, result) = start(ONE);
        assert!(warnings.contains(&Warning::RwpTimeout) && result.is_ok(), "{warnings:?} {result:?}");
    });
}

#[test]
fn a_redistributor_may_sleep_on() {
    run(quirks(Quirks { never_wakes: true, ..Quirks::default() }), || {
        assert!(start(ONE).0.contains(&Warning::WakeTimeout));
    });
}

#[test]
fn a_trigger_may_be_fixed() {
    run(quirks(Quirks { fixed_trigger: vec![27, 60], ..Quirks::default() }), || {
        started();
        block(0x0800_0000).reg::<u32, (), Rw>(0xc0c).set(!0);
        block(0x080a_0000).reg::<u32, (), Rw>(0x1_0c04).set(!0);
        assert_eq!([27, 28, 60, 61].map(|intid| irq::state(intid).edge), [false, true, false, true]);
    });
}

#[test]
fn firmware_may_leave_things_behind() {
    let all = vec![40];
    let firmware = Firmware {
        enabled: all.clone(),
        pending: all.clone(),
        active: all,
        ctlr: 2,
        active_priorities: 1 << 4,
        ..Firmware::default()
    };
    run(Config { firmware, ..Config::default() }, || {
        let left = irq::state(40);
        assert!(left.enabled && left.pending && left.active && left.group1);
        assert_eq!(block(0x0800_0000).reg::<u32, (), Rw>(0).get(), 0x52);
        assert_eq!((IccRpr.get(), IccAp1r0.get()), (0x20, 0x10));
        IccAp1r0.set(0);
        assert_eq!(IccRpr.get(), 0xff);
    });
}

#[test]
fn affinity_routing_may_be_off_at_reset() {
    run(quirks(Quirks { affinity_routing_off: true, ..Quirks::default() }), || {
        let (ctlr, router) =
            (block(0x0800_0000).reg::<u32, (), Rw>(0), block(0x0800_0000).reg::<u64, (), Rw>(0x6000 + 8 * 60));
        router.set(5);
        assert_eq!((ctlr.get(), router.get()), (0x40, 0));
        ctlr.set(0x10);
        router.set(5);
        assert_eq!((ctlr.get(), router.get()), (0x50, 5));
    });
}

#[test]
fn frames_may_be_in_any_region() {
    let region = |base, stride, frames| Redistributors { base, stride, frames, vlpis: stride > 0x2_0000, last: None };
    let redistributors = vec![
        region(0x080a_0000, 0x2_0000, vec![Frame::Absent(0), Frame::Absent(1)]),
        region(0x4000_0000, 0x4_0000, vec![Frame::Absent(0x101), Frame::Cpu(0)]),
    ];
    let config = Config { affinities: vec![0x100], redistributors, ..Config::default() };
    run(config, || {
        let (warnings, base) = start(&[(0x080a_0000, 0x4_0000, 0), (0x4000_0000, 0x8_0000, 0)]);
        assert_eq!((warnings, base.unwrap()), (vec![], 0x4004_0000));
    });
}

#[test]
fn the_last_frame_may_come_before_a_match() {
    let frames = vec![Frame::Absent(7), Frame::Absent(8), Frame::Cpu(0)];
    let redistributors =
        vec![Redistributors { base: 0x080a_0000, stride: 0x2_0000, frames, vlpis: false, last: Some(1) }];
    let outcome = run(Config { redistributors, log_registers: true, ..Config::default() }, || {
        let (warnings, result) = start(&[(0x080a_0000, 0x6_0000, 0)]);
        assert_eq!((warnings, result), (vec![Warning::NoRedistributor(0)], Err(GicError::NoRedistributor)));
    });
    assert!(!outcome.registers.iter().any(|access| access.to_string().starts_with("GICR2")));
}

#[test]
fn priority_bits_decide_the_mask_and_the_banks() {
    for (priority_bits, mask) in [(5, 0xf8), (6, 0xfc), (7, 0xfe)] {
        run(Config { priority_bits, ..Config::default() }, move || {
            started();
            IccPmr.set(0xff);
            assert_eq!(IccPmr.get(), mask);
        });
    }
}
#[test]
#[should_panic(expected = "IccAp1r1 is UNDEFINED with 5 priority bits")]
fn a_bank_that_is_not_there_is_undefined() {
    run(Config::default(), || IccAp1r1.set(0));
}

#[test]
fn lines_beyond_the_last_one_are_nothing() {
    run(Config { lines: 64, ..Config::default() }, || {
        let enable = block(0x0800_0000).reg::<u32, (), Rw>(0x108);
        enable.set(!0);
        assert_eq!(enable.get(), 0);
    });
    run(Config { lines: 1024, ..Config::default() }, || {
        let enable = block(0x0800_0000).reg::<u32, (), Rw>(0x17c);
        enable.set(!0);
        assert_eq!(enable.get(), 0x0fff_ffff, "1020 to 1023 are no lines");
    });
}

#[test]
fn an_spi_goes_where_it_is_routed_and_an_sgi_where_it_is_sent() {
    run(Config { cpus: 3, ..Config::default() }, || {
        let gic = started();
        gic.unmask(40);
        let router = block(0x0800_0000).reg::<u64, (), Rw>(0x6000 + 8 * 40);
        irq::pend(40);
        for (route, taken) in [(1, 1023), (9, 1023), (1 << 31, 40)] {
            router.set(route);
            let intid = IccIar1.get();
            assert_eq!(intid, taken, "route {route:#x}");
        }
        for cpu in 0..3 {
            block(0x080a_0000 + cpu * 0x2_0000).reg::<u32, (), Rw>(0x1_0080).set(!0);
        }
        IccSgi1r.set(3 << 24 | 0b110);
        let pending = |cpu: usize| block(0x080a_0000 + cpu * 0x2_0000).reg::<u32, (), Rw>(0x1_0200).get();
        assert_eq!([0, 1, 2].map(pending), [0, 8, 8]);
        IccSgi1r.set(4 << 24 | 1 << 40);
        assert_eq!([0, 1, 2].map(pending), [0, 0x18, 0x18]);
        irq::sgi(0, 5);
        assert_eq!(pending(0), 0x20);
        assert_eq!(sim::interrupts(), 0);
    });
}

#[test]
#[should_panic(expected = "ICC_EOIR1 <- 41: the last INTID acknowledged and not ended is Some(40)")]
fn ending_another_interrupt_is_noticed() {
    run(Config::default(), || {
        started().unmask(40);
        irq::pend(40);
        assert_eq!(IccIar1.get(), 40);
        IccEoir1.set(41);
    });
}
#[test]
#[should_panic(expected = "before its priority was dropped")]
fn deactivating_first_is_noticed() {
    run(Config::default(), || {
        started().unmask(40);
        irq::pend(40);
        IccIar1.get();
        IccDir.set(40);
    });
}
#[test]
#[should_panic(expected = "trigger of an enabled INTID changes")]
fn changing_the_trigger_of_an_enabled_line_is_noticed() {
    run(Config::default(), || {
        started().unmask(40);
        block(0x0800_0000).reg::<u32, (), Rw>(0xc08).set(!0);
    });
}
