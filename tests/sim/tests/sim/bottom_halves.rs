//! Does a section with bottom halves disabled keep others out where it is a lock, and say where it must not be? (SI-04)
use crate::{
    harness::{
        Log, MS, US, become_policy, each_model, fair, fifo, forged, hard_line, move_to, ms, pend, run_model,
        sleep_till, start, start_on, these, warnings,
    },
    mutex::level,
};
use hw::sim::{self, Config};
use kernel::{
    ThreadCx, bh, irq, irq_flags,
    model::Model,
    preempt::{self, context},
    rcu::hook,
    report, sched,
    sync::SpinLock,
    thread::JoinHandle,
    time,
};
use std::sync::Arc;

/// The models under which the section is a lock.
const LOCKS: [Model; 2] = [Model::Rtb, Model::Rt];

/// A fair thread that has been in the section for a millisecond, and is for one more.
fn inside(cx: &mut ThreadCx) -> JoinHandle<()> {
    become_policy(cx, fifo(99));
    let thread = start(cx, "low", fair(), |cx| {
        let off = bh::disable(cx);
        sim::spend(2 * MS);
        drop(off);
    });
    time::sleep(cx, ms(1)).unwrap();
    thread
}

/// CX-01.2, SI-04.4: disabling bottom halves counts; it is no atomic context under `rt` and `rtb`, but makes a reader, and is one
/// under the others.
#[test]
fn disabled_bottom_halves_are_seen() {
    each_model(|cx, model| {
        let mut first = bh::disable(cx);
        let mut second = bh::disable(first.cx());
        let third = bh::disable(second.cx());
        let atomic = !model.bh_is_a_lock();
        assert!(context::in_softirq() && !context::in_serving_softirq(), "{}", model.name());
        assert_eq!((context::in_atomic(), context::preemptible()), (atomic, !atomic), "{}", model.name());
        assert_eq!((bh::owner(0).is_some(), hook::depth()), (!atomic, u32::from(!atomic)), "{}", model.name());
        drop(third);
        drop(second);
        assert!(context::in_softirq(), "{}", model.name());
        assert_eq!(bh::owner(0).is_some(), !atomic, "{}", model.name());
        drop(first);
        assert!(!context::in_softirq() && context::preemptible() && bh::owner(0).is_none(), "{}", model.name());
        assert_eq!(hook::depth(), 0);
    });
}

/// SI-04.1: whoever disables them on the CPU of a less urgent thread that has, waits and lends its priority.
#[test]
fn disabling_bottom_halves_lends_priority() {
    for model in LOCKS {
        run_model(model, Config::default(), "", |cx| {
            let mut low = inside(cx);
            let mut high = start(cx, "high", fifo(30), |cx| drop(bh::disable(cx)));
            time::sleep(cx, ms(1) / 2).unwrap();
            assert_eq!(level(cx, low.id()), 30);
            high.join(cx).unwrap();
            assert_eq!(level(cx, low.id()), 0);
            low.join(cx).unwrap();
        });
    }
}

/// SI-04.2: a thread that serves in rounds, each with bottom halves disabled, inherits from whoever comes to disable them, which
/// is let in when the round ends.
#[test]
fn who_serves_in_rounds_lends_between_them() {
    for model in LOCKS {
        run_model(model, Config::default(), "", |cx| {
            become_policy(cx, fifo(99));
            let log = Log::new();
            let (rounds, mine) = (log.clone(), log.clone());
            let mut server = start(cx, "server", fair(), move |cx| {
                for round in 1..=3 {
                    let off = bh::disable(cx);
                    sim::spend(2 * MS);
                    rounds.push(round);
                    drop(off);
                }
            });
            time::sleep(cx, ms(3)).unwrap();
            let mut high = start(cx, "high", fifo(30), move |cx| {
                let _off = bh::disable(cx);
                mine.push(0);
            });
            time::sleep(cx, ms(1) / 2).unwrap();
            assert_eq!((level(cx, server.id()), log.take()), (30, vec![1]));
            high.join(cx).unwrap();
            assert_eq!((level(cx, server.id()), log.take()), (0, vec![2, 0]));
            server.join(cx).unwrap();
            assert_eq!(log.take(), [3]);
        });
    }
}

