//! Which requests are refused? The validation table, row by row, with nothing changed afterwards (IQ-04).
use crate::{
    harness::warnings,
    irq_kit::{Count, IRQ, clean, edge, fire, warned},
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    irq::{self, Flags, Handled, Irq, Line, Primary, Request, Trigger},
    thread,
};

/// All that a request could change.
#[derive(Debug, PartialEq)]
struct State {
    threads: usize,
    chip: sim::irq::LineState,
    handlers: Vec<String>,
    trigger: Option<Trigger>,
    depth: Option<u32>,
}

fn state(cx: &mut ThreadCx, irq: Irq) -> State {
    let info = irq::info(cx, irq).ok();
    State {
        threads: thread::live(),
        chip: sim::irq::state(irq.number()),
        handlers: info.iter().flat_map(|i| &i.handlers).map(|h| h.name.to_string()).collect(),
        trigger: info.as_ref().map(|i| i.trigger),
        depth: info.as_ref().map(|i| i.depth),
    }
}

/// The request fails with `error`, and nothing is different afterwards.
#[track_caller]
fn refused(cx: &mut ThreadCx, irq: Irq, error: Error, request: Request<'_>) {
    irq::map(cx, irq.number()).unwrap();
    let before = state(cx, irq);
    assert_eq!(request.submit(cx).map(|_| ()), Err(error));
    assert_eq!(state(cx, irq), before);
    assert_eq!(irq::verify(cx), Ok(()));
}

fn hard(name: &str) -> Request<'_> {
    edge(name).hard(|_| Primary::Handled)
}
fn threaded(name: &str) -> Request<'_> {
    edge(name).threaded(|_| Handled::Yes)
}

/// IQ-04.1, rows that concern a request alone: `Invalid`.
#[test]
fn requests_that_make_no_sense() {
    clean(|cx| {
        let invalid = [
            ("no handler", edge("dev").flags(Flags::ONESHOT)),
            ("SHARED without cookie", hard("dev").flags(Flags::SHARED)),
            ("SHARED and NO_AUTOEN", hard("dev").flags(Flags::SHARED | Flags::NO_AUTOEN).cookie(1)),
            ("thread only, no ONESHOT, edge", threaded("dev")),
            ("thread only, no ONESHOT, level", threaded("dev").trigger(Trigger::LevelHigh)),
            ("COND_SUSPEND without SHARED", hard("dev").flags(Flags::COND_SUSPEND)),
            (
                "COND_SUSPEND and NO_SUSPEND",
                hard("dev").flags(Flags::SHARED | Flags::COND_SUSPEND | Flags::NO_SUSPEND).cookie(1),
            ),
            ("ordinary handler and NO_THREAD", edge("dev").handler(|_| Handled::Yes).flags(Flags::NO_THREAD)),
            ("a trigger that the controller does not have", hard("dev").trigger(Trigger::LevelLow)),
            ("another one, threaded", threaded("dev").flags(Flags::ONESHOT).trigger(Trigger::EdgeBoth)),
        ];
        for (what, request) in invalid {
            println!("{what}");
            refused(cx, IRQ, Error::Invalid, request);
        }
        let both = edge("dev").handler(|_| Handled::Yes).threaded(|_| Handled::Yes);
        refused(cx, IRQ, Error::Unsupported, both);
    });
}

/// IQ-04.1: a private line by an ordinary request, a shared one by `request_percpu`, a reserved one by either.
#[test]
fn lines_of_the_wrong_kind() {
    clean(|cx| {
        let (ppi, sgi) = (Irq::ppi(4), Irq::new(3));
        refused(cx, ppi, Error::Invalid, Request::new(ppi, "dev").hard(|_| Primary::Handled));
        // What CPUs interrupt each other with is no line.
        assert_eq!(irq::map(cx, sgi.number()), Err(Error::Invalid));
        let request = Request::new(sgi, "dev").hard(|_| Primary::Handled);
        assert_eq!(request.submit(cx).map(|_| ()), Err(Error::Invalid));
        assert_eq!(irq::info(cx, sgi).map(|_| ()), Err(Error::NotFound));
        for line in [IRQ, sgi] {
            assert_eq!(irq::request_percpu(cx, line, "dev", |_| {}).map(|_| ()), Err(Error::Invalid));
        }
        // The timer's is taken.
        assert_eq!(irq::request_percpu(cx, Irq::ppi(11), "dev", |_| {}).map(|_| ()), Err(Error::Busy));
        assert!(irq::info(cx, IRQ).unwrap().handlers.is_empty());
    });
}

