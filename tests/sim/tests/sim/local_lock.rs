//! Does a local lock keep the threads of its CPU apart, and those of other CPUs not? (LK-09)
use crate::{
    harness::{
        Log, MS, US, become_policy, each_model, fair, fifo, forged, hard_line, model_to_bug, move_to, ms, pend,
        run_model, start, start_on, these, warnings,
    },
    mutex::level,
};
use hw::sim::{self, Config, Order, seeds};
use kernel::{
    ThreadCx, bh, irq, irq_flags,
    model::Model,
    percpu::MAX_CPUS,
    preempt::{self, context},
    report, sched,
    sync::{LocalLock, SpinLock},
    time,
};
use std::sync::Arc;

type Local = LocalLock<u32>;

fn local_lock() -> Arc<Local> {
    Arc::new(LocalLock::new(core::array::from_fn::<u32, MAX_CPUS, _>(|_| 0)))
}

/// LK-09.2, LK-09.3: on one CPU the second waits and lends its priority; another CPU's thread does not wait.
#[test]
fn a_local_lock_is_its_cpus() {
    let config = Config { cpus: 2, ..Config::default() };
    run_model(Model::Rt, config, "", |cx| {
        become_policy(cx, fifo(99));
        let local = local_lock();
        let begin = sim::time();
        let mine = local.clone();
        let mut first = start_on(cx, &[0], "first", fair(), move |cx| {
            let mut guard = mine.lock(cx);
            sim::spend(2 * MS);
            *guard += 1;
        });
        time::sleep(cx, ms(1) / 2).unwrap();
        let lock = |cpu: usize, cx: &mut ThreadCx| {
            let mine = local.clone();
            start_on(cx, &[cpu], "next", fifo(40), move |cx| {
                *mine.lock(cx) += 1;
                sim::time() - begin
            })
        };
        let (mut here, mut there) = (lock(0, cx), lock(1, cx));
        time::sleep(cx, ms(1) / 2).unwrap();
        assert_eq!(level(cx, first.id()), 40);
        assert!(there.join(cx).unwrap() < MS && here.join(cx).unwrap() >= 2 * MS);
        first.join(cx).unwrap();
        move_to(cx, 0);
        assert_eq!(*local.lock(cx), 2, "on this CPU");
    });
}

/// LK-09.4: a holder that takes it again is told so, however it takes it; a try fails.
#[test]
fn locking_twice_is_a_bug() {
    type Twice = fn(&mut ThreadCx, &Local);
    let ways: [Twice; 4] = [
        |cx, local| drop(local.lock(local.lock(cx).cx())),
        |cx, local| drop(local.lock_irq(local.lock_irq(cx).cx())),
        |cx, local| drop(local.lock(local.try_lock(cx).unwrap().cx())),
        |cx, local| drop(local.lock_nested_bh(local.lock_nested_bh(bh::disable(cx).cx()).cx())),
    ];
    for (model, twice) in Model::ALL.into_iter().flat_map(|model| ways.map(|way| (model, way))) {
        let text = if model.rt() { "owner is current, main" } else { "BUG: spinlock recursion on" };
        let outcome = model_to_bug(model, text, move |cx| {
            let local = local_lock();
            let mut guard = local.lock(cx);
            assert!(local.try_lock(guard.cx()).is_none());
            drop(guard);
            assert!(local.try_lock(cx).is_some(), "nothing is left of the try");
            twice(cx, &local);
        });
        assert!(!model.rt() || outcome.console.contains(&format!("local_lock of {}", file!())), "{}", outcome.console);
        assert_eq!(warnings(&outcome), [""; 0]);
    }
}

