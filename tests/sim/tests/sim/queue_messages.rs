//! Does the message queue keep messages, their order and its waiters in order as promised (MQ)?
use crate::harness::{Log, MS, at, at_every_point, become_policy, exact, fifo, hard_line, ms, pend, start};
use kernel::{
    Error, ThreadCx,
    sync::{MessageQueue, Semaphore},
    thread::{self, JoinHandle},
    time,
};
use std::sync::Arc;

type Queue = MessageQueue<u32, 2>;

/// The running thread is less urgent than all that these tests start, so that they run at once.
const LOW: i32 = 5;

fn queue(cx: &mut ThreadCx) -> Arc<Queue> {
    become_policy(cx, fifo(LOW));
    Arc::new(Queue::new())
}
/// A thread that receives one message and writes down which.
fn receiver(
    cx: &mut ThreadCx,
    queue: &Arc<Queue>,
    log: &Log<(&'static str, u32)>,
    name: &'static str,
    priority: i32,
) -> JoinHandle<()> {
    let (queue, log) = (queue.clone(), log.clone());
    start(cx, name, fifo(priority), move |cx| {
        let message = queue.receive(cx);
        log.push((name, message));
    })
}
/// A thread that sends one message.
fn sender(cx: &mut ThreadCx, queue: &Arc<Queue>, priority: i32, message: u32) -> JoinHandle<()> {
    let queue = queue.clone();
    start(cx, "sender", fifo(priority), move |cx| queue.send(cx, message))
}
fn drained(cx: &mut ThreadCx, queue: &Queue) -> Vec<u32> {
    std::iter::from_fn(|| queue.try_receive(cx)).collect()
}

/// MQ-01: messages leave in the order in which they came, round the ring; what does not fit is given back.
#[test]
fn messages_keep_their_order() {
    exact(|cx| {
        let queue = Queue::new();
        assert_eq!((queue.capacity(), queue.len(), queue.space()), (2, 0, 2));
        assert!(queue.is_empty() && !queue.is_full());
        for n in 0..5 {
            queue.send(cx, n);
            assert_eq!(queue.try_send(cx, n + 100).map_err(Error::from), Ok(()));
            let refused = queue.try_send(cx, n + 200).unwrap_err();
            assert_eq!((refused.error, refused.message), (Error::WouldBlock, n + 200));
            assert_eq!((queue.len(), queue.space(), queue.is_full()), (2, 0, true));
            assert_eq!(queue.receive(cx), n);
            assert_eq!(queue.peek(), Some(n + 100));
            assert_eq!(queue.try_receive(cx), Some(n + 100));
            assert_eq!((queue.try_receive(cx), queue.peek(), queue.is_empty()), (None, None, true));
        }
    });
}

/// MQ-01: a message sent to the front is the next, also before others sent so.
#[test]
fn the_front_is_next() {
    exact(|cx| {
        let queue = MessageQueue::<u32, 4>::new();
        queue.send(cx, 1);
        queue.send_front(cx, 2);
        queue.try_send_front(cx, 3).unwrap();
        queue.send(cx, 4);
        assert_eq!(queue.try_send_front(cx, 5).unwrap_err().message, 5);
        let order: Vec<_> = std::iter::from_fn(|| queue.try_receive(cx)).collect();
        assert_eq!(order, [3, 2, 1, 4]);
    });
}

/// MQ-02: a message goes to the most urgent receiver, of equals to the one that came first, and wakes nobody else.
#[test]
fn the_most_urgent_receiver_gets_it() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let _threads =
            [("A", 10), ("B", 30), ("C", 30), ("D", 20)].map(|(name, p)| receiver(cx, &queue, &log, name, p));
        for (n, name) in ["B", "C", "D", "A"].into_iter().enumerate() {
            let switches = hw::sim::switches();
            queue.send(cx, n as u32);
            // To the receiver, which ends, and back.
            assert_eq!(hw::sim::switches() - switches, 2);
            assert_eq!(log.take(), [(name, n as u32)]);
        }
        assert!(queue.is_empty());
    });
}

