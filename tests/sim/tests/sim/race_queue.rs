//! Does the message queue keep what it promises when several CPUs use it at once (MQ-10)?
use crate::{
    harness::{Log, MS, US, at, fifo, seeded, start},
    race::{busy_till, explored, explored_with, race},
};
use hw::sim::{self, seeds};
use kernel::{Error, ThreadCx, sync::MessageQueue, thread, time};
use std::sync::Arc;

type Queue = MessageQueue<u32, 1>;

fn queue() -> (Arc<Queue>, Arc<Queue>) {
    let queue = Arc::new(Queue::new());
    (queue.clone(), queue)
}

/// MQ-10: a message sent by another CPU while somebody comes for it.
#[test]
fn a_message_sent_by_another_cpu() {
    explored(|cx| {
        let (queue, sends) = queue();
        race(cx, move |cx, _| sends.send(cx, 1), |cx, _, _| assert_eq!(queue.receive(cx), 1));
        assert_eq!((queue.len(), queue.space()), (0, 1));
    });
}

/// MQ-10: a place made by another CPU while somebody comes for it; the messages stay in order.
#[test]
fn a_place_made_by_another_cpu() {
    explored(|cx| {
        let (queue, takes) = queue();
        queue.send(cx, 1);
        let first = race(cx, move |cx, _| takes.receive(cx), |cx, _, _| queue.send(cx, 2));
        assert_eq!((first, queue.try_receive(cx), queue.space()), (1, Some(2), 1));
    });
}

/// MQ-10: a sender that is woken and its receiver, which both send and receive in turn through one place: the way from a
/// promise to the next place and on.
#[test]
fn two_messages_through_one_place() {
    // Longer than the others, so with fewer preemptions.
    explored_with(1, |cx| {
        let (queue, sends) = queue();
        race(
            cx,
            move |cx, _| {
                sends.send(cx, 1);
                sends.send(cx, 2);
            },
            |cx, _, _| assert_eq!((queue.receive(cx), queue.receive(cx)), (1, 2)),
        );
        assert_eq!((queue.len(), queue.space()), (0, 1));
    });
}

/// Both sides begin where the deadline of the running thread's wait passes: the way into the wait is another race.
fn at_the_deadline(deadline: u64) {
    busy_till(deadline - 1);
    sim::interleave(true);
    busy_till(deadline);
}

/// MQ-09: a message sent by another CPU in the moment in which the wait for it runs out.
#[test]
fn a_message_sent_when_time_runs_out() {
    explored(|cx| {
        let (queue, sends) = queue();
        let deadline = |begin| begin + 5 * US;
        let mut received = Ok(0);
        race(
            cx,
            move |cx, begin| {
                at_the_deadline(deadline(begin));
                sends.try_send(cx, 1).unwrap();
            },
            |cx, begin, _| {
                sim::interleave(false);
                received = queue.receive_until(cx, at(deadline(begin)));
            },
        );
        match received {
            Ok(message) => assert_eq!((message, queue.try_receive(cx)), (1, None)),
            Err(_) => assert_eq!(queue.try_receive(cx), Some(1)),
        }
        assert_eq!(queue.space(), 1);
    });
}

/// MQ-09: a place made by another CPU in the moment in which the wait for it runs out.
#[test]
fn a_place_made_when_time_runs_out() {
    explored(|cx| {
        let (queue, takes) = queue();
        queue.send(cx, 1);
        let deadline = |begin| begin + 5 * US;
        let mut unsent = None;
        let first = race(
            cx,
            move |cx, begin| {
                at_the_deadline(deadline(begin));
                takes.try_receive(cx)
            },
            |cx, begin, _| {
                sim::interleave(false);
                unsent = queue.send_until(cx, 2, at(deadline(begin))).err();
            },
        );
        assert_eq!(first, Some(1));
        match unsent {
            None => assert_eq!(queue.try_receive(cx), Some(2)),
            Some(unsent) => assert_eq!((unsent.error, unsent.message, queue.len()), (Error::TimedOut, 2, 0)),
        }
        assert_eq!(queue.space(), 1);
    });
}

/// MQ-08: a receiver that is killed while a message is sent.
#[test]
fn a_receiver_killed_while_a_message_is_sent() {
    explored(|cx| {
        let (queue, receives) = queue();
        let got = Log::new();
        let log = got.clone();
        let victim = start(cx, "victim", fifo(90), move |cx| {
            if let Ok(message) = receives.receive_interruptible(cx) {
                log.push(message);
            }
        });
        kernel::time::sleep(cx, core::time::Duration::from_micros(10)).unwrap();
        let sends = queue.clone();
        let id = victim.id();
        race(cx, move |cx, _| sends.try_send(cx, 1).unwrap(), |cx, _, _| _ = thread::kill(cx, id));
        time::sleep(cx, core::time::Duration::from_micros(50)).unwrap();
        assert!(victim.is_finished());
        let mut all = got.take();
        all.extend(queue.try_receive(cx));
        assert_eq!((all, queue.space()), (vec![1], 1));
    });
}

/// A message of the stress: who has sent it, and its number.
#[derive(Clone, Copy)]
struct Numbered {
    sender: usize,
    number: usize,
}

const SENDERS: usize = 3;
const MESSAGES: usize = 6;

/// MQ-10: whatever senders and receivers with limits do on several CPUs: no message is lost or doubled, and those of one
/// sender are received in order.
#[test]
fn messages_are_kept_on_several_cpus() {
    seeds(600, |seed| {
        seeded(3, seed, stress);
    });
}
fn stress(cx: &mut ThreadCx) {
    let queue = Arc::new(MessageQueue::<Numbered, 2>::new());
    let begin = sim::time() + MS;
    let senders = (0..SENDERS).map(|sender| {
        let queue = queue.clone();
        start(cx, "sender", fifo(10 + sender as i32 % 2), move |cx| {
            time::sleep_until(cx, at(begin)).unwrap();
            for number in 0..MESSAGES {
                let mut message = Numbered { sender, number };
                // Some wait as long as it takes, some do not wait for long, some not at all.
                match (sender + number) % 3 {
                    0 => queue.send(cx, message),
                    1 => {
                        while let Err(unsent) = queue.send_until(cx, message, at(sim::time() + US)) {
                            message = unsent.message;
                        }
                    }
                    _ => {
                        while let Err(unsent) = queue.try_send(cx, message) {
                            message = unsent.message;
                            time::sleep(cx, core::time::Duration::from_nanos(500)).unwrap();
                        }
                    }
                }
            }
        })
    });
    let mut senders: Vec<_> = senders.collect();
    let receivers = (0..2).map(|n| {
        let queue = queue.clone();
        start(cx, "receiver", fifo(10 + n), move |cx| {
            let mut mine = Vec::new();
            while let Ok(message) = queue.receive_until(cx, at(sim::time() + 2 * MS)) {
                mine.push(message);
            }
            mine
        })
    });
    let mut receivers: Vec<_> = receivers.collect();
    senders.iter_mut().for_each(|thread| thread.join(cx).unwrap());
    let mut seen = [[0; MESSAGES]; SENDERS];
    for receiver in &mut receivers {
        let mut next = [0; SENDERS];
        for Numbered { sender, number } in receiver.join(cx).unwrap() {
            assert!(number >= next[sender], "message {number} of sender {sender} was overtaken");
            next[sender] = number + 1;
            seen[sender][number] += 1;
        }
    }
    assert_eq!(seen, [[1; MESSAGES]; SENDERS]);
    assert_eq!((queue.len(), queue.space()), (0, 2));
}