/// LK-09.5: in a hard interrupt it is one report, under every model, also if it is free.
#[test]
fn a_hard_handler_that_takes_it_is_reported() {
    const IRQ: u32 = 100;
    type Take = fn(&mut ThreadCx, &Local);
    let ways: [Take; 3] = [
        |cx, local| *local.lock_irq(cx) += 1,
        |cx, local| *local.lock(cx) += 1,
        |cx, local| *local.try_lock(cx).unwrap() += 1,
    ];
    for (model, take) in Model::ALL.into_iter().flat_map(|model| ways.map(|way| (model, way))) {
        let outcome = run_model(model, Config::default(), "", move |cx| {
            let local = local_lock();
            let taken = local.clone();
            let line = hard_line(cx, IRQ, move |_| forged(|cx| take(cx, &taken)));
            pend(cx, irq::Irq::new(IRQ));
            assert_eq!((report::warnings(), *local.lock(cx)), (1, 1));
            line.free(cx).unwrap();
        });
        let told = warnings(&outcome);
        let expected = format!("WARNING: invalid wait context at {}", file!());
        assert!(told[0].starts_with(&expected) && told[0].contains("in_hardirq 1"), "{}: {told:?}", model.name());
    }
}

/// LK-09.5, LK-02: if somebody holds it, a hard interrupt cannot wait: it stops the machine, after the report. So with a spinlock.
#[test]
fn a_hard_handler_that_has_to_wait_is_a_bug() {
    const IRQ: u32 = 100;
    fn run(holds: impl FnOnce(&mut ThreadCx) + Send + 'static, takes: impl Fn(&mut ThreadCx) + Send + 'static) {
        let outcome = model_to_bug(Model::Rt, "BUG: scheduling while atomic", |cx| {
            become_policy(cx, fifo(99));
            start(cx, "holder", fair(), holds);
            time::sleep(cx, ms(1)).unwrap();
            let _line = hard_line(cx, IRQ, move |_| forged(&takes));
            pend(cx, irq::Irq::new(IRQ));
        });
        let told = warnings(&outcome);
        assert!(told.len() == 1 && told[0].contains("invalid wait context"), "{told:?}");
    }
    let (local, spin) = (local_lock(), Arc::new(SpinLock::<()>::new(())));
    let held = local.clone();
    run(
        move |cx| {
            let _guard = held.lock(cx);
            sim::spend(5 * MS);
        },
        move |cx| drop(local.lock_irq(cx)),
    );
    let held = spin.clone();
    run(move |cx| held.with(cx, |(), _| sim::spend(5 * MS)), move |cx| drop(spin.lock(cx)));
}

/// LK-09.7: a holder that is bound to another CPU has this CPU's value until it drops the guard, and goes there then.
#[test]
fn a_holder_moves_when_it_is_done() {
    fn hold(guard: &mut u32, log: &Log<usize>) {
        for _ in 0..100 {
            log.push(sim::here());
            *guard += 1;
            sim::spend(10 * US);
        }
    }
    type Holds = fn(&mut ThreadCx, &Local, &Log<usize>);
    let ways: [Holds; 3] = [
        |cx, local, log| hold(&mut local.lock(cx), log),
        |cx, local, log| hold(&mut local.lock_irq(cx), log),
        |cx, local, log| hold(&mut local.lock_nested_bh(bh::disable(cx).cx()), log),
    ];
    for (model, holds) in Model::ALL.into_iter().flat_map(|model| ways.map(|way| (model, way))) {
        seeds(20, move |seed| {
            let config = Config { cpus: 2, order: Order::Seeded(seed), ..Config::default() };
            run_model(model, config, "", move |cx| {
                become_policy(cx, fifo(99));
                move_to(cx, 0);
                let (local, log) = (local_lock(), Log::new());
                let (held, mine) = (local.clone(), log.clone());
                let mut holder = start_on(cx, &[1], "holder", fifo(50), move |cx| {
                    holds(cx, &held, &mine);
                    let there = sim::here();
                    preempt::cond_resched(cx);
                    (there, sim::here())
                });
                sim::advance(500 * US);
                assert!((1..100).contains(&log.take().len()), "it is in the middle");
                sched::set_affinity(cx, holder.id(), these(&[0])).unwrap();
                // Where the model does not preempt it goes as soon as it lets somebody else run.
                let there = usize::from(!model.is_preemptible());
                assert_eq!(holder.join(cx), Ok((there, 0)), "{}", model.name());
                assert!(log.take().iter().all(|&cpu| cpu == 1), "{}", model.name());
                sched::set_affinity(cx, kernel::thread::current_id(), these(&[1])).unwrap();
                assert_eq!(*local.lock(cx), 100, "{}", model.name());
            });
        });
    }
}

