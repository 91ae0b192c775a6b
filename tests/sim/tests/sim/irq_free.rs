//! Is a handler gone when `free` returns, and nothing with it? (IQ-18; a mere drop)
use crate::{
    harness::{fifo, warnings},
    irq_kit::{Count, IRQ, Story, be_fifo, clean, edge, fire, warned},
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    irq::{self, Flags, Handled, Line, Primary},
    thread, time,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// IQ-18.1 on one CPU: `free` returns after the thread that is at it, and no callback comes later.
#[test]
fn free_waits_for_the_running_thread() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            be_fifo(cx, 90);
            let (story, hard) = (Story::new(), Count::new());
            let ask = edge("dev").flags(flags).cookie(1).hard(hard.hard(Primary::WakeThread)).threaded({
                let story = story.clone();
                move |cx| {
                    story.tell("begins");
                    time::sleep(cx, 2 * MS).unwrap();
                    story.tell("ends");
                    Handled::Yes
                }
            });
            let line = ask.submit(cx).unwrap();
            fire(IRQ);
            time::sleep(cx, MS).unwrap();
            assert_eq!(line.free(cx).unwrap(), "dev");
            story.tell("freed");
            fire(IRQ);
            time::sleep(cx, 5 * MS).unwrap();
            assert_eq!(story.take(), ["begins", "ends", "freed"]);
            assert_eq!((hard.get(), sim::irq::state(100).active), (1, false));
        });
    }
}

/// IQ-18.3: freed in its own hard handler: a warning and `WrongContext`; in its own thread: `Deadlock`. It stays.
#[test]
fn free_where_it_cannot_be() {
    let outcome = crate::harness::run(|cx| {
        let held: Arc<Mutex<Option<Line>>> = Arc::default();
        let try_free = |held: &Mutex<Option<Line>>, cx: &mut ThreadCx, expected| {
            let line = held.lock().unwrap().take().unwrap();
            let (line, error) = line.free(cx).unwrap_err();
            assert_eq!(error, expected);
            *held.lock().unwrap() = Some(line);
        };
        let tries = Count::new();
        let ask = edge("dev")
            .hard({
                let (held, tries) = (held.clone(), tries.clone());
                move |_| {
                    // SAFETY: tests what happens to code that defeats the tokens.
                    unsafe {
                        kernel::sleep_hook::with_forged_token(|cx| try_free(&held, cx, Error::WrongContext));
                    }
                    tries.up();
                    Primary::WakeThread
                }
            })
            .threaded({
                let (held, tries) = (held.clone(), tries.clone());
                move |cx| {
                    try_free(&held, cx, Error::Deadlock);
                    tries.up();
                    Handled::Yes
                }
            });
        let line = ask.flags(Flags::ONESHOT).submit(cx).unwrap();
        *held.lock().unwrap() = Some(line);
        fire(IRQ);
        assert_eq!(tries.get(), 2);
        assert_eq!(irq::verify(cx), Ok(()));
        let line = held.lock().unwrap().take().unwrap();
        line.free(cx).unwrap();
    });
    let found = warnings(&outcome);
    assert!(found.len() == 1 && found[0].contains("sleeping function"), "{}", outcome.console);
}

/// IQ-18.4 on one CPU: interrupts flow while a line is requested and freed 10,000 times; nothing leaks.
#[test]
fn nothing_leaks() {
    for flags in [Flags::empty(), Flags::ONESHOT] {
        clean(move |cx| {
            let (runs, threads) = (Count::new(), thread::live());
            for n in 0..10_000u64 {
                sim::at_point(1 + n % 97, sim::Injection::Pend(100));
                sim::at_point(1 + n % 311, sim::Injection::Pend(100));
                let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(runs.thread()).flags(flags);
                let line = ask.submit(cx).unwrap();
                fire(IRQ);
                line.free(cx).unwrap();
            }
            time::sleep(cx, MS).unwrap();
            assert_eq!((thread::live(), runs.sharers()), (threads, 0));
            assert!(runs.get() >= 10_000, "{} runs", runs.get());
        });
    }
}

