//! Do all CPUs come up that can, whatever they are called and in whatever order things happen (BU-04)?
use crate::harness::{MS, fifo, interleaved, ms, run_with, smp, smp_with, start_on, warnings};
use hw::sim::{self, Config, Quirks, seeds};
use kernel::{percpu, sync::Semaphore, thread, time, trace};
use std::sync::Arc;

/// BU-04.1: every CPU comes up with its idle thread and its own redistributor.
#[test]
fn all_cpus_come_up() {
    for cpus in 1..=8 {
        let outcome = smp(cpus, move |_| assert_eq!(percpu::online().count(), cpus));
        assert_eq!(outcome.console, "");
    }
}

/// BU-04: in any order of CPUs from the boot CPU's first instruction on.
#[test]
fn cpus_come_up_in_any_order() {
    for cpus in [2, 4] {
        seeds(200, |seed| {
            let outcome = interleaved(cpus, seed, move |cx| {
                assert_eq!(percpu::online().count(), cpus);
                // Each runs what it is given.
                for cpu in 0..cpus {
                    assert_eq!(start_on(cx, &[cpu], "there", fifo(50), |_| sim::here()).join(cx), Ok(cpu));
                }
            });
            assert_eq!(outcome.console, "");
        });
    }
}

/// BU-04.1: CPUs are found by all affinity levels, and the boot CPU need not be the first: each takes its own timer's
/// interrupts and the IPIs that are meant for it.
#[test]
fn odd_affinities() {
    let affinities = vec![0x0000_0203, 0x0001_0000, 0x0000_0100, 0x0100_0002];
    for boot_cpu in 0..4 {
        let config = Config { cpus: 4, affinities: affinities.clone(), boot_cpu, ..Config::default() };
        let outcome = smp_with(config, move |cx| {
            // By number: the boot CPU, then the others as they are listed.
            let listed = std::iter::once(boot_cpu).chain((0..4).filter(|&n| n != boot_cpu));
            for (cpu, there) in listed.enumerate() {
                let gate = Arc::new(Semaphore::new(0));
                let wait = gate.clone();
                let mut t = start_on(cx, &[cpu], "there", fifo(50), move |cx| {
                    time::sleep(cx, ms(1)).unwrap();
                    let timer = sim::here();
                    wait.down(cx);
                    (timer, sim::here())
                });
                time::sleep(cx, ms(2)).unwrap();
                let now = sim::time();
                gate.up(cx).unwrap();
                assert_eq!(t.join(cx), Ok((there, there)));
                assert!(sim::time() - now < MS / 2);
            }
        });
        assert_eq!(outcome.console, "");
    }
}

/// BU-04.2: a CPU that does not come is one warning, and the system goes on without it.
#[test]
fn a_cpu_that_does_not_come() {
    for missing in 1..4 {
        let quirks = Quirks { never_start: vec![missing], ..Quirks::default() };
        let config = Config { cpus: 4, quirks, ..Config::default() };
        let outcome = run_with(config, "", move |cx| {
            let online: Vec<usize> = (0..4).filter(|&n| n != missing).collect();
            assert_eq!(percpu::online().iter().collect::<Vec<_>>(), online);
            let mut events = vec![0; 4];
            trace::drain(|event| events[event.cpu] += 1);
            // More threads than CPUs.
            let handles: Vec<_> = (0..6).map(|_| thread::spawn(cx, "busy", |_| sim::spend(10 * MS)).unwrap()).collect();
            for mut handle in handles {
                handle.join(cx).unwrap();
            }
            trace::drain(|event| events[event.cpu] += 1);
            assert!((0..4).all(|cpu| (events[cpu] != 0) == (cpu != missing)), "{events:?}");
        });
        let expected = format!(": CPU {missing} (MPIDR {missing:#x}) did not come within a second");
        let [warning] = warnings(&outcome)[..] else { panic!("console:\n{}", outcome.console) };
        assert!(warning.ends_with(&expected), "{warning}");
    }
}
