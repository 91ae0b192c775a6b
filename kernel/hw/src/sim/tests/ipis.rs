//! Does an SGI reach the CPUs that it is for, and nobody else? (G3-12)
use super::{on_interrupt, on_secondary};
use crate::{
    cpu,
    gic::{End, Facts, Gic, GicError, Local, Region, SGIS, V3Facts, Warning},
    global, irqs,
    mmio::Mmio,
    sim::{self, Config, End as Ended, Register, run},
    smp::{Method, start},
};
use std::{cell::RefCell, rc::Rc};

#[derive(Default)]
struct Notes {
    /// CPU and SGI, in the order in which they were taken.
    taken: RefCell<Vec<(usize, u32)>>,
    warnings: RefCell<Vec<Warning>>,
}
// SAFETY: one value a machine, and a machine is on one host thread.
unsafe impl Sync for Notes {}
global! {
    static NOTES: Notes = Notes::default();
}

/// Starts the part of the controller that belongs to the CPU that calls, every SGI let through.
fn open(gic: &Gic) -> Local {
    let local = gic.start_cpu(cpu::affinity(), &mut |warning| panic!("{warning:?}")).unwrap();
    (0..SGIS).for_each(|id| gic.unmask(&local, id));
    local
}

/// A machine with CPUs of these affinities, all of which wait for SGIs and note them, except for the first, which runs `body`.
fn with_cpus(affinities: &[u32], sgi_ranges: (bool, bool), body: impl FnOnce(&Gic) + 'static) {
    let config = Config { cpus: affinities.len(), affinities: affinities.to_vec(), sgi_ranges, ..Config::default() };
    let affinities = affinities.to_vec();
    let outcome = run(config, move || {
        // SAFETY: addresses of the simulated bus.
        let [gicd, gicr] = [0x0800_0000, 0x080a_0000].map(|base| unsafe { Mmio::new(base) });
        let regions = Box::leak(Box::new([Region { base: gicr, size: 0x100_0000, stride: 0 }]));
        let facts = Facts::V3(V3Facts { distributor: gicd, regions });
        let mut warn = |warning| panic!("{warning:?}");
        let gic = Rc::new(Gic::start(&facts, End::Split, cpu::affinity(), &mut warn).unwrap());
        let (taker, secondary) = (gic.clone(), gic.clone());
        on_interrupt(move || {
            let intid = taker.acknowledge();
            NOTES.taken.borrow_mut().push((sim::here(), intid));
            taker.deactivate(intid);
            false
        });
        on_secondary(move |_| {
            open(&secondary);
            irqs::enable();
        });
        for (n, &affinity) in affinities.iter().enumerate().skip(1) {
            // SAFETY: a toy kernel needs no preparation.
            unsafe { start(n, affinity.into(), Method::PsciHvc) }.unwrap();
        }
        open(&gic);
        irqs::enable();
        sim::spend(1_000);
        body(&gic);
    });
    assert_eq!(outcome.end, Ended::Exit(0));
}

/// What the driver said, what it wrote to `ICC_SGI1R`, and which CPU took which SGI.
type Sent = (Result<(), GicError>, Vec<u64>, Vec<(usize, u32)>);

/// Sends and lets it arrive.
fn send(gic: &Gic, id: u32, affinities: &[u64]) -> Sent {
    sim::clear_registers();
    sim::log_registers(true);
    let result = gic.send_sgi(id, affinities.iter().copied(), &mut |w| NOTES.warnings.borrow_mut().push(w));
    sim::log_registers(false);
    sim::spend(1_000);
    let sgi = |a: &&sim::Access| a.what == Register::System("IccSgi1r");
    let written = sim::registers().iter().filter(sgi).map(|a| a.value).collect();
    let mut taken = NOTES.taken.take();
    taken.sort_unstable();
    (result, written, taken)
}