/// IQ-18.4: the same for one sharer of two, which has a mask bit: there are 64, so a leak would show.
#[test]
fn no_mask_bit_leaks() {
    clean(|cx| {
        let (stays, goes, threads) = (Count::new(), Count::new(), thread::live());
        let ask = |name, cookie| edge(name).flags(Flags::SHARED | Flags::ONESHOT).cookie(cookie);
        let first = ask("stays", 1).threaded(stays.thread()).submit(cx).unwrap();
        for n in 0..2_000u64 {
            sim::at_point(1 + n % 301, sim::Injection::Pend(100));
            let second = ask("goes", 2).threaded(goes.thread()).submit(cx).unwrap();
            fire(IRQ);
            second.free(cx).unwrap();
        }
        assert_eq!((thread::live(), goes.sharers()), (threads + 1, 0));
        assert!(stays.get() >= 2_000 && goes.get() >= 2_000);
        first.free(cx).unwrap();
    });
}

/// The design: a handle that is merely dropped warns, masks the line at once, and the reaper frees the rest.
#[test]
fn a_dropped_handle() {
    for flags in [Flags::empty(), Flags::ONESHOT] {
        warned(&["irq 100: dev dropped without free"], move |cx| {
            let (runs, threads) = (Count::new(), thread::live());
            let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(runs.thread()).flags(flags);
            let line = ask.submit(cx).unwrap();
            fire(IRQ);
            drop(line);
            assert!(!sim::irq::state(100).enabled);
            fire(IRQ);
            time::sleep(cx, MS).unwrap();
            assert_eq!((runs.get(), runs.sharers(), thread::live()), (1, 0, threads));
            let info = irq::info(cx, IRQ).unwrap();
            assert_eq!((info.handlers.len(), info.depth), (0, 1));
            // The line is as good as new. The edge that the controller has latched meanwhile cannot be told from one that
            // comes now.
            let line = edge("next").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
            assert_eq!(runs.get(), 2);
            line.free(cx).unwrap();
        });
    }
}

/// The design: so is one that is dropped while its thread is pending or running, also by that thread itself.
#[test]
fn a_handle_dropped_by_its_own_thread() {
    warned(&["irq 100: dev dropped without free"], |cx| {
        let held: Arc<Mutex<Option<Line>>> = Arc::default();
        let (runs, threads) = (Count::new(), thread::live());
        let ask = edge("dev").flags(Flags::ONESHOT).threaded({
            let (held, runs) = (held.clone(), runs.clone());
            move |_| {
                runs.up();
                drop(held.lock().unwrap().take());
                Handled::Yes
            }
        });
        let line = ask.submit(cx).unwrap();
        *held.lock().unwrap() = Some(line);
        fire(IRQ);
        fire(IRQ);
        time::sleep(cx, MS).unwrap();
        assert_eq!((runs.get(), runs.sharers(), thread::live()), (1, 0, threads));
        assert!(!sim::irq::state(100).active);
    });
}

/// The design: and one that is dropped in its own hard handler.
#[test]
fn a_handle_dropped_by_its_hard_handler() {
    for flags in [Flags::empty(), Flags::ONESHOT] {
        warned(&["irq 100: dev dropped without free"], move |cx| {
            let held: Arc<Mutex<Option<Line>>> = Arc::default();
            let (runs, threads) = (Count::new(), thread::live());
            let ask = edge("dev").flags(flags).threaded(runs.thread()).hard({
                let held = held.clone();
                move |_| {
                    drop(held.lock().unwrap().take());
                    Primary::WakeThread
                }
            });
            let line = ask.submit(cx).unwrap();
            *held.lock().unwrap() = Some(line);
            fire(IRQ);
            fire(IRQ);
            time::sleep(cx, MS).unwrap();
            assert_eq!((runs.get(), runs.sharers(), thread::live()), (1, 0, threads));
            assert!(!sim::irq::state(100).active);
        });
    }
}

/// IQ-18: more urgent than the thread or less, the caller gets the same.
#[test]
fn free_from_any_priority() {
    clean(|cx| {
        for priority in [1, 50, 99] {
            be_fifo(cx, priority);
            let runs = Count::new();
            let ask = edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).priority(fifo(50));
            let line = ask.submit(cx).unwrap();
            fire(IRQ);
            line.free(cx).unwrap();
            assert_eq!((runs.get(), runs.sharers()), (1, 0));
        }
    });
}
