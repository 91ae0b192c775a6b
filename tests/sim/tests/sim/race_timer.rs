//! What if a timer's callback runs on one CPU while another one cancels or starts it (TM-02)? And what if it is a sleeper's
//! own, and the sleeper goes on elsewhere (TM-04)?
use crate::{
    harness::{US, at, become_policy, fifo, these},
    race::{busy_till, explored, explored_with, race},
};
use hw::sim;
use kernel::{
    Error, ThreadCx, sched, thread,
    time::{self, HrTimer, Restart},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

/// A timer that counts its runs and says whether it is in one, which takes a few points.
#[derive(Default)]
struct Runs {
    ended: AtomicU32,
    runs: AtomicBool,
}

impl Runs {
    fn timer(self: &Arc<Self>, cx: &mut kernel::ThreadCx) -> HrTimer {
        let mine = self.clone();
        HrTimer::new(cx, move |_, _| {
            assert!(!mine.runs.swap(true, SeqCst), "entered twice");
            hw::cpu::relax();
            mine.runs.store(false, SeqCst);
            mine.ended.fetch_add(1, SeqCst);
            Restart::No
        })
    }
}

/// TM-02.5: cancelled by one CPU when it expires on another: when the call returns, the callback is over or never comes.
#[test]
fn cancelled_when_it_expires() {
    explored(cancelled);
}
pub fn cancelled(cx: &mut ThreadCx) {
    let runs = Arc::new(Runs::default());
    let timer = Arc::new(runs.timer(cx));
    let (starts, expiry) = (timer.clone(), sim::time() + 100 * US);
    race(
        cx,
        move |cx, _| {
            starts.start_at(cx, at(expiry)).unwrap();
            busy_till(expiry + US);
        },
        |cx, _, _| {
            sim::interleave(false);
            busy_till(expiry - 1);
            sim::interleave(true);
            busy_till(expiry);
            let was_queued = timer.cancel(cx).unwrap();
            assert!(!runs.runs.load(SeqCst) && !timer.is_queued(), "returned while it runs");
            assert_eq!(runs.ended.load(SeqCst), u32::from(!was_queued), "runs");
        },
    );
    assert!(!timer.is_queued());
}

/// TM-02.3: started again by one CPU while its callback runs on another one, or just before or after: one further run
/// for each start that it did not replace.
#[test]
fn started_while_it_runs() {
    explored(|cx| {
        let runs = Arc::new(Runs::default());
        let timer = Arc::new(runs.timer(cx));
        let (starts, expiry) = (timer.clone(), sim::time() + 100 * US);
        let began = runs.clone();
        race(
            cx,
            move |cx, _| {
                starts.start_at(cx, at(expiry)).unwrap();
                busy_till(expiry + US);
            },
            |cx, _, _| {
                sim::interleave(false);
                busy_till(expiry - 1);
                sim::interleave(true);
                busy_till(expiry);
                let before = began.runs.load(SeqCst) || began.ended.load(SeqCst) == 1;
                timer.start_at(cx, at(expiry + 20 * US)).unwrap();
                sim::interleave(false);
                // What came before the start stays; a start that came first replaced the expiry.
                busy_till(expiry + 50 * US);
                let ended = began.ended.load(SeqCst);
                assert!(ended == 2 || ended == 1 && !before, "{ended} runs, {before}");
            },
        );
        assert!(!timer.is_queued());
    });
}

/// TM-02.3: started by two CPUs at the same moment, it is queued once, and runs once.
#[test]
fn started_by_both() {
    explored(|cx| {
        let runs = Arc::new(Runs::default());
        let timer = Arc::new(runs.timer(cx));
        let starts = timer.clone();
        let expiry = |begin: u64, later: u64| at(begin + (10 + later) * US);
        race(
            cx,
            move |cx, begin| {
                // The queue of this CPU is the one that the other looks into.
                starts.start_at(cx, expiry(begin, 50)).unwrap();
                starts.start_at(cx, expiry(begin, 1)).unwrap();
            },
            |cx, begin, _| timer.start_at(cx, expiry(begin, 0)).unwrap(),
        );
        assert_eq!(kernel::verify::all(cx), Ok(()));
        busy_till(sim::time() + 200 * US);
        assert_eq!((runs.ended.load(SeqCst), timer.is_queued()), (1, false));
    });
}

/// TM-02.5: cancelled by one CPU while another one starts it: it is out of every queue, or in that of the start.
#[test]
fn cancelled_while_it_is_started() {
    explored(|cx| {
        let runs = Arc::new(Runs::default());
        let timer = Arc::new(runs.timer(cx));
        timer.start_after(cx, core::time::Duration::from_millis(1)).unwrap();
        let starts = timer.clone();
        race(
            cx,
            move |cx, begin| starts.start_at(cx, at(begin + 50 * US)).unwrap(),
            |cx, _, _| _ = timer.cancel(cx).unwrap(),
        );
        let runs_once = timer.is_queued();
        busy_till(sim::time() + 200 * US);
        assert_eq!((runs.ended.load(SeqCst), timer.is_queued()), (u32::from(runs_once), false));
    });
}

/// TM-04: interrupted when its time comes, and moved: the timer expires on the CPU that it has left, before the thread takes
/// it back there, or after. It never goes on too early, and the late wake-up does not cut its next sleep short.
#[test]
fn a_sleeper_goes_on_elsewhere_when_its_timer_expires() {
    // One preemption is enough for it: the other CPU is on its way with the wake-up.
    explored_with(1, |cx| {
        let expiry = |begin: u64| begin + 20 * US;
        race(
            cx,
            move |cx, begin| {
                let result = time::sleep_until(cx, at(expiry(begin)));
                assert!(sim::time() >= expiry(begin) || result == Err(Error::Interrupted), "too early");
                let next = expiry(begin) + 10 * US;
                // What came after its time is left for this one.
                while time::sleep_until(cx, at(next)) == Err(Error::Interrupted) {}
                assert!(sim::time() >= next, "cut short");
            },
            |cx, begin, sleeper| {
                sim::interleave(false);
                busy_till(expiry(begin) - 1);
                sched::set_affinity(cx, sleeper, these(&[0])).unwrap();
                sim::interleave(true);
                busy_till(expiry(begin));
                thread::interrupt(cx, sleeper).unwrap();
                // It goes first.
                become_policy(cx, fifo(50));
            },
        );
        assert_eq!(kernel::verify::all(cx), Ok(()));
    });
}
