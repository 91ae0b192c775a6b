//! How long may a test take? In virtual time, so that a slow host changes nothing; a run on the host's clock is given more
//! (boot argument `bound=SECONDS`).
use crate::table::test;
use core::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use kernel::{
    ThreadCx,
    sync::Completion,
    time::{HrTimer, Restart},
};

/// Far more than any test needs: it only has to end those that hang.
const BOUND: Duration = Duration::from_secs(2);
/// Status of a machine whose test took too long.
const TOO_LONG: i32 = 1;

static GIVEN: AtomicU64 = AtomicU64::new(0);

/// The bound of a run on the host's clock, whose CPUs run at once and whenever the host lets them. `None`: virtual time.
pub fn given() -> Option<Duration> {
    Some(Duration::from_secs(GIVEN.load(Relaxed))).filter(|bound| !bound.is_zero())
}

/// Ends the machine when the test has not ended within the bound; dropping the timer ends the watch.
pub fn start(cx: &mut ThreadCx, name: &'static str) -> HrTimer {
    let mut buffer = [0; 8];
    if let Some(seconds) = kernel::bootargs::value("bound", &mut buffer) {
        GIVEN.store(seconds.parse().expect("bound=SECONDS"), Relaxed);
    }
    let bound = given().unwrap_or(BOUND);
    let timer = HrTimer::new(cx, move |_, _| {
        let _ = writeln!(Out, "test {name} exceeded its bound of {} s", bound.as_secs());
        hw::power::exit(TOO_LONG);
        #[expect(unreachable_code, reason = "a callback has to say something")]
        Restart::No
    });
    timer.start_after(cx, bound).expect("the timer queue is empty");
    timer
}

/// A test that waits for ever is ended, by name, with a status of its own.
fn bound_ends_a_test_that_hangs(cx: &mut ThreadCx) {
    static NEVER: Completion = Completion::new();
    NEVER.wait(cx);
}
test!(bound_ends_a_test_that_hangs, expect(1), says("test bound_ends_a_test_that_hangs exceeded its bound of 2 s"));

/// Past all threads: the one that hangs may hold the console.
struct Out;
impl Write for Out {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        hw::text::write(text.as_bytes());
        Ok(())
    }
}