/// G3-12.2: CPUs of two clusters: two writes, whose target lists are 0b11 and 0b1.
#[test]
fn one_write_for_each_cluster() {
    with_cpus(&[0, 1, 0x100], (false, false), |gic| {
        let (result, written, taken) = send(gic, 3, &[0, 1, 0x100]);
        assert_eq!(result, Ok(()));
        assert_eq!(written, [3 << 24 | 0b11, 3 << 24 | 1 << 16 | 0b1]);
        assert_eq!(taken, [(0, 3), (1, 3), (2, 3)]);
    });
    // All affinity levels are told apart.
    with_cpus(&[0, 0x0001_0002, 0x0201_0002, 0x0201_0302], (false, false), |gic| {
        let (result, written, taken) = send(gic, 15, &[0x0001_0002, 0x0201_0002, 0x0201_0302]);
        let cluster = [1 << 32, 2 << 48 | 1 << 32, 2 << 48 | 1 << 32 | 3 << 16];
        assert_eq!((result, written), (Ok(()), cluster.map(|c| c | 15 << 24 | 0b100).to_vec()));
        assert_eq!(taken, [(1, 15), (2, 15), (3, 15)]);
    });
}

/// G3-12: one CPU is one write, and nobody else is interrupted.
#[test]
fn one_cpu_is_one_write() {
    with_cpus(&[0, 1, 2, 3], (false, false), |gic| {
        for cpu in 0..4 {
            let (result, written, taken) = send(gic, 0, &[cpu as u64]);
            assert_eq!((result, written, taken), (Ok(()), vec![1 << cpu], vec![(cpu, 0)]));
        }
    });
}

/// G3-12.5: no such SGI, or no CPU: Invalid, and nothing is written.
#[test]
fn no_such_sgi_or_no_cpu_is_invalid() {
    with_cpus(&[0, 1], (false, false), |gic| {
        for (id, affinities) in [(16, &[1][..]), (u32::MAX, &[1]), (0, &[])] {
            assert_eq!(send(gic, id, affinities), (Err(GicError::Invalid), vec![], vec![]));
        }
    });
}

/// G3-12: Aff0 of 16 and more needs the range selector, which is in bits 47:44.
#[test]
fn aff0_of_16_and_more_is_another_range() {
    with_cpus(&[0, 15, 16, 0x2f], (true, true), |gic| {
        let (result, written, taken) = send(gic, 1, &[0, 15, 16, 0x2f]);
        assert_eq!(result, Ok(()));
        assert_eq!(written, [1 << 24 | 0x8001, 1 << 44 | 1 << 24 | 1, 2 << 44 | 1 << 24 | 0x8000]);
        assert_eq!(taken, [(0, 1), (1, 1), (2, 1), (3, 1)]);
        assert!(NOTES.warnings.take().is_empty());
    });
}

/// G3-12: without RSS, of the distributor or of the CPU interface, such a CPU is left out, with a warning once.
#[test]
fn without_range_selector_a_cpu_is_left_out() {
    for ranges in [(false, false), (true, false), (false, true)] {
        with_cpus(&[0, 1, 16], ranges, |gic| {
            for _ in 0..2 {
                let (result, written, taken) = send(gic, 1, &[0, 16, 1]);
                assert_eq!((result, taken), (Ok(()), vec![(0, 1), (1, 1)]));
                assert!(written.iter().all(|w| w >> 44 == 0), "{written:x?}");
            }
            assert_eq!(send(gic, 1, &[16]), (Err(GicError::Unsupported), vec![], vec![]));
            assert_eq!(NOTES.warnings.take(), [Warning::CannotSgi(16)]);
        });
    }
}

/// A CPU that halts executes nothing any more, not even interrupts.
#[test]
fn a_halted_cpu_is_gone() {
    with_cpus(&[0, 1], (false, false), |gic| {
        assert_eq!(send(gic, 7, &[1]).2, [(1, 7)]);
        on_interrupt(|| cpu::halt());
        gic.send_sgi(7, [1], &mut |_| {}).unwrap();
        sim::spend(10);
        on_interrupt(|| unreachable!("CPU {} is interrupted", sim::here()));
        gic.send_sgi(6, [1], &mut |_| {}).unwrap();
        sim::spend(10);
    });
}