/// MQ-02: also when its priority is set while it waits, among receivers and among senders.
#[test]
fn a_changed_waiter_takes_its_place() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let receivers = [("A", 10), ("B", 30)].map(|(name, p)| receiver(cx, &queue, &log, name, p));
        kernel::sched::set(cx, receivers[0].id(), fifo(40)).unwrap();
        queue.send(cx, 1);
        queue.send(cx, 2);
        assert_eq!(log.take(), [("A", 1), ("B", 2)]);
        queue.send(cx, 0);
        queue.send(cx, 0);
        let senders = [(10, 1), (30, 2)].map(|(p, n)| sender(cx, &queue, p, n));
        kernel::sched::set(cx, senders[0].id(), fifo(40)).unwrap();
        assert_eq!(drained(cx, &queue), [0, 0, 1, 2]);
    });
}

/// MQ-03: a message that is promised to a woken receiver cannot be taken by a newcomer, however urgent, but one that
/// comes behind it can.
#[test]
fn a_promised_message_is_not_taken_by_others() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let waiting = receiver(cx, &queue, &log, "waiting", 50);
        become_policy(cx, fifo(90));
        queue.send(cx, 1);
        assert_eq!((queue.len(), queue.space(), queue.peek()), (0, 1, None));
        assert_eq!(queue.try_receive(cx), None);
        let soon = at(hw::sim::time());
        assert_eq!(queue.receive_until(cx, soon), Err(Error::TimedOut));
        queue.send(cx, 2);
        // Its promise is for a message; who comes first takes the first.
        assert_eq!((queue.try_send(cx, 3).unwrap_err().message, queue.peek()), (3, Some(1)));
        assert_eq!((queue.try_receive(cx), queue.try_receive(cx)), (Some(1), None));
        assert!(!waiting.is_finished());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), [("waiting", 2)]);
    });
}

/// MQ-04: a place that comes free is filled with the message of the most urgent waiting sender, which need not run for
/// that: a newcomer finds none, and who takes all gets theirs, too.
#[test]
fn the_most_urgent_sender_is_next() {
    exact(|cx| {
        let queue = queue(cx);
        queue.send(cx, 1);
        queue.send(cx, 2);
        let mut senders = [(10, 3), (30, 4), (30, 5), (20, 6)].map(|(p, n)| sender(cx, &queue, p, n));
        become_policy(cx, fifo(90));
        assert_eq!(queue.try_receive(cx), Some(1));
        assert_eq!(queue.try_send(cx, 7).unwrap_err().message, 7);
        assert_eq!(drained(cx, &queue), [2, 4, 5, 6, 3]);
        assert!(senders.iter().all(|sender| !sender.is_finished()));
        senders.iter_mut().for_each(|sender| sender.join(cx).unwrap());
        assert_eq!(queue.space(), 2);
    });
}

/// MQ-04: a message that comes in for one that was promised to a receiver is promised to the next receiver that waits.
#[test]
fn a_place_and_a_receiver_at_once() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        for (name, priority) in [("A", 50), ("B", 40), ("C", 30)] {
            receiver(cx, &queue, &log, name, priority);
        }
        become_policy(cx, fifo(90));
        queue.send(cx, 1);
        queue.send(cx, 2);
        let waiting = sender(cx, &queue, 95, 3);
        assert!(queue.is_full() && !waiting.is_finished());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), [("A", 1), ("B", 2), ("C", 3)]);
        assert!(waiting.is_finished());
    });
}

/// MQ-04: one that waits to send to the front goes to the front when it gets its place.
#[test]
fn a_waiting_sender_to_the_front() {
    exact(|cx| {
        let queue = queue(cx);
        queue.send(cx, 1);
        queue.send(cx, 2);
        let q = queue.clone();
        start(cx, "front", fifo(50), move |cx| q.send_front(cx, 3));
        assert_eq!(drained(cx, &queue), [1, 3, 2]);
    });
}

