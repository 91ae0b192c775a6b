//@ pass
//! CX-06.1: a timer's callback runs in hard context: it cannot sleep; it can wake.
use kernel::{
    ThreadCx,
    sync::Semaphore,
    time::{HrTimer, Restart},
};

static TICKS: Semaphore = Semaphore::new(0);

fn make(cx: &mut ThreadCx) -> HrTimer {
    HrTimer::new(cx, |cx, _| {
        let _ = TICKS.up(cx);
        Restart::No
    })
}

fn main() {}
