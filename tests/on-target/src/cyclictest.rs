//! How late does the most urgent thread wake up on the machine, under load? (TM-07)
use crate::{support::us, table::test};
use kernel::{
    ThreadCx,
    cyclictest::{self, Options},
    load::{Kinds, Load},
    model::Model,
};

/// Longest latency of the FIFO-80 thread in nanoseconds, which are instructions here. What stands in its way at most are the
/// longest section with interrupts off, a burst of eight lines, and the interrupts of the timers that expire with its own.
/// This image's tracers multiply that: 11,776 are measured, 4,224 in the default image.
const BOUND: u64 = 15_000;

/// TM-07.1: in 10,000 cycles under load (fair hogs, fights over locks, a flood of interrupts) the most urgent of the five threads
/// is never later than the bound.
fn tm_07_1_the_most_urgent_thread_is_on_time_under_load(cx: &mut ThreadCx) {
    let load = Load::start(cx, Kinds::USUAL).unwrap();
    let options = Options {
        threads: 5,
        priority: 80,
        interval: us(100),
        distance: us(50),
        cycles: 10_000,
        histogram: 100,
        unit: 100,
    };
    let report = cyclictest::run(cx, &options).unwrap();
    let figures = load.stop(cx).unwrap();
    assert!(figures.sections > 1_000 && figures.interrupts > 10_000, "{figures:?}");
    let first = &report.threads[0];
    assert_eq!(first.cycles, 10_000);
    assert!(first.max <= BOUND, "{} instead of {BOUND}", first.max);
}
test!(tm_07_1_the_most_urgent_thread_is_on_time_under_load, models(&[Model::Rt]));
