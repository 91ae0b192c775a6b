//! What does the GICv3 do to a line: acknowledge, end, mask, configure, route? By the register log.
use crate::{
    gic::{counting, each_driver, logged, quirks, started},
    harness::{each_gic, each_gic_with, pend, warnings},
};
use hw::{
    gic::{GicError, Sense, Version, Warning, Which},
    sim::{self, Config, Quirks, irq},
};
use kernel::{
    Error,
    irq::{self as lines, Flags, Handled, Irq, Primary, Request, Trigger, inject},
};
use logic::cpus::CpuSet;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

const LINE_60: Irq = Irq::new(60);
/// Its bit in the second word of a bank.
const BIT_60: u64 = 1 << 28;

/// Takes the reads of `CTLR` that wait for RWP out of a log, and says whether the last one saw it clear.
fn without_polls(log: &[String], ctlr: &str) -> (Vec<String>, bool) {
    let polls: Vec<_> = log.iter().filter(|line| line.starts_with(ctlr) && line.contains("->")).collect();
    let clear = polls.last().is_some_and(|line| {
        let value = u64::from_str_radix(line.rsplit("0x").next().unwrap(), 16).unwrap();
        // GICD_CTLR has it in bit 31, GICR_CTLR in bit 3.
        value & if ctlr.starts_with("GICD") { 1 << 31 } else { 1 << 3 } == 0
    });
    (log.iter().filter(|line| !polls.contains(line)).cloned().collect(), clear)
}

/// G3-04.1, G3-04.4: special INTIDs are not ended, call no handler, and are counted each for itself.
#[test]
fn special_intids_are_counted_and_not_ended() {
    each_gic(|cx| {
        let (line, runs) = counting(cx, LINE_60, Trigger::EdgeRising);
        for intid in [1023, 1020, 1021, 1021, 1022, 1022, 1022] {
            let log = logged(|| {
                irq::special(intid);
                sim::point();
            });
            assert_eq!(log, [format!("ICC_IAR1 -> {intid}")]);
        }
        let totals = lines::totals();
        assert_eq!((totals.spurious[0], totals.special, totals.unexpected[0]), (1, [1, 2, 3], 0));
        assert_eq!(runs.load(SeqCst), 0);
        line.free(cx).unwrap();
    });
}

/// G3-04.2: an interrupt without action, its line never requested or freed: one warning, ended, masked, no storm.
#[test]
fn an_interrupt_without_action_is_ended_and_masked() {
    for (bootargs, end) in [("eoimode=1", "ICC_DIR <- 60"), ("eoimode=0", "ICC_EOIR1 <- 60")] {
        for requested in [false, true] {
            let outcomes = each_gic_with(&Config::default(), bootargs, move |cx| {
                if requested {
                    let (line, _) = counting(cx, LINE_60, Trigger::LevelHigh);
                    line.free(cx).unwrap();
                }
                inject::set_state(cx, LINE_60, Which::Enabled, true).unwrap();
                let before = sim::interrupts();
                let log = logged(|| {
                    irq::set_line(60, true);
                    sim::point();
                });
                assert_eq!(log[0], "ICC_IAR1 -> 60");
                assert_eq!(log.iter().filter(|line| line.starts_with("ICC_EOIR1")).count(), 1);
                assert_eq!(log.last().unwrap(), end);
                assert!(log.contains(&format!("GICD+0x184 <- {BIT_60:#x}")), "{log:?}");
                assert!(!irq::state(60).enabled && !irq::state(60).active);
                irq::set_line(60, false);
                irq::set_line(60, true);
                sim::advance(1_000);
                assert_eq!(sim::interrupts(), before + 1, "masked");
                assert_eq!(lines::totals().unexpected[0], 1);
            });
            for outcome in outcomes {
                assert_eq!(warnings(&outcome), ["WARNING: unexpected interrupt 60, masked"]);
            }
        }
    }
}