/// MQ-05: limits that end a wait leave nothing behind, at their time; a sender has its message again.
#[test]
fn waits_end_at_their_limits() {
    exact(|cx| {
        let queue = queue(cx);
        let deadline = at(hw::sim::time() + MS);
        assert_eq!(queue.receive_until(cx, deadline), Err(Error::TimedOut));
        assert_eq!(time::now(), deadline);
        queue.send_until(cx, 1, deadline).unwrap();
        assert_eq!(queue.receive_until(cx, deadline), Ok(1));
        queue.send(cx, 2);
        queue.send(cx, 3);
        let deadline = at(hw::sim::time() + MS);
        for unsent in [queue.send_until(cx, 4, deadline), queue.send_front_until(cx, 4, deadline)] {
            assert_eq!(unsent.map_err(|u| (u.error, u.message)), Err((Error::TimedOut, 4)));
            assert_eq!(time::now(), deadline);
        }
        assert_eq!(drained(cx, &queue), [2, 3]);
        // Pending before the wait: refused if it would have to wait, and only once.
        let me = thread::current_id();
        thread::interrupt(cx, me).unwrap();
        queue.send_interruptible(cx, 5).unwrap();
        queue.send_front_interruptible(cx, 6).unwrap();
        let unsent = queue.send_interruptible(cx, 7).unwrap_err();
        assert_eq!((unsent.error, unsent.message), (Error::Interrupted, 7));
        assert_eq!(drained(cx, &queue), [6, 5]);
        thread::interrupt(cx, me).unwrap();
        assert_eq!(queue.receive_interruptible(cx), Err(Error::Interrupted));
        queue.send(cx, 8);
        assert_eq!(queue.receive_interruptible(cx), Ok(8));
    });
}

/// MQ-05: an interrupted waiter is off the list.
#[test]
fn an_interrupted_waiter_is_passed_by() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let (q, l) = (queue.clone(), log.clone());
        let first = start(cx, "first", fifo(60), move |cx| {
            if q.receive_interruptible(cx) == Err(Error::Interrupted) {
                l.push(("interrupted", 0));
            }
        });
        receiver(cx, &queue, &log, "second", 50);
        thread::interrupt(cx, first.id()).unwrap();
        queue.send(cx, 1);
        assert_eq!(log.take(), [("interrupted", 0), ("second", 1)]);
    });
}

/// MQ-06: a hard handler sends and receives; neither waits.
#[test]
fn from_a_hard_handler() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let (q, l) = (queue.clone(), log.clone());
        let mut n = 0;
        let line = hard_line(cx, 100, move |cx| {
            n += 1;
            if n < 5 {
                l.push(("refused", u32::from(q.try_send(cx, n).is_err())));
            } else {
                l.push(("taken", q.try_receive(cx).unwrap()));
            }
        });
        receiver(cx, &queue, &log, "receiver", 50);
        for _ in 0..5 {
            pend(cx, line.irq());
        }
        let expected = [("refused", 0), ("receiver", 1), ("refused", 0), ("refused", 0), ("refused", 1), ("taken", 2)];
        assert_eq!(log.take(), expected);
        assert_eq!(drained(cx, &queue), [3]);
        line.free(cx).unwrap();
    });
}

/// MQ-07: a purge drops what was there and lets waiting senders go on; receivers wait on.
#[test]
fn purge_keeps_waiters_sane() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        queue.send(cx, 1);
        queue.send(cx, 2);
        let waiting = [sender(cx, &queue, 50, 3), sender(cx, &queue, 40, 4)];
        assert_eq!(queue.purge(cx), 2);
        assert!(waiting.iter().all(|sender| sender.is_finished()));
        assert_eq!(drained(cx, &queue), [3, 4]);
        receiver(cx, &queue, &log, "receiver", 50);
        assert_eq!(queue.purge(cx), 0);
        queue.send(cx, 5);
        assert_eq!(log.take(), [("receiver", 5)]);
    });
}