/// SI-04.3: with `bh_lock=false` a section keeps nobody out and nobody lends for it; any other value is a warning, and it is a
/// lock.
#[test]
fn the_lock_can_be_switched_off_at_boot() {
    let cases = [
        ("bh_lock=true", true, None),
        ("bh_lock=false", false, None),
        ("bh_lock=false bh_lock=true", true, None),
        ("bh_lock=off", true, Some("boot argument bh_lock=off is not understood, ignored")),
        ("bh_lock", true, Some("boot argument bh_lock= is not understood, ignored")),
    ];
    for (model, (bootargs, locks, complaint)) in LOCKS.into_iter().flat_map(|m| cases.map(|c| (m, c))) {
        let outcome = run_model(model, Config::default(), bootargs, move |cx| {
            let log = Log::new();
            let mine = log.clone();
            let mut low = inside(cx);
            assert_eq!(bh::owner(0), locks.then_some(low.id()));
            let mut high = start(cx, "high", fifo(30), move |cx| {
                let off = bh::disable(cx);
                mine.push((context::in_softirq(), context::preemptible()));
                drop(off);
                mine.push((context::in_softirq(), context::preemptible()));
            });
            time::sleep(cx, ms(1) / 2).unwrap();
            let inside = vec![(true, true), (false, true)];
            let expected = if locks { (30, vec![]) } else { (0, inside.clone()) };
            assert_eq!((level(cx, low.id()), log.take()), expected);
            low.join(cx).unwrap();
            high.join(cx).unwrap();
            assert_eq!(log.take(), if locks { inside } else { vec![] });
            assert!(bh::owner(0).is_none() && !context::in_softirq());
        });
        let told = warnings(&outcome);
        assert_eq!(told.len(), usize::from(complaint.is_some()), "{bootargs}: {told:?}");
        assert!(complaint.is_none_or(|text| told[0].contains(text)), "{bootargs}: {told:?}");
    }
}

/// SI-04, SI-04.3: lock or not, who is in the section stays on its CPU until its outermost end.
#[test]
fn a_section_pins() {
    for (model, bootargs) in LOCKS.into_iter().flat_map(|m| [(m, ""), (m, "bh_lock=false")]) {
        run_model(model, Config { cpus: 2, ..Config::default() }, bootargs, |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            let mut pinned = start_on(cx, &[1], "pinned", fifo(50), |cx| {
                let mut outer = bh::disable(cx);
                let inner = bh::disable(outer.cx());
                sim::spend(MS);
                drop(inner);
                sim::spend(100 * US);
                let still = sim::here();
                drop(outer);
                (still, sim::here())
            });
            sim::advance(500 * US);
            sched::set_affinity(cx, pinned.id(), these(&[0])).unwrap();
            assert_eq!(pinned.join(cx), Ok((1, 0)));
        });
    }
}