/// G3-05.1, G3-06: a level line that nobody quietens fires again at once, before any thread instruction, in both modes.
#[test]
fn a_level_line_that_stays_high_fires_again_at_once() {
    for bootargs in ["eoimode=0", "eoimode=1"] {
        each_gic_with(&Config::default(), bootargs, |cx| {
            let count = Arc::new(AtomicU32::new(0));
            let seen = count.clone();
            let line = Request::new(LINE_60, "level")
                .hard(move |_| {
                    if seen.fetch_add(1, SeqCst) == 4 {
                        irq::set_line(60, false);
                    }
                    Primary::Handled
                })
                .trigger(Trigger::LevelHigh)
                .submit(cx)
                .unwrap();
            irq::set_line(60, true);
            sim::point();
            assert_eq!(count.load(SeqCst), 5);
            line.free(cx).unwrap();
        });
    }
}

/// G3-05.2, G3-06.2: one-shot: one hard interrupt until the thread is done, then one more if the line is still high, none
/// if it is not. G3-06.1: another line of the same priority is taken meanwhile.
#[test]
fn a_one_shot_line_is_quiet_until_its_thread_is_done() {
    for bootargs in ["eoimode=0", "eoimode=1"] {
        each_gic_with(&Config::default(), bootargs, |cx| {
            let (other, other_runs) = counting(cx, Irq::new(61), Trigger::EdgeRising);
            let (hard, threads) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (h, t) = (hard.clone(), threads.clone());
            let line = Request::new(LINE_60, "level")
                .hard(move |_| {
                    h.fetch_add(1, SeqCst);
                    Primary::WakeThread
                })
                .threaded({
                    let hard = hard.clone();
                    move |cx| {
                        let run = t.fetch_add(1, SeqCst) + 1;
                        sim::advance(10_000);
                        assert_eq!(hard.load(SeqCst), run, "quiet while the thread works");
                        pend(cx, Irq::new(61));
                        assert_eq!(other_runs.load(SeqCst), run, "the neighbour is taken at once");
                        if run == 2 {
                            irq::set_line(60, false);
                        }
                        Handled::Yes
                    }
                })
                .flags(Flags::ONESHOT)
                .trigger(Trigger::LevelHigh)
                .submit(cx)
                .unwrap();
            irq::set_line(60, true);
            sim::advance(100_000);
            assert_eq!((hard.load(SeqCst), threads.load(SeqCst)), (2, 2));
            line.free(cx).unwrap();
            other.free(cx).unwrap();
        });
    }
}

/// G3-07.1: masking waits for RWP before it returns; unmasking does not wait.
#[test]
fn masking_waits_until_it_is_in_effect() {
    each_gic(|cx| {
        inject::set_state(cx, LINE_60, Which::Enabled, true).unwrap();
        let masked = logged(|| inject::set_state(cx, LINE_60, Which::Enabled, false).unwrap());
        let (rest, clear) = without_polls(&masked, "GICD+0x0 ");
        assert_eq!((rest, clear), (vec![format!("GICD+0x184 <- {BIT_60:#x}")], true));
        let waits = sim::gic_version() == Version::V3;
        assert_eq!(masked.len() > 2, waits, "RWP was set at first, where there is one: {masked:?}");
        let unmasked = logged(|| inject::set_state(cx, LINE_60, Which::Enabled, true).unwrap());
        assert_eq!(unmasked, [format!("GICD+0x104 <- {BIT_60:#x}")]);
    });
}

/// G3-07.2: an edge while masked is delivered once when unmasked, or not at all if it was cleared.
#[test]
fn an_edge_while_masked_is_kept_unless_cleared() {
    each_gic(|cx| {
        let (line, runs) = counting(cx, LINE_60, Trigger::EdgeRising);
        for (clear, expected) in [(false, 1), (true, 1)] {
            inject::set_state(cx, LINE_60, Which::Enabled, false).unwrap();
            pend(cx, LINE_60);
            pend(cx, LINE_60);
            if clear {
                inject::set_state(cx, LINE_60, Which::Pending, false).unwrap();
            }
            inject::set_state(cx, LINE_60, Which::Enabled, true).unwrap();
            sim::advance(1_000);
            assert_eq!(runs.load(SeqCst), expected);
        }
        line.free(cx).unwrap();
    });
}

