//! Who brings a grace period to its end, and whom does that disturb? (RC-11)
use crate::{
    harness::{MS, become_policy, fair, fifo, move_to, run_model, sleep_till, start_on, warnings},
    rcu_grace::{PREEMPTIBLE, TICK, updater},
    rcu_kit::bind_gp,
};
use hw::sim::{self, Config, Register};
use kernel::{
    ThreadCx,
    ipi::Ipi,
    irq::{self, Irq},
    model::Model,
    preempt, rcu, sched,
    thread::JoinHandle,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

fn config(cpus: usize) -> Config {
    Config { cpus, ..Config::default() }
}

/// Threads that keep each of these CPUs busy.
fn hogs(cx: &mut ThreadCx, cpus: &[usize], priority: i32, ns: u64) -> Vec<JoinHandle<()>> {
    cpus.iter().map(|&cpu| start_on(cx, &[cpu], "hog", fifo(priority), move |_| sim::spend(ns))).collect()
}

/// RC-11.1: with `rcu_gp` at 60, hogs at 50 on every CPU do not keep a FIFO-70 thread waiting for more than two ticks.
#[test]
fn hogs_do_not_keep_it_from_ending() {
    for model in PREEMPTIBLE {
        run_model(model, config(4), "rcu_kthread_prio=60", |cx| {
            become_policy(cx, fifo(70));
            move_to(cx, 0);
            let mut hogs = hogs(cx, &[0, 1, 2, 3], 50, 100 * MS);
            let begin = sim::time() + MS;
            sleep_till(cx, begin);
            rcu::synchronize(cx).unwrap();
            let took = sim::time() - begin;
            assert!((TICK..=2 * TICK).contains(&took), "{took} ns");
            hogs.iter_mut().for_each(|hog| hog.join(cx).unwrap());
        });
    }
}

/// RC-11.2: hogs at 80 do, and the report says that the thread does not get to run.
#[test]
fn a_starved_thread_is_told() {
    for model in PREEMPTIBLE {
        let outcome = run_model(model, config(2), "rcu_kthread_prio=60 rcu_stall_timeout=3", |cx| {
            become_policy(cx, fifo(90));
            move_to(cx, 0);
            let begin = sim::time();
            let mut hogs = hogs(cx, &[0, 1], 80, 5_000 * MS);
            sleep_till(cx, begin + MS);
            rcu::synchronize(cx).unwrap();
            assert_eq!(sim::time(), begin + 5_000 * MS);
            hogs.iter_mut().for_each(|hog| hog.join(cx).unwrap());
        });
        let told = warnings(&outcome);
        assert!(told.len() == 1 && told[0].contains("grace period 1 stalls: 3000 ms old"), "{}", outcome.console);
        assert!(outcome.console.contains("kthread starved"), "{}", outcome.console);
    }
}

/// RC-11: the CPU of `rcu_gp` is not waited for once that runs, whoever began the grace period while something else ran there.
#[test]
fn the_cpu_of_rcu_gp_is_outside() {
    for model in PREEMPTIBLE {
        run_model(model, config(2), "rcu_kthread_prio=50", |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 1);
            bind_gp(cx, 0);
            let mut hogs = hogs(cx, &[0], 40, 30 * MS);
            let begin = sim::time() + MS;
            sleep_till(cx, begin);
            rcu::synchronize(cx).unwrap();
            assert!(sim::time() - begin < TICK / 4, "{}", sim::time() - begin);
            hogs.iter_mut().for_each(|hog| hog.join(cx).unwrap());
        });
    }
}

/// How often a CPU was interrupted to be asked, or for a wake-up.
fn asked(cpu: usize) -> u32 {
    Ipi::Resched.counts()[cpu]
}
/// How often it was interrupted at all.
fn disturbed(cx: &mut ThreadCx, cpu: usize) -> u32 {
    let ipis: u32 = Ipi::ALL.iter().map(|ipi| ipi.counts()[cpu]).sum();
    ipis + irq::info(cx, Irq::ppi(11)).unwrap().counts[cpu]
}