/// IQ-04.1: sharers that do not agree: `Busy`, a warning that names both, silence with PROBE_SHARED.
#[test]
fn sharers_that_do_not_agree() {
    let shared = |name| hard(name).flags(Flags::SHARED);
    let newcomers = move |silent: Flags| {
        [
            hard("new").cookie(2).flags(silent),
            shared("new").cookie(2).trigger(Trigger::LevelHigh).flags(silent),
            threaded("new").cookie(2).flags(Flags::SHARED | Flags::ONESHOT | silent),
            shared("new").cookie(2).flags(Flags::PERCPU | silent),
        ]
    };
    let expected =
        ["not shared", "different triggers", "ONESHOT", "per-CPU"].map(|what| format!("new does not fit old: {what}"));
    warned(&expected.each_ref().map(|s| s.as_str()), move |cx| {
        let line = shared("old").cookie(1).submit(cx).unwrap();
        for request in newcomers(Flags::empty()).into_iter().chain(newcomers(Flags::PROBE_SHARED)) {
            refused(cx, IRQ, Error::Busy, request);
        }
        // IQ-14.4: a cookie that another sharer has.
        refused(cx, IRQ, Error::Invalid, shared("new").cookie(1));
        let second = shared("new").cookie(2).submit(cx).unwrap();
        line.free(cx).unwrap();
        second.free(cx).unwrap();
    });
}

/// IQ-04.1: ONESHOT sharers have a bit each, and there are 64.
#[test]
fn the_sixty_fifth_oneshot_sharer() {
    clean(|cx| {
        let request = |n: usize| threaded("dev").flags(Flags::SHARED | Flags::ONESHOT).cookie(n);
        let mut lines: Vec<Line> = (1..=64).map(|n| request(n).submit(cx).unwrap()).collect();
        refused(cx, IRQ, Error::Busy, request(65));
        lines.swap_remove(30).free(cx).unwrap();
        lines.push(request(65).submit(cx).unwrap());
        fire(IRQ);
        assert!(lines.iter().all(|line| line.thread_runs() == 1));
        for line in lines {
            line.free(cx).unwrap();
        }
    });
}

/// IQ-04.1: from interrupt context everything that can sleep is refused with a warning.
#[test]
fn requests_from_a_hard_handler() {
    let outcome = crate::harness::run(|cx| {
        let asked = Count::new();
        let line = hard("dev").submit(cx).unwrap();
        let in_irq = Irq::new(101);
        let second = Request::new(in_irq, "asker")
            .hard({
                let asked = asked.clone();
                move |_| {
                    // SAFETY: tests what happens to code that defeats the tokens.
                    unsafe {
                        kernel::sleep_hook::with_forged_token(|cx| {
                            let wrong = Some(Error::WrongContext);
                            let request = Request::new(Irq::new(102), "x").hard(|_| Primary::Handled);
                            assert_eq!(request.submit(cx).err(), wrong);
                            assert_eq!(irq::request_percpu(cx, Irq::ppi(4), "x", |_| {}).err(), wrong);
                            assert_eq!(irq::unmap(cx, IRQ).err(), wrong);
                            assert_eq!(irq::info(cx, IRQ).err(), wrong);
                        });
                    }
                    asked.up();
                    Primary::Handled
                }
            })
            .submit(cx)
            .unwrap();
        fire(in_irq);
        assert_eq!(asked.get(), 1);
        assert_eq!(irq::verify(cx), Ok(()));
        assert_eq!(irq::info(cx, Irq::new(102)).err(), Some(Error::NotFound));
        line.free(cx).unwrap();
        second.free(cx).unwrap();
    });
    let found = warnings(&outcome);
    assert_eq!(found.len(), 4, "{}", outcome.console);
    assert!(found.iter().all(|w| w.contains("sleeping function called from invalid context")));
}

/// IQ-04.2: a COND_ONESHOT newcomer adopts ONESHOT where the others have it, and stays without where they have not.
#[test]
fn cond_oneshot_adopts() {
    clean(|cx| {
        for (owner, adopted) in [(Flags::ONESHOT, true), (Flags::empty(), false)] {
            let request = |name, cookie| {
                let both = hard(name).threaded(|_| Handled::Yes);
                both.flags(Flags::SHARED).cookie(cookie)
            };
            let first = request("owner", 1).flags(owner).submit(cx).unwrap();
            let second = request("newcomer", 2).flags(Flags::COND_ONESHOT).submit(cx).unwrap();
            let flags = irq::info(cx, IRQ).unwrap().handlers[1].flags;
            assert_eq!(flags.contains(Flags::ONESHOT), adopted);
            first.free(cx).unwrap();
            second.free(cx).unwrap();
        }
    });
}

/// IQ-04.3: a request without trigger keeps the line's; it is used and reported.
#[test]
fn without_a_trigger_the_line_keeps_its_own() {
    clean(|cx| {
        let ask = |trigger: Option<Trigger>| {
            let request = Request::new(IRQ, "dev").hard(|_| Primary::Handled);
            trigger.map_or_else(|| Request::new(IRQ, "dev").hard(|_| Primary::Handled), |t| request.trigger(t))
        };
        let mut expect = |trigger, then, is_edge| {
            let line = ask(trigger).submit(cx).unwrap();
            assert_eq!((irq::info(cx, IRQ).unwrap().trigger, sim::irq::state(100).edge), (then, is_edge));
            line.free(cx).unwrap();
        };
        expect(None, Trigger::LevelHigh, false);
        expect(Some(Trigger::EdgeRising), Trigger::EdgeRising, true);
        expect(None, Trigger::EdgeRising, true);
        expect(Some(Trigger::LevelHigh), Trigger::LevelHigh, false);
    });
}