/// SI-04.5: whoever waits for a spinlock in such a section leaves its CPU to others, or idle, without a warning, and stays in the
/// section; who comes to disable bottom halves there lends to the holder of the spinlock.
#[test]
fn a_section_that_waits_for_a_spinlock() {
    let outcome = run_model(Model::Rt, Config { cpus: 3, ..Config::default() }, "", |cx| {
        become_policy(cx, fifo(99));
        move_to(cx, 2);
        let begin = sim::time() + MS;
        let (lock, log) = (Arc::new(SpinLock::<()>::new(())), Log::new());
        let (held, wanted) = (lock.clone(), lock.clone());
        let mut holder = start_on(cx, &[1], "holder", fair(), move |cx| held.with(cx, |(), _| sim::spend(2 * MS)));
        // Keeps the holder from running, so that its waiter does not spin.
        let mut hog = start_on(cx, &[1], "hog", fifo(30), move |cx| {
            sleep_till(cx, begin);
            sim::spend(20 * MS);
        });
        let mine = log.clone();
        let mut waits = start_on(cx, &[0], "waits", fifo(10), move |cx| {
            sleep_till(cx, begin + MS);
            let mut off = bh::disable(cx);
            wanted.with(off.cx(), |(), _| mine.push("waits"));
        });
        let mine = log.clone();
        let mut other = start_on(cx, &[0], "other", fair(), move |cx| {
            sleep_till(cx, begin + 3 * MS);
            mine.push("other");
        });
        sleep_till(cx, begin + 2 * MS);
        let idle = sched::idle_ns(0);
        sleep_till(cx, begin + 4 * MS);
        assert!(sched::idle_ns(0) - idle > MS, "CPU 0 idles");
        assert_eq!((bh::owner(0), lock.owner()), (Some(waits.id()), Some(holder.id())));
        assert_eq!((level(cx, holder.id()), log.take()), (10, vec!["other"]));
        let mine = log.clone();
        let mut high = start_on(cx, &[0], "high", fifo(40), move |cx| {
            let _off = bh::disable(cx);
            mine.push("high");
        });
        sleep_till(cx, begin + 9 * MS / 2);
        assert_eq!([&holder, &waits].map(|thread| level(cx, thread.id())), [40, 40]);
        [&mut high, &mut waits, &mut other, &mut holder, &mut hog].into_iter().for_each(|t| t.join(cx).unwrap());
        assert_eq!(log.take(), ["waits", "high"]);
        assert_eq!(bh::owner(0), None);
    });
    assert_eq!(warnings(&outcome), [""; 0]);
}

/// SI-04.6: disabled and enabled with interrupts off, or in a hard interrupt, they are one report each, and nothing is left
/// behind; also where the interrupt comes in somebody's section.
#[test]
fn wrong_places_are_reported() {
    const IRQ: u32 = 100;
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", move |cx| {
            let nothing_left = |warnings: u32| {
                assert!(!context::in_softirq() && context::preemptible() && bh::owner(0).is_none());
                assert_eq!(report::warnings(), warnings);
            };
            let masked = irq_flags::save(cx);
            forged(|cx| drop(bh::disable(cx)));
            drop(masked);
            nothing_left(2);
            let off = bh::disable(cx);
            forged(|cx| {
                let masked = irq_flags::save(cx);
                drop(off);
                drop(masked);
            });
            nothing_left(3);
            let line = hard_line(cx, IRQ, |_| forged(|cx| drop(bh::disable(cx))));
            pend(cx, irq::Irq::new(IRQ));
            nothing_left(5);
            let mut low = inside(cx);
            pend(cx, irq::Irq::new(IRQ));
            assert_eq!(report::warnings(), 7);
            low.join(cx).unwrap();
            nothing_left(7);
            line.free(cx).unwrap();
        });
        let told = warnings(&outcome);
        let expected =
            ["disabled with", "enabled with", "enabled with", "disabled in", "enabled in", "disabled in", "enabled in"];
        for (told, expected) in told.iter().zip(expected) {
            let place = if expected.ends_with("in") { "a hard interrupt" } else { "interrupts off" };
            let expected = format!("WARNING: bottom halves {expected} {place}, by main");
            assert_eq!(*told, expected, "{}", model.name());
        }
    }
}

/// SI-04: with preemption off a section only counts; in the section of a thread that was preempted there it is reported.
#[test]
fn with_preemption_off_a_section_counts() {
    for model in LOCKS {
        let outcome = run_model(model, Config::default(), "", |cx| {
            let count = |cx: &mut ThreadCx, warnings: u32| {
                let preemption = preempt::disable(cx);
                forged(|cx| {
                    let off = bh::disable(cx);
                    assert!(context::in_softirq());
                    drop(off);
                });
                drop(preemption);
                assert_eq!(report::warnings(), warnings);
            };
            count(cx, 0);
            let mut low = inside(cx);
            count(cx, 1);
            assert_eq!(bh::owner(0), Some(low.id()));
            low.join(cx).unwrap();
        });
        let text = "WARNING: bottom halves disabled with preemption off, in somebody's section, by main";
        assert_eq!(warnings(&outcome), [text], "{}", model.name());
    }
}