/// MQ-07: what is sent over the others is taken in any case; the first of a full queue makes room. A promise holds.
#[test]
fn sent_over_the_others() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        assert_eq!((queue.send_over(cx, 1), queue.send_over(cx, 2)), (None, None));
        let waiting = sender(cx, &queue, 50, 9);
        assert_eq!((queue.send_over(cx, 3), queue.send_over(cx, 4)), (Some(1), Some(2)));
        assert!(!waiting.is_finished());
        assert_eq!(drained(cx, &queue), [3, 4, 9]);
        receiver(cx, &queue, &log, "receiver", 50);
        become_policy(cx, fifo(90));
        for n in 5..8 {
            queue.send_over(cx, n);
        }
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!((log.take(), drained(cx, &queue)), (vec![("receiver", 6)], vec![7]));
    });
}

/// MQ-08: every message is dropped exactly once: with the queue, by a purge, by a killed sender that had not got its
/// place.
#[test]
fn messages_are_dropped_once() {
    exact(|cx| {
        become_policy(cx, fifo(LOW));
        let message = Arc::new(());
        let queue = Arc::new(MessageQueue::<Arc<()>, 2>::new());
        queue.send(cx, message.clone());
        queue.send(cx, message.clone());
        let (q, m) = (queue.clone(), message.clone());
        let victim = start(cx, "victim", fifo(50), move |cx| _ = q.send_interruptible(cx, m));
        assert_eq!(Arc::strong_count(&message), 4);
        thread::kill(cx, victim.id()).unwrap();
        assert!(victim.is_finished());
        assert_eq!(Arc::strong_count(&message), 3);
        assert_eq!(queue.purge(cx), 2);
        assert_eq!(Arc::strong_count(&message), 1);
        queue.send(cx, message.clone());
        let queue = Arc::into_inner(queue);
        // Nothing unwinds: the victim's own reference is never dropped.
        assert!(queue.is_none());
        let own = MessageQueue::<Arc<()>, 2>::new();
        own.send(cx, message.clone());
        assert_eq!(Arc::strong_count(&message), 3);
        drop(own);
        assert_eq!(Arc::strong_count(&message), 2);
    });
}

/// MQ-08: what a killed receiver was promised goes to the next one, or stays for whoever comes; no place is lost.
#[test]
fn a_killed_receiver_passes_its_message_on() {
    exact(|cx| {
        let (queue, log) = (queue(cx), Log::new());
        let victim = receiver(cx, &queue, &log, "victim", 60);
        receiver(cx, &queue, &log, "next", 50);
        thread::kill(cx, victim.id()).unwrap();
        queue.send(cx, 1);
        assert!(victim.is_finished());
        assert_eq!(log.take(), [("next", 1)]);
        let victim = receiver(cx, &queue, &log, "victim", 60);
        thread::kill(cx, victim.id()).unwrap();
        queue.send(cx, 2);
        queue.send(cx, 3);
        assert!(queue.is_full());
        assert_eq!(drained(cx, &queue), [2, 3]);
        assert!(log.take().is_empty());
    });
}

/// MQ-08: what a killed sender had its place for is in the queue.
#[test]
fn a_killed_sender_has_sent_or_not() {
    exact(|cx| {
        let queue = queue(cx);
        queue.send(cx, 1);
        queue.send(cx, 2);
        let victim = sender(cx, &queue, 60, 3);
        let next = sender(cx, &queue, 50, 4);
        // It waits uninterruptibly: it dies when it is let go.
        thread::kill(cx, victim.id()).unwrap();
        assert_eq!(drained(cx, &queue), [1, 2, 3, 4]);
        assert!(victim.is_finished() && next.is_finished());
    });
}

/// After the waits of an empty queue's receiver: the message is with it or in the queue, and the queue still works.
#[track_caller]
fn in_one_place(cx: &mut ThreadCx, queue: &Queue, received: Result<u32, Error>, message: u32) {
    let mut all = drained(cx, queue);
    all.extend(received.ok());
    assert_eq!(all, [message]);
    queue.send(cx, 8);
    queue.send(cx, 9);
    assert_eq!((drained(cx, queue), queue.space()), (vec![8, 9], 2));
}

