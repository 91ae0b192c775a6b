//! How do runs end, and are machines independent?
use crate::{
    atomic::{AtomicU32, Ordering},
    cpu, global, irqs, power,
    sim::{self, Config, End, at_call, point, run, run_catching},
    text,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

global! {
    static COUNT: AtomicU32 = AtomicU32::new(5);
    static NAMES: [AtomicU32; 100] = [const { AtomicU32::new(1) }; 100];
}

#[test]
fn the_end_says_why() {
    let end = |boot: fn()| run(Config::default(), boot).end;
    assert_eq!(end(|| {}), End::Exit(0));
    assert_eq!(end(|| power::exit(42)), End::Exit(42));
    assert_eq!(end(|| power::reset()), End::Reset);
    assert_eq!(end(cpu::wait_for_interrupt), End::Stuck);
    let slow = Config { relax: 1_000_000, ..Config::default() };
    assert_eq!(
        run(slow, || loop {
            cpu::relax()
        })
        .end,
        End::OutOfTime
    );
    assert_eq!(end(|| sim::advance(u64::MAX)), End::OutOfTime);
    assert_eq!(
        end(|| {
            at_call(10, Box::new(|| sim::stop(End::Exit(3))));
            cpu::wait_for_interrupt();
        }),
        End::Exit(3)
    );
}

#[test]
fn the_outcome_has_the_texts_and_counts() {
    let outcome = run(Config::default(), || {
        text::write(b"hello ");
        text::write("wörld".as_bytes());
        (0..100).for_each(|_| point());
        assert_eq!(sim::console(), "hello wörld");
    });
    assert_eq!(outcome.console, "hello wörld");
    assert_eq!((outcome.points, outcome.switches, outcome.interrupts, outcome.time), (100, 0, 0, 0));
}

#[test]
fn a_panic_comes_out_with_its_message() {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            // What guards of a kernel do while a panic unwinds must not trip over the machine.
            irqs::enable();
            COUNT.store(1, Ordering::Relaxed);
        }
    }
    let payload = catch_unwind(AssertUnwindSafe(|| {
        run(Config::default(), || {
            let _guard = Guard;
            assert_eq!(1 + 1, 3, "arithmetic");
        })
    }));
    let message = payload.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("arithmetic"), "{message}");
    assert!(!sim::is_running());
    let outcome = run_catching(Config::default(), || panic!("as told"));
    assert_eq!(outcome.end, End::Panicked("as told".into()));
    assert_eq!(run(Config::default(), || power::exit(1)).end, End::Exit(1), "the host thread is as good as new");
}

#[test]
#[should_panic(expected = "in a device")]
fn a_panic_of_a_device_comes_out_too() {
    run(Config::default(), || {
        at_call(10, Box::new(|| panic!("in a device")));
        cpu::wait_for_interrupt();
    });
}

#[test]
#[should_panic(expected = "livelock: 1000 points")]
fn the_point_budget_ends_a_livelock() {
    run(Config { point_budget: 1000, ..Config::default() }, || {
        loop {
            point();
        }
    });
}

#[test]
#[should_panic(expected = "a simulated machine runs on this host thread already")]
fn a_machine_in_a_machine_is_refused() {
    run(Config::default(), || {
        run(Config::default(), || {});
    });
}

#[test]
#[should_panic(expected = "no simulated machine")]
fn kernel_state_needs_a_machine() {
    COUNT.load(Ordering::Relaxed);
}

#[test]
fn outside_a_machine_points_and_masks_do_nothing() {
    point();
    let saved = irqs::save();
    irqs::restore(saved);
    irqs::enable();
    assert!(!irqs::enabled() && !saved.was_enabled());
    assert_eq!(AtomicU32::new(3).fetch_add(1, Ordering::Relaxed), 3);
    assert_eq!(sim::machine_id(), None);
}

#[test]
fn every_machine_starts_with_fresh_statics() {
    for _ in 0..3 {
        run(Config::default(), || {
            assert_eq!(COUNT.fetch_add(1, Ordering::Relaxed), 5);
            assert_eq!(NAMES[99].swap(9, Ordering::Relaxed), 1);
            assert_eq!(COUNT.load(Ordering::Relaxed), 6);
        });
    }
}

#[test]
fn machines_run_beside_each_other() {
    let one = |step: u32| {
        let outcome = run(Config::default(), move || {
            for n in 0..100_000 {
                assert_eq!(COUNT.fetch_add(step, Ordering::Relaxed), 5 + n * step);
            }
            sim::advance(u64::from(step));
        });
        assert_eq!((outcome.time, outcome.points), (u64::from(step), 100_002));
    };
    std::thread::scope(|scope| {
        for step in 1..=4 {
            scope.spawn(move || one(step));
        }
    });
}

#[test]
fn secondary_cpus_exist_and_are_off() {
    let outcome = run(Config { cpus: 4, boot_cpu: 2, ..Config::default() }, || {
        assert_eq!((sim::here(), cpu::affinity()), (2, 2));
        cpu::wait_for_interrupt();
    });
    assert_eq!(outcome.end, End::Stuck);
}