/// G3-07.3: SGIs and PPIs are masked in the CPU's redistributor, never in the distributor; of a GICv2, in the words of the
/// distributor that each CPU has for itself.
#[test]
fn private_lines_are_masked_in_the_redistributor() {
    each_gic(|cx| {
        let (block, mask) = match sim::gic_version() {
            Version::V2 => ("GICD", "GICD+0x180"),
            Version::V3 => ("GICR0", "GICR0+0x10180"),
        };
        for intid in [3, 20] {
            let log = logged(|| inject::set_state(cx, Irq::new(intid), Which::Enabled, false).unwrap());
            assert!(log.iter().all(|line| line.starts_with(block)), "{log:?}");
            let (rest, clear) = without_polls(&log, &format!("{block}+0x0 "));
            assert_eq!((rest, clear), (vec![format!("{mask} <- {:#x}", 1 << intid)], true));
        }
    });
}

/// G3-08.1: the line is masked, in effect, while its trigger changes; then it is as enabled as before.
#[test]
fn a_trigger_changes_while_the_line_is_masked() {
    each_driver(&Config::default(), || {
        let (gic, local) = started();
        gic.unmask(&local, 60);
        let log = logged(|| gic.set_sense(&local, 60, Sense::Edge, &mut |w| panic!("{w:?}")).unwrap());
        let (rest, _) = without_polls(&log, "GICD+0x0 ");
        let written: Vec<_> = rest.iter().filter(|line| line.contains("<-")).map(String::as_str).collect();
        assert_eq!(written, ["GICD+0x184 <- 0x10000000", "GICD+0xc0c <- 0x2000000", "GICD+0x104 <- 0x10000000"]);
        let at = |text: &str| log.iter().position(|line| line.starts_with(text)).unwrap();
        // What the distributor's control reads when a write is in effect.
        let idle = if sim::gic_version() == Version::V2 { "GICD+0x0 -> 0x1" } else { "GICD+0x0 -> 0x52" };
        let settled = log.iter().position(|line| line == idle).unwrap();
        assert!(at("GICD+0x184 <-") < settled && settled < at("GICD+0xc0c <-"), "{log:?}");
        assert!(irq::state(60).enabled && irq::state(60).edge);

        gic.mask(&local, 60);
        let log = logged(|| gic.set_sense(&local, 60, Sense::Level, &mut |_| {}).unwrap());
        assert!(!log.iter().any(|line| line.starts_with("GICD+0x104 <-")), "not enabled before, nor after");
    });
}

/// G3-08.2: triggers that the class of INTID does not have are refused, without a write.
#[test]
fn triggers_that_the_hardware_does_not_have_are_refused() {
    each_driver(&Config::default(), || {
        let (gic, local) = started();
        for sgi in 0..16 {
            let log = logged(|| {
                assert_eq!(gic.set_sense(&local, sgi, Sense::Level, &mut |_| {}), Err(GicError::Invalid));
                assert_eq!(gic.set_sense(&local, sgi, Sense::Edge, &mut |_| {}), Ok(()));
            });
            assert_eq!(log, [""; 0], "SGIs are edges for good");
        }
    });
    each_gic(|cx| {
        for trigger in [Trigger::LevelLow, Trigger::EdgeFalling, Trigger::EdgeBoth] {
            let mut error = None;
            let log = logged(|| {
                let request = Request::new(LINE_60, "bad").hard(|_| Primary::Handled).trigger(trigger);
                error = request.submit(cx).err();
            });
            assert_eq!(error, Some(Error::Invalid), "{trigger:?}");
            assert!(!log.iter().any(|line| line.starts_with("GICD+0xc")), "{log:?}");
        }
    });
}

/// G3-08.3: an SPI that keeps its trigger: Invalid, and the line is recorded as the level line that it is.
#[test]
fn a_fixed_spi_refuses_another_trigger() {
    let config = quirks(Quirks { fixed_trigger: vec![60], ..Quirks::default() });
    let outcomes = each_gic_with(&config, "", |cx| {
        let request = Request::new(LINE_60, "edge").hard(|_| Primary::Handled).trigger(Trigger::EdgeRising);
        assert_eq!(request.submit(cx).err(), Some(Error::Invalid));
        assert_eq!(lines::info(cx, LINE_60).unwrap().trigger, Trigger::LevelHigh);
        assert!(!irq::state(60).enabled);
        let (line, _) = counting(cx, LINE_60, Trigger::LevelHigh);
        line.free(cx).unwrap();
    });
    assert_eq!(outcomes.map(|outcome| outcome.console), [""; 2]);
}

