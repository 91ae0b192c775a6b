//! Do the owners of a shared line get along? (IQ-14, IQ-18.5)
use crate::irq_kit::{Count, IRQ, Story, chip_log, clean, edge, fire, warned, warned_with};
use hw::sim::{self, Config};
use kernel::{
    ThreadCx,
    irq::{self, Flags, Handled, Line, Primary, Request},
    time,
};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn sharer(name: &str, cookie: usize) -> Request<'_> {
    edge(name).flags(Flags::SHARED).cookie(cookie)
}

/// IQ-14.1: all primaries run in the order of registration, and only the one that says so gets its thread.
#[test]
fn only_the_source_wakes_its_thread() {
    clean(|cx| {
        let story = Story::new();
        let mut install = |name: &'static str, cookie, primary| {
            let (hard, thread) = (story.clone(), story.clone());
            let ask = sharer(name, cookie).flags(Flags::ONESHOT);
            let ask = ask.hard(move |_| {
                hard.tell(name);
                primary
            });
            let ask = ask.threaded(move |_| {
                thread.tell(&format!("{name} thread"));
                Handled::Yes
            });
            ask.submit(cx).unwrap()
        };
        let lines = [
            install("first", 1, Primary::None),
            install("second", 2, Primary::WakeThread),
            install("third", 3, Primary::None),
        ];
        fire(IRQ);
        assert_eq!(story.take(), ["first", "second", "third", "second thread"]);
        assert_eq!(irq::info(cx, IRQ).unwrap().unhandled, 0);
        for line in lines {
            line.free(cx).unwrap();
        }
    });
}

/// IQ-14: nobody's interrupt is one that every sharer denies.
#[test]
fn results_are_combined() {
    clean(|cx| {
        let mine = Count::new();
        let first = sharer("first", 1).hard(|_| Primary::None).submit(cx).unwrap();
        let second = sharer("second", 2).hard({
            let mine = mine.clone();
            move |_| if mine.up().is_multiple_of(2) { Primary::Handled } else { Primary::None }
        });
        let second = second.submit(cx).unwrap();
        (0..6).for_each(|_| fire(IRQ));
        assert_eq!(irq::info(cx, IRQ).unwrap().unhandled, 3);
        first.free(cx).unwrap();
        second.free(cx).unwrap();
    });
}

/// IQ-14.2: two one-shot sharers whose threads take 1 ms and 3 ms: one unmask, after 3 ms.
#[test]
fn the_last_thread_unmasks() {
    clean(|cx| {
        let install = |cx: &mut ThreadCx, cookie: u32| {
            let busy = move |cx: &mut ThreadCx| {
                time::sleep(cx, cookie * MS).unwrap();
                Handled::Yes
            };
            sharer("dev", cookie as usize).flags(Flags::ONESHOT).threaded(busy).submit(cx).unwrap()
        };
        let lines = [install(cx, 1), install(cx, 3)];
        let start = time::now();
        let log = chip_log(|| {
            fire(IRQ);
            time::sleep(cx, 2 * MS + MS / 2).unwrap();
            assert!(!sim::irq::state(100).enabled, "one thread is still busy");
            lines[1].synchronize(cx).unwrap();
        });
        assert_eq!(log, "ack eoir mask dir unmask");
        assert_eq!(time::now().since(start).as_millis(), 3);
        for line in lines {
            line.free(cx).unwrap();
        }
    });
}

/// IQ-14.3: the middle one of three is freed while the line fires at every point of it: the others miss nothing, its
/// bit is used again.
#[test]
fn the_middle_sharer_is_freed_while_the_line_fires() {
    clean(|cx| {
        let (ends, middle) = (Count::new(), Count::new());
        let install = |cx: &mut ThreadCx, cookie: usize, count: &Count| {
            sharer("dev", cookie).flags(Flags::ONESHOT).threaded(count.thread()).submit(cx).unwrap()
        };
        let first = install(cx, 1, &ends);
        let mut second = install(cx, 2, &middle);
        let third = install(cx, 3, &ends);
        for n in 1..400 {
            let before = ends.get();
            sim::at_point(n, sim::Injection::Pend(100));
            second.free(cx).unwrap();
            let ran = middle.get();
            fire(IRQ);
            assert_eq!(middle.get(), ran, "point {n}: called after free");
            time::sleep(cx, MS).unwrap();
            first.synchronize(cx).unwrap();
            assert!((before + 2..=before + 4).contains(&ends.get()), "point {n}: {} runs", ends.get() - before);
            assert_eq!(irq::verify(cx), Ok(()), "point {n}");
            second = install(cx, 2, &middle);
        }
        assert_eq!(first.thread_runs(), third.thread_runs());
        for line in [first, second, third] {
            line.free(cx).unwrap();
        }
    });
}

/// IQ-18.5, boot option `debug_shirq`: a freed sharer's hard handler is called once more, before `free` returns; that of
/// a line of its own is not.
#[test]
fn a_freed_sharer_is_called_once_more() {
    for (bootargs, extra) in [("debug_shirq", 1), ("", 0)] {
        warned_with(Config::default(), bootargs, &[], move |cx| {
            let (first, second, alone) = (Count::new(), Count::new(), Count::new());
            let install = |cx: &mut ThreadCx, count: &Count, cookie| -> Line {
                sharer("dev", cookie).hard(count.hard(Primary::Handled)).submit(cx).unwrap()
            };
            let lines = [install(cx, &first, 1), install(cx, &second, 2)];
            fire(IRQ);
            for line in lines {
                line.free(cx).unwrap();
            }
            assert_eq!((first.get(), second.get()), (1 + extra, 1 + extra));
            let line = edge("dev").hard(alone.hard(Primary::Handled)).submit(cx).unwrap();
            line.free(cx).unwrap();
            assert_eq!(alone.get(), 0);
        });
    }
}

/// The design: a sharer's handle that is dropped disables the line until the reaper has taken it out; the others then
/// go on, and what came meanwhile is not lost.
#[test]
fn a_dropped_sharer() {
    warned(&["irq 100: dropped dropped without free"], |cx| {
        let (stays, goes) = (Count::new(), Count::new());
        let first = sharer("stays", 1).hard(stays.hard(Primary::Handled)).submit(cx).unwrap();
        let second = sharer("dropped", 2).hard(goes.hard(Primary::Handled)).submit(cx).unwrap();
        drop(second);
        fire(IRQ);
        assert_eq!((stays.get(), goes.get(), sim::irq::state(100).enabled), (0, 0, false));
        time::sleep(cx, MS).unwrap();
        assert_eq!((stays.get(), goes.get(), goes.sharers(), first.depth()), (1, 0, 0, 0));
        fire(IRQ);
        assert_eq!(stays.get(), 2);
        first.free(cx).unwrap();
    });
}
