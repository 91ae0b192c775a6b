//! Do timers expire in order, on time, and as often as asked (TM-02)?
use crate::harness::{Log, MS, US, at, exact, fifo, ms, start, warnings};
use core::time::Duration;
use kernel::{
    Error, ThreadCx,
    sync::Semaphore,
    time::{self, Cancelled, HrTimer, Restart},
};
use std::sync::{Arc, OnceLock};

/// A timer that can be named in its own callback.
fn own(
    cx: &mut ThreadCx,
    mut f: impl FnMut(&mut kernel::HardIrqCx<'_>, &HrTimer) -> Restart + Send + 'static,
) -> Arc<OnceLock<HrTimer>> {
    let cell = Arc::new(OnceLock::new());
    let own = cell.clone();
    let timer = HrTimer::new(cx, move |cx, _| f(cx, own.get().unwrap()));
    assert!(cell.set(timer).is_ok());
    cell
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 11
}

/// TM-02.1: 1,000 random timers with ties, as two rounds of 500, expire sorted by time, ties as they were started.
#[test]
fn timers_expire_in_order() {
    exact(|cx| {
        let log = Log::new();
        let timers: Vec<_> = (0..500)
            .map(|n| {
                let log = log.clone();
                HrTimer::new(cx, move |_, expiry| {
                    assert!(time::now() >= expiry.at());
                    assert!(time::now().since(expiry.at()) < Duration::from_nanos(16));
                    log.push((expiry.at().as_ns(), n));
                    Restart::No
                })
            })
            .collect();
        let mut seed = 1;
        for _ in 0..2 {
            let begin = hw::sim::time();
            let mut expected: Vec<_> =
                (0..500).map(|n| (begin + random(&mut seed) % 200 * US + random(&mut seed) % 3, n)).collect();
            expected.iter().for_each(|&(when, n)| timers[n].start_at(cx, at(when)).unwrap());
            time::sleep(cx, ms(1)).unwrap();
            expected.sort_by_key(|&(when, _)| when);
            assert_eq!(log.take(), expected);
        }
    });
}

/// TM-02.2: served late, a periodic timer is moved by whole periods.
#[test]
fn forward_skips_missed_periods() {
    exact(|cx| {
        let log = Log::new();
        let seen = log.clone();
        let timer = HrTimer::new(cx, move |_, expiry| {
            let overruns = expiry.forward(time::now(), ms(10));
            seen.push((hw::sim::time() / MS, overruns, expiry.at().as_ns() / MS));
            Restart::Yes
        });
        timer.start_at(cx, at(10 * MS)).unwrap();
        let masked = kernel::irq_flags::save(cx);
        hw::sim::spend(35 * MS - hw::sim::time());
        drop(masked);
        assert_eq!(log.take(), [(35, 3, 40)]);
        hw::sim::spend(20 * MS);
        assert_eq!(log.take(), [(40, 1, 50), (50, 1, 60)]);
        assert_eq!(timer.cancel(cx), Ok(true));
        hw::sim::spend(20 * MS);
        assert_eq!(log.take(), []);
    });
}

/// TM-02.3: started again while queued, only the new expiry counts; started in its callback, it runs once more.
#[test]
fn starting_again_moves_a_timer() {
    exact(|cx| {
        let log = Log::new();
        let seen = log.clone();
        let timer = HrTimer::new(cx, move |_, _| {
            seen.push(hw::sim::time());
            Restart::No
        });
        for (first, second) in [(2, 5), (5, 2)] {
            let now = hw::sim::time();
            timer.start_at(cx, at(now + first * MS)).unwrap();
            timer.start_at(cx, at(now + second * MS)).unwrap();
            time::sleep(cx, ms(10)).unwrap();
            assert_eq!(log.take(), [now + second * MS]);
            assert!(!timer.is_queued());
        }
        for restart in [Restart::No, Restart::Yes] {
            let seen = log.clone();
            let mut runs = 0;
            let timer = own(cx, move |cx, timer| {
                seen.push(hw::sim::time());
                runs += 1;
                if runs == 1 {
                    timer.start_after(cx, ms(3)).unwrap();
                    return restart;
                }
                Restart::No
            });
            let now = hw::sim::time();
            timer.get().unwrap().start_after(cx, ms(1)).unwrap();
            time::sleep(cx, ms(20)).unwrap();
            assert_eq!(log.take(), [now + MS, now + 4 * MS]);
        }
    });
}

/// TM-02.4: a callback that takes longer than its period does not keep threads from running.
#[test]
fn a_hanging_callback_is_put_off() {
    let outcome = exact(|cx| {
        let log = Log::new();
        let seen = log.clone();
        let mut runs = 0;
        let timer = HrTimer::new(cx, move |_, expiry| {
            seen.push("callback");
            runs += 1;
            hw::sim::spend(2 * MS);
            expiry.forward(expiry.at(), ms(1));
            if runs > 4 { Restart::No } else { Restart::Yes }
        });
        let thread = log.clone();
        let (interrupts, hangs) = time::interrupt_counts(cx);
        timer.start_after(cx, ms(1)).unwrap();
        start(cx, "thread", fifo(10), move |cx| {
            time::sleep(cx, ms(1)).unwrap();
            thread.push("thread");
        });
        time::sleep(cx, ms(50)).unwrap();
        // The first run and three retries, then a thread, then, after as long as that took, the last run.
        assert_eq!(log.take(), ["callback", "callback", "callback", "callback", "thread", "callback"]);
        let after = time::interrupt_counts(cx);
        assert_eq!(after.1 - hangs, 1);
        // One a timer: four until they give up, one for the thread, one for the last run, one for this thread.
        assert_eq!(after.0 - interrupts, 7);
    });
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.console);
    assert!(outcome.console.contains("timer interrupt took too long, 8000000 ns"), "{}", outcome.console);
}

