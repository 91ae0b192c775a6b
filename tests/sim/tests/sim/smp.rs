//! Do threads run on the CPUs that they should (SC-11, BU-04)?
use crate::harness::{Log, MS, become_policy, fifo, ms, seeded, smp, start};
use hw::sim::{self, seeds};
use kernel::{percpu, time};

/// BU-04.1: every CPU comes up with its idle thread and its own redistributor.
#[test]
fn all_cpus_come_up() {
    for cpus in 1..=8 {
        let outcome = smp(cpus, move |_| assert_eq!(percpu::online().count(), cpus));
        assert_eq!(outcome.console, "");
    }
}

/// SC-11.1: of one thread more than CPUs, all but the least urgent run.
#[test]
fn the_most_urgent_threads_run() {
    seeds(200, |seed| {
        seeded(4, seed, |cx| {
            become_policy(cx, fifo(99));
            let log = Log::new();
            for priority in [10, 50, 20, 40, 30] {
                let log = log.clone();
                start(cx, "hog", fifo(priority), move |_| {
                    sim::spend(10 * MS);
                    log.push((priority, sim::time() / MS));
                });
            }
            let began = sim::time() / MS;
            time::sleep(cx, ms(50)).unwrap();
            let mut ended = log.take();
            ended.sort();
            let late: Vec<i32> = ended.iter().filter(|(_, at)| *at > began + 10).map(|(p, _)| *p).collect();
            assert_eq!((ended.len(), late), (5, vec![10]), "{ended:?}");
        });
    });
}