/// LK-09.8: with bottom halves enabled `lock_nested_bh` is one report that names the place, and a lock all the same.
#[test]
fn nested_in_nothing_is_reported() {
    for model in Model::ALL {
        let line = line!() + 3;
        let outcome = run_model(model, Config::default(), "", move |cx| {
            let local = local_lock();
            let mut guard = local.lock_nested_bh(cx);
            *guard += 1;
            let seen = (context::preemptible(), irq_flags::enabled());
            assert_eq!((report::warnings(), seen), (1, (model.rt(), true)));
            assert!(local.try_lock(guard.cx()).is_none());
            drop(guard);
            assert!(context::preemptible());
            drop(local.lock_nested_bh(bh::disable(cx).cx()));
        });
        let text = format!("WARNING: lock_nested_bh at {}:{line} with bottom halves enabled, by main", file!());
        assert_eq!(warnings(&outcome), [text], "{}", model.name());
    }
}

/// LK-09.1, SI-04.3: nested, the lock leaves preemption to the section with bottom halves disabled, where that keeps others out;
/// where it does not, with `bh_lock=false`, nobody gets in between all the same.
#[test]
fn nested_in_a_section() {
    for (model, bootargs) in Model::ALL.into_iter().flat_map(|model| [(model, ""), (model, "bh_lock=false")]) {
        let outcome = run_model(model, Config::default(), bootargs, move |cx| {
            let local = local_lock();
            let preemptible = match model {
                Model::Rt => true,
                Model::Rtb => bootargs.is_empty(),
                _ => false,
            };
            let mut off = bh::disable(cx);
            let guard = local.lock_nested_bh(off.cx());
            assert_eq!((context::preemptible(), irq_flags::enabled()), (preemptible, true), "{}", model.name());
            drop(guard);
            assert_eq!(context::preemptible(), model.bh_is_a_lock(), "{}", model.name());
            drop(off);
            assert!(context::preemptible(), "{}", model.name());
        });
        assert_eq!(warnings(&outcome), [""; 0], "{}", model.name());
    }
}

/// LK-09.8, SI-04.3: nobody gets in between in the nested section, and who keeps others waiting inherits, by the section's lock
/// or, with `bh_lock=false` on `rt`, by this one.
#[test]
fn nested_sections_exclude() {
    for (model, bootargs) in
        [(Model::Rtb, ""), (Model::Rtb, "bh_lock=false"), (Model::Rt, ""), (Model::Rt, "bh_lock=false")]
    {
        run_model(model, Config::default(), bootargs, move |cx| {
            become_policy(cx, fifo(99));
            let (local, log) = (local_lock(), Log::new());
            let enters = |cx: &mut ThreadCx, name: &'static str, policy| {
                let (local, log) = (local.clone(), log.clone());
                start(cx, name, policy, move |cx| {
                    let mut off = bh::disable(cx);
                    let mut guard = local.lock_nested_bh(off.cx());
                    log.push(name);
                    *guard += 1;
                    sim::spend(2 * MS);
                    log.push(name);
                })
            };
            let mut low = enters(cx, "low", fair());
            // On `rtb` without lock the section is not preempted, and this ends with it.
            time::sleep(cx, ms(1)).unwrap();
            let mut high = enters(cx, "high", fifo(30));
            time::sleep(cx, ms(1) / 2).unwrap();
            if model.rt() || bootargs.is_empty() {
                assert_eq!((level(cx, low.id()), log.take()), (30, vec!["low"]), "{} {bootargs}", model.name());
                high.join(cx).unwrap();
                assert_eq!(log.take(), ["low", "high", "high"], "{} {bootargs}", model.name());
            } else {
                high.join(cx).unwrap();
                assert_eq!(log.take(), ["low", "low", "high", "high"]);
            }
            low.join(cx).unwrap();
            assert_eq!(*local.lock(cx), 2);
        });
    }
}

/// LK-09: the value of each CPU is the one that was given for it.
#[test]
fn each_cpu_has_its_value() {
    each_model(|cx, model| {
        let local = LocalLock::new(core::array::from_fn::<usize, MAX_CPUS, _>(|cpu| 10 + cpu));
        assert_eq!(*local.lock(cx), 10, "{}", model.name());
    });
}
