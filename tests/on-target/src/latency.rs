//! Are sections with interrupts off measured exactly, and short whatever the load? (TR-01)
use crate::{
    support::{Count, become_policy, counted_line, fifo, free, ms, pend, sleep, spare, us},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use core::{arch::asm, time::Duration};
use kernel::{
    Policy, ThreadCx,
    irq::{Flags, Handled, Request, Trigger},
    irq_flags,
    latency::{self, Kind},
    preempt, sched,
    sync::{Completion, Semaphore, WaitQueue},
    thread::{self, Builder, ThreadId},
    time::{self, HrTimer, Restart},
    trace,
};

/// A loop of `2 * turns` instructions.
#[inline(always)]
fn work(turns: u64) {
    // SAFETY: counts a register down.
    unsafe { asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) turns => _, options(nostack)) };
}

/// Length of the longest section since the last call.
fn longest(kind: Kind) -> u64 {
    let length = latency::max(kind).map_or(0, |section| section.length);
    latency::reset(kind);
    length
}

/// TR-01: what the tracers cost is not in what they measure, neither their hooks nor the event log.
fn tr_01_the_tracers_own_cost_is_taken_off(cx: &mut ThreadCx) {
    const TURNS: u64 = 300;
    /// Changing the mask, and what goes with it.
    const MARGIN: u64 = 40;
    longest(Kind::IrqsOff);
    let masked = irq_flags::save(cx);
    work(TURNS);
    drop(masked);
    let bare = longest(Kind::IrqsOff);
    assert!((2 * TURNS..2 * TURNS + MARGIN).contains(&bare), "{bare}");

    let masked = irq_flags::save(cx);
    work(TURNS);
    for _ in 0..10 {
        // SAFETY: paired with the enable.
        unsafe { preempt::hook::disable() };
        trace::record(trace::MARK, 0, 0);
        // SAFETY: disabled above.
        unsafe { preempt::hook::enable() };
    }
    drop(masked);
    let with_hooks = longest(Kind::IrqsOff);
    // Twenty hooks and ten records; what is left of each is what any disable, enable and record cost a caller.
    assert!((bare..bare + 10 * MARGIN).contains(&with_hooks), "{with_hooks} instead of {bare}");
}
test!(tr_01_the_tracers_own_cost_is_taken_off);

/// A thread that waits for its turn and is woken with many others.
fn crowd<T: Send + 'static>(
    cx: &mut ThreadCx,
    policy: Policy,
    body: impl Fn(&mut ThreadCx) -> T + Clone + Send + 'static,
) -> Vec<thread::JoinHandle<T>> {
    const CROWD: usize = 64;
    (0..CROWD)
        .map(|_| {
            let body = body.clone();
            Builder::new("crowd").policy(policy).spawn(cx, move |cx| body(cx)).unwrap()
        })
        .collect()
}

fn join<T>(cx: &mut ThreadCx, threads: Vec<thread::JoinHandle<T>>) {
    for mut thread in threads {
        let _ = thread.join(cx);
    }
}

/// Many sleepers and timers at the same moment, in a queue that is nearly full.
fn tr_01_many_timers_at_once(cx: &mut ThreadCx) {
    become_policy(cx, fifo(30));
    let far = time::now().saturating_add(Duration::from_secs(60));
    let backdrop: Vec<HrTimer> = (0..400)
        .map(|n| {
            let timer = HrTimer::new(cx, |_, _| Restart::No);
            timer.start_at(cx, far.saturating_add(us(997 * n % 400))).unwrap();
            timer
        })
        .collect();
    for policy in [fifo(20), fifo(40), Policy::other(0).unwrap(), Policy::rr(40).unwrap()] {
        let at = time::now().saturating_add(ms(20));
        let threads = crowd(cx, policy, move |cx| time::sleep_until(cx, at).unwrap());
        join(cx, threads);
    }
    let fired = Count::new();
    let at = time::now().saturating_add(ms(20));
    let timers: Vec<HrTimer> = (0..64)
        .map(|_| {
            let fired = fired.clone();
            let timer = HrTimer::new(cx, move |_, expiry| {
                fired.up();
                expiry.forward(time::now(), ms(1));
                if fired.get() < 300 { Restart::Yes } else { Restart::No }
            });
            timer.start_at(cx, at).unwrap();
            timer
        })
        .collect();
    sleep(cx, ms(40));
    assert!(fired.get() >= 300);
    drop(timers);
    drop(backdrop);
}
test!(tr_01_many_timers_at_once);

