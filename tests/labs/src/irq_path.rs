//! Where does an interrupt go, and what does each step cost?
//!
//! One line is made pending while an ordinary thread runs. The event log, which reads the instruction counter, tells each step on
//! the way to the threaded handler and back. What recording itself costs is measured first and taken off.
use alloc::{vec, vec::Vec};
use kernel::{
    Policy, ThreadCx,
    irq::{Flags, Handled, Irq, Primary, Request, Trigger, inject::Pend},
    println, sched, thread,
    trace::{self, Kind},
};

/// A line that nothing is connected to.
const LINE: Irq = Irq::new(100);
/// The first interrupts of a line are not typical: nothing is in its place yet.
const WARM_UP: usize = 3;

/// The way, in order: what is recorded at the end of each step, and what the step is.
const STEPS: &[(Kind, &str, &str)] = &[
    (trace::VECTOR, "vector", "registers saved on the thread's stack, SP_EL1 selected"),
    (trace::IRQ_ENTER, "acknowledge", "ICC_IAR1 read, line looked up, ICC_EOIR1 written: priority drop"),
    (trace::DESCRIPTOR, "descriptor", "nothing to decide: enabled, unshared, one-shot"),
    (trace::HARD_HANDLER, "hard handler", "the driver's primary handler: WakeThread"),
    (trace::WAKE, "wake", "RUN set, IRQ thread made ready"),
    (trace::IRQ_EXIT, "interrupt exit", "flow over; the line stays active"),
    (trace::SWITCH, "switch", "interrupted thread put back, run time charged"),
    (trace::THREAD_RUN, "IRQ thread", "its stack, RUN taken"),
    (trace::THREAD_DONE, "thread handler", "the driver's threaded handler"),
    (trace::FINALIZED, "deactivate", "DSB, ICC_DIR written: the line can fire again"),
    (trace::SWITCH, "block", "no more work: the CPU is given away"),
    (trace::MARK, "back", "registers restored, ERET, next instruction of the thread"),
];

/// Runs the lab. Whether the order was as claimed.
pub fn run(cx: &mut ThreadCx) -> bool {
    match measure(cx) {
        Ok((began, events, cost)) => report(cx, began, &events, cost),
        Err(error) => {
            println!(cx, "irq-path: {}", error);
            false
        }
    }
}

/// A kind and when it was recorded.
type Event = (Kind, u64);

fn measure(cx: &mut ThreadCx) -> kernel::Result<(u64, Vec<Event>, u64)> {
    let fifo = |p| Policy::fifo(p).map_err(|_| kernel::Error::Invalid);
    // Above everything that might run meanwhile, below the IRQ thread.
    sched::set(cx, thread::current_id(), fifo(40)?)?;
    let line = Request::new(LINE, "lab")
        .hard(|_| Primary::WakeThread)
        .threaded(|_| Handled::Yes)
        .flags(Flags::ONESHOT)
        .trigger(Trigger::EdgeRising)
        .submit(cx)?;
    let pend = Pend::new(cx, LINE)?;
    for _ in 0..WARM_UP {
        pend.fire();
        trace::record(trace::MARK, 0, 0);
    }
    let mut events = vec![(trace::MARK, 0); 0];
    events.reserve(64);
    trace::drain(|_| {});
    trace::record(trace::MARK, 0, 0);
    trace::record(trace::MARK, 0, 0);
    trace::record(trace::MARK, 0, 0);
    pend.fire();
    trace::record(trace::MARK, 0, 0);
    trace::drain(|e| events.push((e.kind, e.time)));
    line.free(cx).map_err(|(_, error)| error)?;
    if events.len() < 3 {
        return Err(kernel::Error::Overflow);
    }
    let cost = events[2].1 - events[1].1;
    let began = events[2].1;
    Ok((began, events.split_off(3), cost))
}

fn report(cx: &mut ThreadCx, began: u64, events: &[Event], cost: u64) -> bool {
    println!(
        cx,
        "One interrupt, from the store that makes line {} pending to the next instruction of the thread.", LINE
    );
    println!(
        cx,
        "Instructions of each step; recording a step costs {}, which is taken off. What recording does to the", cost
    );
    println!(cx, "code around it is not: the whole way is shorter without the event log, and `bench` counts that.");
    println!(cx);
    println!(cx, "  step             instructions  total  what happens");
    let (mut last, mut total) = (began, 0);
    for (n, (kind, time)) in events.iter().enumerate() {
        let own = (time - last).saturating_sub(cost);
        last = *time;
        total += own;
        let (name, what) = match STEPS.get(n) {
            Some((expected, name, what)) if expected == kind => (*name, *what),
            _ => (trace::name(*kind), "<- not expected here"),
        };
        println!(cx, "  {:<16} {:>12} {:>6}  {}", name, own, total, what);
    }
    println!(cx);
    let right = events.len() == STEPS.len() && events.iter().zip(STEPS).all(|(e, s)| e.0 == s.0);
    if right {
        println!(cx, "The order is as claimed: {} steps.", STEPS.len());
    } else {
        println!(cx, "The order is NOT as claimed. Expected:");
        for (_, name, _) in STEPS {
            println!(cx, "  {}", name);
        }
    }
    right
}
