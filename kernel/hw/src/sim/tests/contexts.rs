//! Do contexts switch, nest in interrupts, and get used again?
use super::{install, interrupts::started, on_interrupt};
use crate::{
    context::{Context, switch},
    irqs, power,
    sim::{self, Config, End, Injection, point, run},
};
use std::{cell::RefCell, rc::Rc};

const NO_STACK: usize = 0;

type Contexts = Rc<Vec<Context>>;

fn contexts(count: usize) -> Contexts {
    let all: Contexts = (0..count).map(|_| Context::empty()).collect::<Vec<_>>().into();
    all[0].adopt();
    // SAFETY: new contexts.
    all[1..].iter().enumerate().for_each(|(n, context)| unsafe { context.prepare(NO_STACK, NO_STACK, n + 1) });
    all
}
fn go(contexts: &Contexts, from: usize, to: usize) {
    // SAFETY: interrupts are masked in these tests; the simulation checks the rest.
    unsafe { switch(&contexts[from], &contexts[to]) }
}

#[test]
fn switching_continues_where_a_context_left() {
    let outcome = run(Config::default(), || {
        let all = contexts(3);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (theirs, note) = (all.clone(), seen.clone());
        install(
            move |n| {
                for round in 0.. {
                    assert!(!irqs::enabled());
                    note.borrow_mut().push((n, round));
                    go(&theirs, n, (n + 1) % 3);
                }
            },
            || {},
        );
        for _ in 0..3 {
            go(&all, 0, 1);
        }
        assert_eq!(*seen.borrow(), [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2), (2, 2)]);
    });
    assert_eq!((outcome.end, outcome.switches), (End::Exit(0), 9));
}

#[test]
fn a_context_preempted_in_an_interrupt_goes_on_later() {
    run(Config::default(), || {
        let (all, gic) = (contexts(2), started());
        gic.unmask(40);
        let (theirs, back) = (all.clone(), all.clone());
        install(
            move |_| loop {
                go(&theirs, 1, 0)
            },
            move || go(&back, 0, 1),
        );
        on_interrupt(move || gic.take() == 40);
        irqs::enable();
        for n in 1..=20 {
            sim::at_point(n, Injection::Pend(40));
        }
        (0..2000).for_each(|_| point());
        assert!(irqs::enabled());
        assert_eq!(sim::switches(), 2 * sim::interrupts());
        assert!(sim::interrupts() > 0);
    });
}

#[test]
fn a_context_is_used_again() {
    run(Config::default(), || {
        let all = contexts(2);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (theirs, note) = (all.clone(), seen.clone());
        install(
            move |argument| {
                note.borrow_mut().push(argument);
                let _on_the_stack = note.clone();
                go(&theirs, 1, 0);
                unreachable!("it is dead");
            },
            || {},
        );
        for argument in 10..13 {
            // SAFETY: what it ran is dead.
            unsafe { all[1].prepare(NO_STACK, NO_STACK, argument) };
            go(&all, 0, 1);
        }
        assert_eq!(*seen.borrow(), [10, 11, 12]);
    });
}

#[test]
fn dropped_contexts_give_their_stacks_back() {
    let config = Config { context_stack: 1 << 30, ..Config::default() };
    run(config, || {
        for _ in 0..10_000 {
            let context = Context::empty();
            // SAFETY: a new context.
            unsafe { context.prepare(NO_STACK, NO_STACK, 0) };
        }
    });
}

#[test]
fn a_context_may_exit() {
    let outcome = run(Config::default(), || {
        let all = contexts(2);
        install(|argument| power::exit(argument as i32 + 4), || {});
        go(&all, 0, 1);
    });
    assert_eq!(outcome.end, End::Exit(5));
}

#[test]
#[should_panic(expected = "would run on two CPUs")]
fn switching_to_oneself_is_refused() {
    run(Config::default(), || go(&contexts(1), 0, 0));
}
#[test]
#[should_panic(expected = "prev is not what runs here")]
fn switching_from_another_is_refused() {
    run(Config::default(), || go(&contexts(3), 1, 2));
}
#[test]
#[should_panic(expected = "never prepared")]
fn switching_to_nothing_is_refused() {
    run(Config::default(), || {
        let (boot, empty) = (Context::empty(), Context::empty());
        boot.adopt();
        // SAFETY: refused.
        unsafe { switch(&boot, &empty) }
    });
}
#[test]
#[should_panic(expected = "interrupts are not masked")]
fn switching_with_interrupts_is_refused() {
    run(Config::default(), || {
        let all = contexts(2);
        irqs::enable();
        go(&all, 0, 1);
    });
}
#[test]
#[should_panic(expected = "runs on a CPU")]
fn preparing_what_runs_is_refused() {
    run(Config::default(), || {
        let boot = Context::empty();
        boot.adopt();
        // SAFETY: refused.
        unsafe { boot.prepare(NO_STACK, NO_STACK, 0) }
    });
}
#[test]
#[should_panic(expected = "a context of another machine")]
fn a_context_does_not_outlive_its_machine() {
    static KEPT: Context = Context::empty();
    run(Config::default(), || KEPT.adopt());
    // SAFETY: refused.
    run(Config::default(), || unsafe { KEPT.prepare(NO_STACK, NO_STACK, 0) });
}