/// RC-11.3: an idle CPU takes no interrupt for a hundred grace periods, which wait for readers on another one.
#[test]
fn idle_cpus_are_left_alone() {
    for model in Model::ALL {
        run_model(model, config(4), "", move |cx| {
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let stop = Arc::new(AtomicU32::new(0));
            let stopped = stop.clone();
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                while stopped.load(SeqCst) == 0 {
                    let guard = rcu::read(cx);
                    sim::spend(5 * MS);
                    drop(guard);
                    sim::spend(MS);
                }
            });
            let begin = sim::time() + MS;
            sleep_till(cx, begin);
            let (busy, idle) = (asked(1), [2, 3].map(|cpu| disturbed(cx, cpu)));
            let passed = rcu::stats().grace_periods;
            (0..100).for_each(|_| rcu::synchronize(cx).unwrap());
            assert_eq!(rcu::stats().grace_periods, passed + 100);
            assert_eq!(idle, [2, 3].map(|cpu| disturbed(cx, cpu)), "{}", model.name());
            // Once for each: what a reader was asked it answers when it leaves.
            assert_eq!(asked(1) - busy, 100, "{}", model.name());
            stop.store(1, SeqCst);
            reader.join(cx).unwrap();
        });
    }
}

/// RC-11: a CPU that ran when the grace period began, and idled since, is not asked.
#[test]
fn a_cpu_that_idled_meanwhile_is_left_alone() {
    for model in Model::ALL {
        run_model(model, config(2), "", move |cx| {
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let begin = sim::time() + MS;
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let guard = rcu::read(cx);
                sim::spend(2 * MS);
                drop(guard);
            });
            let mut updater = updater(cx, begin);
            reader.join(cx).unwrap();
            let before = asked(1);
            assert_eq!(updater.join(cx), Ok(begin + TICK));
            assert_eq!(asked(1), before, "{}", model.name());
        });
    }
}

/// RC-11: a CPU that cannot answer, because it has disabled preemption, is asked again each tick, and the grace period ends at the
/// first after the section.
#[test]
fn a_cpu_that_cannot_answer_is_asked_again() {
    for model in Model::ALL {
        run_model(model, config(2), "", move |cx| {
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let begin = sim::time() + MS;
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                let off = preempt::disable(cx);
                sim::spend(MS + 5 * TICK / 2);
                drop(off);
                sim::spend(20 * MS);
            });
            sleep_till(cx, begin);
            let before = asked(1);
            rcu::synchronize(cx).unwrap();
            assert_eq!((sim::time(), asked(1) - before), (begin + 3 * TICK, 3), "{}", model.name());
            reader.join(cx).unwrap();
        });
    }
}

/// RC-11: whoever waited for a grace period goes on, though somebody has begun the next one before `rcu_gp` came to see the end of it.
#[test]
fn one_that_ends_is_not_taken_for_the_next() {
    for model in PREEMPTIBLE {
        run_model(model, config(1), "", |cx| {
            become_policy(cx, fifo(99));
            let begin = sim::time();
            let reader = |cx: &mut ThreadCx, priority: i32, ns: u64| {
                let reader = start_on(cx, &[0], "reader", fifo(priority), move |cx| {
                    let guard = rcu::read(cx);
                    sim::spend(ns);
                    drop(guard);
                    // `rcu_gp` does not get to run.
                    sim::spend(2 * MS);
                    sim::time()
                });
                sleep_till(cx, sim::time() + MS);
                reader
            };
            let mut first = reader(cx, 10, 3 * MS);
            let mut waits_for_first = updater(cx, begin + 3 * MS / 2);
            sleep_till(cx, begin + 2 * MS);
            let mut second = reader(cx, 20, 20 * MS);
            sched::set(cx, second.id(), fair()).unwrap();
            let mut waits_for_second = updater(cx, begin + 9 * MS / 2);
            let passed = waits_for_first.join(cx).unwrap();
            assert_eq!(Ok(passed), first.join(cx));
            assert!(waits_for_second.join(cx).unwrap() > passed + 10 * MS);
            second.join(cx).unwrap();
        });
    }
}

/// Without readers `synchronize` is over at once, whatever the model: no timer is armed, no other CPU interrupted, no thread woken.
#[test]
fn nobody_to_wait_for_costs_nothing() {
    for (model, cpus) in Model::ALL.into_iter().flat_map(|model| [(model, 1), (model, 4)]) {
        run_model(model, config(cpus), "", move |cx| {
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            let begin = sim::time() + MS;
            sleep_till(cx, begin);
            let before = (sim::time(), sim::switches(), sim::interrupts(), rcu::stats().grace_periods);
            sim::log_registers(true);
            (0..100).for_each(|_| rcu::synchronize(cx).unwrap());
            sim::log_registers(false);
            let after = (sim::time(), sim::switches(), sim::interrupts(), rcu::stats().grace_periods);
            assert_eq!(after, (before.0, before.1, before.2, before.3 + 100));
            let written: Vec<_> = sim::registers().into_iter().filter(|access| access.write).collect();
            assert!(written.is_empty(), "{}: {written:?}", model.name());
            assert!(matches!(sim::registers()[0].what, Register::System(_)), "the clock is read");
            assert!(sched::idle_waits() > 0);
        });
    }
}
