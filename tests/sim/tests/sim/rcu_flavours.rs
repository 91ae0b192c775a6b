//! Do sections that are not a reader's by name hold grace periods as well? (RC-14)
use crate::{
    harness::{
        MS, become_policy, each_model, fair, fifo, hard_line, move_to, ms, run_model, seeded, sleep_till, start,
        start_on,
    },
    irq_kit::IRQ,
    rcu_grace::TICK,
    rcu_kit::bind_gp,
};
use hw::{
    atomic::AtomicU64,
    sim::{self, Config, Rng, seeds},
};
use kernel::{
    CpuSet, ThreadCx, bh,
    irq::{self, Handled, Line, Request, Trigger},
    irq_flags,
    model::Model,
    preempt::{self, context},
    rcu::{self, hook},
    sync::{RawSpinLock, SpinLock},
    time,
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// Every kind of section that has no depth of its own, with what is done in it.
type Region = fn(&mut ThreadCx, &dyn Fn());
const REGIONS: [Region; 6] = [
    |cx, inside| {
        let _off = preempt::disable(cx);
        inside();
    },
    |cx, inside| {
        let _off = irq_flags::save(cx);
        inside();
    },
    |cx, inside| {
        let _off = bh::disable(cx);
        inside();
    },
    |cx, inside| RawSpinLock::<(), kernel::cx::Thread>::new(()).with(cx, |(), _| inside()),
    |cx, inside| RawSpinLock::<(), kernel::cx::Irq>::new(()).with(cx, |(), _| inside()),
    |cx, inside| {
        let lock = RawSpinLock::<(), kernel::cx::Thread>::new(());
        let mut off = preempt::disable(cx);
        let _held = lock.lock(off.cx());
        inside();
    },
];

/// RC-14.1, RC-14.3: whoever waits for a grace period waits for the end of each of them on another CPU, and a tick more at most.
#[test]
fn older_regions_hold_it() {
    for (model, region) in Model::ALL.into_iter().flat_map(|model| REGIONS.map(|region| (model, region))) {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", move |cx| {
            let begin = sim::time() + MS;
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let mut reader = start_on(cx, &[1], "reader", fair(), move |cx| {
                region(cx, &|| sim::spend(11 * MS));
                sim::spend(20 * MS);
            });
            sleep_till(cx, begin);
            rcu::synchronize(cx).unwrap();
            let (ends, now) = (begin + 10 * MS, sim::time());
            assert!((ends..=ends + TICK).contains(&now), "{}: over at {ends}, waited until {now}", model.name());
            reader.join(cx).unwrap();
        });
    }
}

/// A line on CPU 1 whose handler, hard or ordinary, takes this long.
fn slow_line(cx: &mut ThreadCx, hard: bool, ns: u64) -> Line {
    let line = if hard {
        hard_line(cx, IRQ.number(), move |_| sim::spend(ns))
    } else {
        let request = Request::new(IRQ, "ordinary").handler(move |_| {
            sim::spend(ns);
            Handled::Yes
        });
        request.trigger(Trigger::EdgeRising).submit(cx).unwrap()
    };
    irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
    line
}

/// RC-14.3: so does a hard handler, and an ordinary one wherever it runs.
#[test]
fn older_handlers_hold_it() {
    for (model, hard) in Model::ALL.into_iter().flat_map(|model| [(model, true), (model, false)]) {
        run_model(model, Config { cpus: 2, ..Config::default() }, "", move |cx| {
            let begin = sim::time() + MS;
            become_policy(cx, fifo(50));
            move_to(cx, 0);
            bind_gp(cx, 0);
            let line = slow_line(cx, hard, 10 * MS);
            sim::at(begin, sim::Injection::Pend(IRQ.number()));
            sleep_till(cx, begin + MS);
            rcu::synchronize(cx).unwrap();
            let (ends, now) = (begin + 10 * MS, sim::time());
            assert!((ends..=ends + TICK).contains(&now), "{}: over at {ends}, waited until {now}", model.name());
            line.free(cx).unwrap();
        });
    }
}