/// TM-02.6: from its own callback, cancelling is a deadlock, trying to says that it runs.
#[test]
fn cancelling_from_the_own_callback() {
    exact(|cx| {
        let log = Log::new();
        let seen = log.clone();
        let timer = own(cx, move |cx, timer| {
            seen.push((timer.cancel(cx), timer.try_cancel(cx)));
            // Cancelled while it runs, it does not come back.
            Restart::Yes
        });
        timer.get().unwrap().start_after(cx, ms(1)).unwrap();
        time::sleep(cx, ms(10)).unwrap();
        assert_eq!(log.take(), [(Err(Error::Deadlock), Cancelled::Running)]);
        assert_eq!(timer.get().unwrap().try_cancel(cx), Cancelled::NotActive);
        assert_eq!(timer.get().unwrap().cancel(cx), Ok(false));
    });
}

/// TM-02: a cancelled or dropped timer does not run; one in the past runs at once; never is never.
#[test]
fn cancelled_dropped_past_and_never() {
    exact(|cx| {
        let log = Log::new();
        let timer = |cx: &mut ThreadCx| {
            let log = log.clone();
            HrTimer::new(cx, move |_, _| {
                log.push(hw::sim::time());
                Restart::No
            })
        };
        let (cancelled, dropped, past, never) = (timer(cx), timer(cx), timer(cx), timer(cx));
        cancelled.start_after(cx, ms(1)).unwrap();
        dropped.start_after(cx, ms(1)).unwrap();
        assert_eq!(cancelled.try_cancel(cx), Cancelled::Cancelled);
        drop(dropped);
        let now = hw::sim::time();
        past.start_at(cx, at(0)).unwrap();
        hw::sim::point();
        never.start_after(cx, Duration::MAX).unwrap();
        assert!(never.is_queued());
        time::sleep(cx, ms(10)).unwrap();
        assert_eq!(log.take(), [now]);
    });
}

/// TM-02: a full queue refuses one more timer and waits with a time, and has room again when one has expired.
#[test]
fn a_full_queue_refuses() {
    exact(|cx| {
        let timers: Vec<_> = (0..=time::MAX_TIMERS).map(|_| HrTimer::new(cx, |_, _| Restart::No)).collect();
        let (last, rest) = timers.split_last().unwrap();
        let later = at(hw::sim::time() + 5 * MS);
        let refused = rest.iter().filter(|timer| timer.start_at(cx, later).is_err()).count();
        assert_eq!(last.start_at(cx, later), Err(Error::NoResource));
        assert!(!last.is_queued());
        assert!(refused < 8, "the kernel's own timers");
        assert_eq!(time::sleep(cx, ms(1)), Err(Error::NoResource));
        assert_eq!(Semaphore::new(0).down_until(cx, later), Err(Error::TimedOut));
        hw::sim::spend(10 * MS);
        assert_eq!(last.start_at(cx, later), Ok(()));
    });
}
