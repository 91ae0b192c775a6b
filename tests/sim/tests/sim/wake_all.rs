//! Does waking all waiters end, and reach all, when some of them wait again at once?
use crate::{
    harness::fifo,
    irq_kit::{Count, be_fifo, clean},
};
use kernel::{ThreadCx, sync::WaitQueue, thread};
use std::sync::Arc;

/// Waiters at FIFO 20 to 80, each until `go` is at least its number, and how often each looked.
fn waiters(cx: &mut ThreadCx, queue: &Arc<WaitQueue>, go: &Count) -> Vec<(thread::JoinHandle<()>, Count)> {
    let spawn = |cx: &mut ThreadCx, n: u32| {
        let (queue, go, looks) = (queue.clone(), go.clone(), Count::new());
        let seen = looks.clone();
        let body = move |cx: &mut ThreadCx| {
            queue.wait_event(cx, || {
                looks.up();
                go.get() >= n
            });
        };
        let builder = thread::Builder::new("waiter").policy(fifo(90 - 10 * n as i32));
        (builder.spawn(cx, body).unwrap(), seen)
    };
    (1..=7).map(|n| spawn(cx, n)).collect()
}

/// LK-10: a waiter that outranks the waker and waits again is looked at once, and keeps nobody from being woken.
#[test]
fn wake_all_ends_and_reaches_all() {
    clean(|cx| {
        be_fifo(cx, 1);
        let (queue, go) = (Arc::new(WaitQueue::new()), Count::new());
        let mut all = waiters(cx, &queue, &go);
        let looks = |all: &[(_, Count)]| all.iter().map(|(_, looks)| looks.get()).collect::<Vec<_>>();
        let before = looks(&all);
        // From above all of them, below all of them, and between.
        for priority in [99, 1, 50] {
            be_fifo(cx, priority);
            queue.wake_all(cx);
            be_fifo(cx, 1);
        }
        let expected: Vec<_> = before.iter().map(|looks| looks + 3).collect();
        assert_eq!(looks(&all), expected, "one look a wake");
        go.set(7);
        queue.wake_all(cx);
        assert!(all.iter_mut().all(|(waiter, _)| waiter.join(cx).is_ok()));
        assert!(!queue.wake_one(cx));
    });
}

/// LK-10: a `wake_all` in the middle of another one, which it preempts, does that one's work too.
#[test]
fn wake_all_within_wake_all() {
    clean(|cx| {
        be_fifo(cx, 50);
        let (queue, go) = (Arc::new(WaitQueue::new()), Count::new());
        let mut all = waiters(cx, &queue, &go);
        let (q, g) = (queue.clone(), go.clone());
        let inner = move |cx: &mut ThreadCx| {
            q.wait_event(cx, || g.get() > 0);
            g.set(7);
            q.wake_all(cx);
        };
        let mut inner = thread::Builder::new("inner").policy(fifo(85)).spawn(cx, inner).unwrap();
        go.set(1);
        queue.wake_all(cx);
        inner.join(cx).unwrap();
        assert!(all.iter_mut().all(|(waiter, _)| waiter.join(cx).is_ok()));
        assert!(!queue.wake_one(cx));
    });
}