/// RC-14.2: under `rt` and `rtb` a section with bottom halves disabled holds it though its thread has lost the CPU.
#[test]
fn a_preempted_section_without_bottom_halves_holds_it() {
    for (model, bootargs) in
        [Model::Rtb, Model::Rt].into_iter().flat_map(|model| [(model, ""), (model, "bh_lock=false")])
    {
        run_model(model, Config::default(), bootargs, |cx| {
            become_policy(cx, fifo(50));
            let begin = sim::time();
            let mut reader = start(cx, "reader", fair(), |cx| {
                let off = bh::disable(cx);
                sim::spend(3 * MS);
                drop(off);
            });
            sleep_till(cx, begin + MS);
            assert_eq!(rcu::stats().blocked_readers, 1);
            rcu::synchronize(cx).unwrap();
            assert_eq!((sim::time(), rcu::stats().blocked_readers), (begin + 3 * MS, 0));
            reader.join(cx).unwrap();
        });
    }
}

/// RC-14.4: `read_bh` is `bh::disable`: in a section both are counted, where it can be preempted, and afterwards neither.
#[test]
fn a_section_without_bottom_halves_is_a_readers() {
    each_model(|cx, model| {
        let depth = u32::from(model.bh_is_a_lock());
        let mut outer = bh::disable(cx);
        assert_eq!((context::in_softirq(), hook::depth()), (true, depth));
        let inner = bh::disable(outer.cx());
        assert_eq!((context::in_softirq(), hook::depth()), (true, depth));
        drop(inner);
        assert_eq!((context::in_softirq(), hook::depth()), (true, depth));
        drop(outer);
        assert_eq!((context::in_softirq(), hook::depth()), (false, 0));
        let guard = rcu::read(cx);
        assert_eq!((context::in_softirq(), hook::depth()), (false, 1));
        drop(guard);
    });
}

/// A spinlock's section is no reader's, on whatever model: nobody relies on it (no token of it is `Reading`).
#[test]
fn a_spinlock_is_no_reader() {
    run_model(Model::Rt, Config::default(), "", |cx| {
        SpinLock::<()>::new(()).with(cx, |(), _| assert_eq!(hook::depth(), 0));
        become_policy(cx, fifo(50));
        let mut holder = start(cx, "holder", fair(), |cx| SpinLock::<()>::new(()).with(cx, |(), _| sim::spend(5 * MS)));
        time::sleep(cx, ms(1)).unwrap();
        let before = sim::time();
        rcu::synchronize(cx).unwrap();
        assert_eq!(sim::time(), before);
        holder.join(cx).unwrap();
    });
}

/// RC-14.3: three CPUs read generations in sections of every kind and in a hard handler, while a fourth one takes them away: nobody
/// has one that a grace period has passed for.
#[test]
fn nobody_has_what_is_gone() {
    const ROUNDS: u64 = 30;
    seeds(60, |seed| {
        seeded(4, seed, move |cx| {
            let shared = Arc::new([const { AtomicU64::new(0) }; 3]);
            let [current, gone, stop] = [0, 1, 2];
            let look = {
                let shared = shared.clone();
                move |ns: u64| {
                    let mine = shared[current].load(Relaxed);
                    sim::spend(ns);
                    let gone = shared[gone].load(Relaxed);
                    assert!(gone <= mine, "generation {mine} in use, and {gone} are gone");
                }
            };
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            let (rng, mine) = (Rng::new(seed ^ 5), look.clone());
            let line = hard_line(cx, IRQ.number(), move |_| mine(rng.below(20_000)));
            irq::set_affinity(cx, IRQ, CpuSet::of(3)).unwrap();
            let mut readers = [1, 2, 3].map(|cpu| {
                let (look, shared, rng) = (look.clone(), shared.clone(), Rng::new(seed ^ cpu as u64));
                start_on(cx, &[cpu], "reader", fair(), move |cx| {
                    while shared[stop].load(Relaxed) == 0 {
                        let ns = rng.below(20_000);
                        match REGIONS.get(rng.below(8) as usize) {
                            Some(region) => region(cx, &|| look(ns)),
                            None => rcu::with(cx, |_, _| look(ns)),
                        }
                        if rng.below(3) == 0 {
                            time::sleep(cx, core::time::Duration::from_nanos(ns)).unwrap();
                        }
                    }
                })
            });
            for n in 1..=ROUNDS {
                shared[current].store(n, Relaxed);
                sim::irq::pend(IRQ.number());
                rcu::synchronize_expedited(cx).unwrap();
                shared[gone].store(n, Relaxed);
                time::sleep(cx, core::time::Duration::from_micros(5)).unwrap();
            }
            shared[stop].store(1, Relaxed);
            readers.iter_mut().for_each(|reader| reader.join(cx).unwrap());
            line.free(cx).unwrap();
        });
    });
}