/// G3-08.4: a PPI that keeps its trigger: a warning, and Ok.
#[test]
fn a_fixed_ppi_warns_and_goes_on() {
    each_driver(&quirks(Quirks { fixed_trigger: vec![20], ..Quirks::default() }), || {
        let (gic, local) = started();
        let mut warnings = Vec::new();
        assert_eq!(gic.set_sense(&local, 20, Sense::Edge, &mut |w| warnings.push(w)), Ok(()));
        assert_eq!(warnings, [Warning::FixedTrigger(20)]);
        assert_eq!(gic.set_sense(&local, 21, Sense::Edge, &mut |w| panic!("{w:?}")), Ok(()));
        assert!(!irq::state(20).edge && irq::state(21).edge);
    });
}

/// G3-09.1, G3-09.2: a pending bit that is set delivers once; one of a line that is high cannot be cleared.
#[test]
fn pending_can_be_set_and_not_cleared_while_the_line_is_high() {
    each_gic(|cx| {
        let (line, runs) = counting(cx, LINE_60, Trigger::EdgeRising);
        inject::set_state(cx, LINE_60, Which::Pending, true).unwrap();
        sim::advance(1_000);
        assert_eq!(runs.load(SeqCst), 1);
        line.free(cx).unwrap();
        irq::set_line(33, true);
        inject::set_state(cx, Irq::new(33), Which::Pending, false).unwrap();
        assert_eq!(inject::state(cx, Irq::new(33), Which::Pending), Ok(true));
    });
}

/// G3-09.3: LPIs have no state; other INTIDs that do not exist are out of range.
#[test]
fn state_of_intids_that_have_none_is_refused() {
    each_gic(|cx| {
        for which in [Which::Pending, Which::Active, Which::Enabled] {
            for (intid, error) in
                [(8192, Error::Invalid), (65_535, Error::Invalid), (288, Error::Range), (1023, Error::Range)]
            {
                let irq = Irq::new(intid);
                let log = logged(|| {
                    assert_eq!(inject::state(cx, irq, which), Err(error));
                    assert_eq!(inject::set_state(cx, irq, which, true), Err(error));
                    assert_eq!(inject::set_state(cx, irq, which, false), Err(error));
                });
                assert_eq!(log, [""; 0]);
            }
        }
    });
}

/// G3-13.2: a PPI has no affinity. G3-14.2: an enabled SPI is masked while its route changes. G3-14.3: some CPU has to run.
#[test]
fn affinity_is_of_shared_lines_and_changes_while_they_are_masked() {
    each_gic_with(&Config { cpus: 2, ..Config::default() }, "", |cx| {
        // Where 60 goes to CPU 1.
        let route = if sim::gic_version() == Version::V2 { "GICD+0x83c <- 0x2" } else { "GICD+0x61e0 <- 0x1" };
        assert_eq!(lines::set_affinity(cx, Irq::ppi(11), CpuSet::of(0)), Err(Error::Invalid), "the timer's");
        assert_eq!(lines::set_affinity(cx, LINE_60, CpuSet::of(0)), Err(Error::NotFound), "not mapped");
        let (line, runs) = counting(cx, LINE_60, Trigger::EdgeRising);
        for cpus in [0, 0b100, 1 << 31] {
            let cpus = CpuSet::from_bits(cpus);
            let log = logged(|| assert_eq!(lines::set_affinity(cx, LINE_60, cpus), Err(Error::Invalid)));
            assert_eq!(log, [""; 0], "no write");
        }
        let log = logged(|| lines::set_affinity(cx, LINE_60, CpuSet::of(1)).unwrap());
        let written: Vec<_> =
            log.iter().filter(|line| line.starts_with("GICD") && line.contains("<-")).map(String::as_str).collect();
        assert_eq!(written, ["GICD+0x184 <- 0x10000000", route, "GICD+0x104 <- 0x10000000"]);
        let log = logged(|| lines::set_affinity(cx, LINE_60, CpuSet::ALL).unwrap());
        assert!(!log.iter().any(|line| line.starts_with("GICD")), "it may stay where it is: {log:?}");
        pend(cx, LINE_60);
        kernel::time::sleep(cx, crate::harness::ms(1)).unwrap();
        assert_eq!(runs.load(SeqCst), 1);
        line.free(cx).unwrap();
    });
}
