//! Do sleepers wake on time, and what does an interrupted one learn (TM-04)?
use crate::harness::{Log, MS, US, at, become_policy, exact, fair, fifo, ms, start};
use core::time::Duration;
use kernel::{
    Error, thread,
    time::{self, ClockId, Mode, Timespec},
};

const fn spec(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec { seconds, nanoseconds }
}

/// TM-04.1: a moment that has passed is no wait: nobody else gets the CPU.
#[test]
fn a_past_moment_returns_at_once() {
    exact(|cx| {
        start(cx, "equal", fair(), |_| ());
        hw::sim::spend(MS);
        let before = (hw::sim::switches(), hw::sim::time());
        time::sleep_until(cx, at(0)).unwrap();
        time::sleep_until(cx, time::now()).unwrap();
        time::sleep(cx, Duration::ZERO).unwrap();
        time::clock_nanosleep(cx, ClockId::MONOTONIC, Mode::Absolute, spec(0, 1_000_000)).unwrap();
        time::clock_nanosleep(cx, ClockId::MONOTONIC, Mode::Relative, spec(0, 0)).unwrap();
        assert_eq!((hw::sim::switches(), hw::sim::time()), before);
    });
}

/// TM-04.2: on an absolute grid, one long body makes the next three wake-ups late, and the grid is kept.
#[test]
fn absolute_sleeps_keep_the_grid() {
    exact(|cx| {
        become_policy(cx, fifo(80));
        let begin = hw::sim::time();
        let mut late = Vec::new();
        for cycle in 1..=1_000 {
            time::sleep_until(cx, at(begin + cycle * MS)).unwrap();
            let by = hw::sim::time() - (begin + cycle * MS);
            if by != 0 {
                late.push((cycle, by / US));
            }
            hw::sim::spend(if cycle == 500 { 2_500 * US } else { 300 * US });
        }
        assert_eq!(late, [(501, 1_500), (502, 800), (503, 100)]);
    });
}

/// TM-04.3: relative sleeps drift by the body's time.
#[test]
fn relative_sleeps_drift() {
    exact(|cx| {
        become_policy(cx, fifo(80));
        let begin = hw::sim::time();
        for cycle in 1..=1_000 {
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(hw::sim::time() - begin, cycle * MS + (cycle - 1) * 300 * US);
            hw::sim::spend(300 * US);
        }
    });
}

/// TM-04.6: interrupted after 4 of 10 ms, a relative sleep says what remains; an absolute one does not.
#[test]
fn an_interrupted_sleep() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        for (mode, remaining) in [(Mode::Relative, Some(ms(6))), (Mode::Absolute, None)] {
            let begin = hw::sim::time();
            let target = if mode == Mode::Relative { 10 * MS } else { begin + 10 * MS };
            let mut sleeper = start(cx, "sleeper", fifo(60), move |cx| {
                let result = time::clock_nanosleep(cx, ClockId::MONOTONIC, mode, spec(0, target as i64));
                (result, hw::sim::time())
            });
            hw::sim::spend(4 * MS);
            thread::interrupt(cx, sleeper.id()).unwrap();
            assert_eq!(sleeper.join(cx), Ok((Err((Error::Interrupted, remaining)), begin + 4 * MS)));
            // Its timer is out of the queue.
            let interrupts = time::interrupt_counts(cx).0;
            time::sleep(cx, ms(20)).unwrap();
            assert_eq!(time::interrupt_counts(cx).0 - interrupts, 1);
        }
    });
}

/// TM-04.6: an interruption that comes when the time is over does not undo the sleep; the next wait sees it.
#[test]
fn an_interruption_after_the_time_is_for_the_next_wait() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let log = Log::new();
        let out = log.clone();
        let sleeper = start(cx, "sleeper", fifo(40), move |cx| {
            for _ in 0..3 {
                let result = time::sleep(cx, ms(1));
                out.push(result);
            }
        });
        time::sleep(cx, Duration::from_micros(500)).unwrap();
        hw::sim::spend(2 * MS);
        thread::interrupt(cx, sleeper.id()).unwrap();
        time::sleep(cx, ms(10)).unwrap();
        assert_eq!(log.take(), [Ok(()), Err(Error::Interrupted), Ok(())]);
    });
}

/// TM-04.7: nanoseconds out of range, negative seconds, unknown clocks.
#[test]
fn invalid_times_are_refused() {
    exact(|cx| {
        let before = hw::sim::time();
        for mode in [Mode::Absolute, Mode::Relative] {
            for (clock, t) in [
                (ClockId::MONOTONIC, spec(0, 1_000_000_000)),
                (ClockId::MONOTONIC, spec(0, -1)),
                (ClockId::MONOTONIC, spec(-1, 0)),
                (ClockId::MONOTONIC, spec(i64::MIN, 0)),
                (ClockId(77), spec(0, 1)),
            ] {
                assert_eq!(time::clock_nanosleep(cx, clock, mode, t), Err((Error::Invalid, None)));
            }
        }
        assert_eq!(hw::sim::time(), before);
        time::clock_nanosleep(cx, ClockId::MONOTONIC, Mode::Relative, spec(1, 999_999_999)).unwrap();
        assert!((1_999_999_999..2_000_000_016).contains(&(hw::sim::time() - before)), "rounded up to the counter");
    });
}

/// TM-04: sleepers that are due together wake together, the most urgent first, however many.
#[test]
fn many_sleepers_at_one_moment() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        let moment = hw::sim::time() + 5 * MS;
        for priority in 1..=40 {
            let log = log.clone();
            start(cx, "sleeper", fifo(priority), move |cx| {
                time::sleep_until(cx, at(moment)).unwrap();
                log.push((priority, hw::sim::time()));
            });
        }
        time::sleep_until(cx, at(moment - MS)).unwrap();
        become_policy(cx, fifo(50));
        time::sleep_until(cx, at(moment)).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        let mut seen = log.take();
        assert!(seen.iter().all(|&(_, when)| when == moment));
        // An interrupt wakes one; it may run before the next is woken.
        seen.sort();
        assert_eq!(seen, (1..=40).map(|priority| (priority, moment)).collect::<Vec<_>>());
    });
}

/// TM-04: a sleep past the end of time lasts until it is interrupted.
#[test]
fn sleeping_for_ever() {
    exact(|cx| {
        let mut sleeper = start(cx, "sleeper", fifo(60), |cx| time::sleep(cx, Duration::MAX));
        time::sleep(cx, Duration::from_secs(1_000)).unwrap();
        assert!(!sleeper.is_finished());
        thread::interrupt(cx, sleeper.id()).unwrap();
        assert_eq!(sleeper.join(cx), Ok(Err(Error::Interrupted)));
    });
}