/// MQ-09: a message from a hard handler while the receiver's deadline passes, wherever the receiver is: with it or in the
/// queue, never both or neither.
#[test]
fn timeout_and_message_at_the_same_instant() {
    for spent in [0, 2 * MS] {
        at_every_point(move |cx, arm| {
            let queue = queue(cx);
            let q = queue.clone();
            let line = hard_line(cx, 100, move |cx| {
                hw::sim::spend(spent);
                q.try_send(cx, 1).unwrap();
            });
            let deadline = at(hw::sim::time() + MS);
            arm();
            let received = queue.receive_until(cx, deadline);
            if received.is_err() {
                assert!(time::now() >= deadline);
                // The interrupt comes at the latest when the CPU is idle.
                time::sleep(cx, ms(1)).unwrap();
            }
            in_one_place(cx, &queue, received, 1);
            line.free(cx).unwrap();
        });
    }
}

/// MQ-09: the same for a place and a waiting sender.
#[test]
fn timeout_and_place_at_the_same_instant() {
    for spent in [0, 2 * MS] {
        at_every_point(move |cx, arm| {
            let (queue, taken) = (queue(cx), Log::new());
            let (q, log) = (queue.clone(), taken.clone());
            let line = hard_line(cx, 100, move |cx| {
                hw::sim::spend(spent);
                log.push(q.try_receive(cx).unwrap());
            });
            queue.send(cx, 1);
            queue.send(cx, 2);
            let deadline = at(hw::sim::time() + MS);
            arm();
            let sent = queue.send_until(cx, 3, deadline);
            if sent.is_err() {
                time::sleep(cx, ms(1)).unwrap();
            }
            let mut all = taken.take();
            all.extend(drained(cx, &queue));
            all.extend(sent.err().map(|unsent| unsent.message));
            assert_eq!(all, [1, 2, 3]);
            assert_eq!(queue.space(), 2);
            line.free(cx).unwrap();
        });
    }
}

/// MQ-09: the same with an interruption in place of the deadline.
#[test]
fn interruption_and_message_at_the_same_instant() {
    at_every_point(|cx, arm| {
        let (queue, go) = (queue(cx), Arc::new(Semaphore::new(0)));
        let (q, up) = (queue.clone(), go.clone());
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let me = thread::current_id();
        start(cx, "interrupter", fifo(90), move |cx| {
            go.down(cx);
            // Both before the waiter, which is less urgent, can look.
            thread::interrupt(cx, me).unwrap();
            q.try_send(cx, 1).unwrap();
        });
        arm();
        let received = queue.receive_interruptible(cx);
        in_one_place(cx, &queue, received, 1);
        line.free(cx).unwrap();
    });
}

/// MQ-09, MQ-08: wherever a receiver is when it is killed, a message is received by a living thread or still there.
#[test]
fn a_kill_loses_no_message() {
    for sent_first in [false, true] {
        at_every_point(move |cx, arm| {
            let (queue, go, taken) = (queue(cx), Arc::new(Semaphore::new(0)), Log::new());
            let up = go.clone();
            let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
            let (q, log) = (queue.clone(), taken.clone());
            arm();
            let victim = start(cx, "victim", fifo(50), move |cx| {
                let message = q.receive(cx);
                log.push(message);
                if let Ok(message) = q.receive_interruptible(cx) {
                    log.push(message);
                }
            });
            let (q, id) = (queue.clone(), victim.id());
            start(cx, "killer", fifo(90), move |cx| {
                go.down(cx);
                if sent_first {
                    q.send(cx, 1);
                }
                let _ = thread::kill(cx, id);
                q.send(cx, 2);
            });
            time::sleep(cx, ms(2)).unwrap();
            assert!(victim.is_finished());
            let mut all = taken.take();
            all.extend(drained(cx, &queue));
            assert_eq!(all, if sent_first { vec![1, 2] } else { vec![2] });
            queue.send(cx, 8);
            queue.send(cx, 9);
            assert_eq!(drained(cx, &queue), [8, 9]);
            line.free(cx).unwrap();
        });
    }
}