/// Many waiters, woken one by one and all at once, timed out and interrupted, at every policy.
fn tr_01_many_waiters(cx: &mut ThreadCx) {
    static QUEUE: WaitQueue = WaitQueue::new();
    become_policy(cx, fifo(30));
    for policy in [fifo(20), fifo(40), Policy::other(0).unwrap(), Policy::rr(40).unwrap()] {
        let go = Count::new();
        let seen = go.clone();
        let threads = crowd(cx, policy, move |cx| QUEUE.wait_event(cx, || seen.get() != 0));
        sleep(cx, ms(1));
        go.set(1);
        QUEUE.wake_all(cx);
        join(cx, threads);

        let semaphore = Arc::new(Semaphore::new(0));
        let waited = semaphore.clone();
        let threads = crowd(cx, policy, move |cx| waited.down(cx));
        sleep(cx, ms(1));
        for _ in &threads {
            semaphore.up(cx).unwrap();
        }
        join(cx, threads);

        let done = Arc::new(Completion::new());
        let waited = done.clone();
        let threads = crowd(cx, policy, move |cx| waited.wait(cx));
        sleep(cx, ms(1));
        done.complete_all(cx);
        join(cx, threads);

        let threads = crowd(cx, policy, |cx| time::sleep(cx, Duration::from_secs(1)));
        sleep(cx, ms(1));
        for thread in &threads {
            thread::interrupt(cx, thread.id()).unwrap();
        }
        join(cx, threads);
    }
}
test!(tr_01_many_waiters);

/// Policies of many threads are changed while they are ready, run and wait; the list of threads is walked; they are killed.
fn tr_01_many_threads_are_changed(cx: &mut ThreadCx) {
    become_policy(cx, fifo(90));
    let waiting = Arc::new(Semaphore::new(0));
    let waited = waiting.clone();
    let threads = crowd(cx, fifo(10), move |cx| {
        let _ = waited.down_interruptible(cx);
        while !thread::interrupted(cx) {
            thread::yield_now(cx);
        }
    });
    for round in 0..4 {
        let ids: Vec<ThreadId> = threads.iter().map(thread::JoinHandle::id).collect();
        for (n, &id) in ids.iter().enumerate() {
            let policy = match (n + round) % 3 {
                0 => fifo(1 + n as i32),
                1 => Policy::rr(1 + n as i32).unwrap(),
                _ => Policy::other(0).unwrap(),
            };
            sched::set(cx, id, policy).unwrap();
        }
        thread::for_each(cx, |_, _| ());
        if round == 1 {
            for _ in &threads {
                waiting.up(cx).unwrap();
            }
        }
        sleep(cx, ms(1));
    }
    for thread in &threads {
        thread::interrupt(cx, thread.id()).unwrap();
    }
    for thread in &threads {
        let _ = thread::kill(cx, thread.id());
    }
    join(cx, threads);
}
test!(tr_01_many_threads_are_changed);

/// Many lines, requested, fired together, configured, disabled and freed.
fn tr_01_many_lines_at_once(cx: &mut ThreadCx) {
    const LINES: u32 = 32;
    become_policy(cx, fifo(30));
    for priority in [20, 40] {
        let runs = Count::new();
        let lines: Vec<_> = (0..LINES)
            .map(|n| {
                let counted = runs.clone();
                Request::new(spare(n), "many")
                    .flags(Flags::ONESHOT)
                    .trigger(Trigger::EdgeRising)
                    .priority(fifo(priority))
                    .threaded(move |_| {
                        counted.up();
                        Handled::Yes
                    })
                    .submit(cx)
                    .unwrap()
            })
            .collect();
        let mut masked = irq_flags::save(cx);
        // Pending them is the test's own section.
        for n in 0..LINES {
            pend(masked.cx(), spare(n));
        }
        latency::ignore();
        drop(masked);
        sleep(cx, ms(1));
        assert_eq!(runs.get(), LINES);
        for line in lines {
            line.disable(cx).unwrap();
            pend(cx, line.irq());
            line.enable(cx).unwrap();
            line.set_hw_priority(cx, 0x80).unwrap();
            line.synchronize(cx).unwrap();
            free(cx, line);
        }
    }
    let shared: Vec<_> = (0..8)
        .map(|_| {
            let request = Request::new(spare(0), "sharer").flags(Flags::SHARED).trigger(Trigger::LevelHigh);
            request.threaded(|_| Handled::Yes).submit(cx)
        })
        .collect();
    sleep(cx, us(100));
    for line in shared.into_iter().flatten() {
        free(cx, line);
    }
    let (line, handled) = counted_line(cx, spare(1), "last");
    pend(cx, spare(1));
    assert_eq!(handled.get(), 1);
    free(cx, line);
}
test!(tr_01_many_lines_at_once);
