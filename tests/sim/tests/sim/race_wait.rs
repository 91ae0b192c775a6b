//! Is a wake-up that another CPU sends at any moment of a wait neither lost nor doubled?
use crate::{
    harness::{US, at, become_policy, fifo},
    irq_kit::{IRQ, edge},
    race::{bind_thread, busy_till, explored, race},
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    irq::{Flags, Handled},
    sync::{Completion, RawSpinLock, Semaphore, WaitQueue},
};
use std::{
    mem::{MaybeUninit, size_of},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

/// LK-10.4, SC-12.3: the condition changes and its waiter is woken, while it looks, announces itself, looks again and
/// sleeps.
#[test]
fn a_condition_changed_by_another_cpu() {
    explored(|cx| {
        let (queue, units) = (Arc::new(WaitQueue::new()), Arc::new(AtomicU32::new(0)));
        let (wakes, counts) = (queue.clone(), units.clone());
        race(
            cx,
            move |cx, _| {
                counts.fetch_add(1, SeqCst);
                wakes.wake_one(cx);
            },
            |cx, begin, _| {
                queue.wait_event(cx, || units.load(SeqCst) == 1);
                assert!(sim::time() - begin < 10 * US, "found it by chance");
            },
        );
    });
}

/// LK-10.4: the same under a lock.
#[test]
fn a_condition_changed_by_another_cpu_under_a_lock() {
    explored(|cx| {
        let shared = Arc::new((WaitQueue::new(), RawSpinLock::<u32>::new(0)));
        let other = shared.clone();
        race(
            cx,
            move |cx, _| {
                other.1.with(cx, |units, _| *units += 1);
                other.0.wake_one(cx);
            },
            |cx, _, _| shared.0.wait_until(cx, &shared.1, |units, _| (*units == 1).then_some(())),
        );
    });
}

/// LK-05: a unit given by another CPU while somebody comes for it.
#[test]
fn a_unit_given_by_another_cpu() {
    explored(unit_given);
}
pub fn unit_given(cx: &mut ThreadCx) {
    let semaphore = Arc::new(Semaphore::new(0));
    let gives = semaphore.clone();
    race(cx, move |cx, _| gives.up(cx).unwrap(), |cx, _, _| semaphore.down(cx));
    assert_eq!(semaphore.count(), 0);
}

/// LK-05.7: a unit given by another CPU in the moment in which the wait for it runs out: it is in one place.
#[test]
fn a_unit_given_when_time_runs_out() {
    explored(|cx| {
        let semaphore = Arc::new(Semaphore::new(0));
        let gives = semaphore.clone();
        let deadline = |begin| begin + 5 * US;
        let mut got = Ok(());
        race(
            cx,
            move |cx, begin| {
                // The way into the wait is another race.
                busy_till(deadline(begin) - 1);
                sim::interleave(true);
                busy_till(deadline(begin));
                gives.up(cx).unwrap();
            },
            |cx, begin, _| {
                sim::interleave(false);
                got = semaphore.down_until(cx, at(deadline(begin)));
            },
        );
        assert_eq!(semaphore.count(), u32::from(got == Err(Error::TimedOut)));
    });
}

/// LK-10: whoever has waited for a completion may give its memory back: its completer is done with it, even if the waiter
/// finds it complete because it was preempted on its way to sleep.
#[test]
fn a_completion_freed_by_its_waiter() {
    explored(completion_freed);
}
pub fn completion_freed(cx: &mut ThreadCx) {
    const PATTERN: u8 = 0xa5;
    become_policy(cx, fifo(50));
    // Its thread preempts the waiter.
    let line = edge("preempts").threaded(|_| Handled::Yes).flags(Flags::ONESHOT).priority(fifo(90)).submit(cx).unwrap();
    bind_thread(cx, "preempts", 0);
    let memory: &'static mut MaybeUninit<Completion> = Box::leak(Box::new(MaybeUninit::uninit()));
    let at = memory.as_mut_ptr();
    memory.write(Completion::new());
    let completer = at as usize;
    race(
        cx,
        move |cx, _| {
            sim::irq::pend(IRQ.number());
            // SAFETY: lives until its waiter has been let go, which is what is tested.
            unsafe { &*(completer as *const Completion) }.complete(cx);
        },
        |cx, _, _| {
            // SAFETY: made above; not used again after it was waited for.
            unsafe {
                (*at).wait(cx);
                at.cast::<u8>().write_bytes(PATTERN, size_of::<Completion>());
            }
        },
    );
    // SAFETY: written above, leaked.
    let bytes = unsafe { std::slice::from_raw_parts(at.cast::<u8>(), size_of::<Completion>()) };
    assert!(bytes.iter().all(|&byte| byte == PATTERN), "its completer wrote to it later");
    line.free(cx).unwrap();
}
