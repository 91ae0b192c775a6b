//! Do messages and event flags reach threads from hard handlers of the real machine? (MQ, EF)
use crate::{
    support::{Count, become_policy, fifo, free, give_way, hard_line, pend, spare},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use kernel::{
    ThreadCx,
    irq::Primary,
    sync::{EventFlags, MessageQueue, OnExit},
    thread::Builder,
    time::Instant,
};

/// What a hard handler has to say.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    number: u32,
    at: Instant,
}

static READINGS: MessageQueue<Reading, 2> = MessageQueue::new();

/// MQ-06: a hard handler sends; the receiver, which is more urgent than what was interrupted, has each message before the
/// next instruction there, if the model preempts. What does not fit is given back to the handler, and it may take what is there.
fn mq_06_messages_from_a_hard_handler(cx: &mut ThreadCx) {
    become_policy(cx, fifo(10));
    let (received, refused) = (Count::new(), Count::new());
    let (sum, not_sent) = (received.clone(), refused.clone());
    let mut number = 0;
    let line = hard_line(cx, spare(0), "reading", move |cx| {
        number += 1;
        if let Err(unsent) = READINGS.try_send(cx, Reading { number, at: kernel::time::now() }) {
            not_sent.set(unsent.message.number);
            assert_eq!(READINGS.try_receive(cx).map(|first| first.number), Some(number - 2));
        }
        Primary::Handled
    });
    let receive = move |cx: &mut ThreadCx| {
        for expected in 1..=100 {
            let reading = READINGS.receive(cx);
            assert_eq!(reading.number, expected);
            assert!(reading.at <= kernel::time::now());
            sum.up();
        }
    };
    let mut receiver = Builder::new("receiver").policy(fifo(20)).spawn(cx, receive).expect("there is room");
    for n in 1..=100 {
        pend(cx, line.irq());
        give_way(cx);
        assert_eq!(received.get(), n);
    }
    receiver.join(cx).expect("it ends");
    for _ in 0..3 {
        pend(cx, line.irq());
    }
    assert_eq!((refused.get(), READINGS.len()), (103, 1));
    assert_eq!(READINGS.receive(cx).number, 102);
    free(cx, line);
}
test!(mq_06_messages_from_a_hard_handler);

static EVENTS: EventFlags = EventFlags::new();

/// EF-05: a hard handler lets as many threads go as can wait; all of them run before the next instruction of what was
/// interrupted, if the model preempts, the most urgent first.
fn ef_05_flags_set_by_a_hard_handler(cx: &mut ThreadCx) {
    const ROUNDS: u32 = 20;
    become_policy(cx, fifo(10));
    let line = hard_line(cx, spare(0), "event", |cx| {
        EVENTS.set(cx, 0b11);
        EVENTS.clear(cx, 0b11);
        Primary::Handled
    });
    let order = Arc::new(AtomicU32::new(0));
    let waiters = (0..EventFlags::MAX_WAITERS as u32).map(|n| {
        let order = order.clone();
        let body = move |cx: &mut ThreadCx| {
            for _ in 0..ROUNDS {
                assert_eq!(EVENTS.wait_all(cx, 0b11, OnExit::Keep), Ok(0b11));
                assert_eq!(order.fetch_add(1, SeqCst) % EventFlags::MAX_WAITERS as u32, n);
            }
        };
        let policy = fifo(90 - n as i32);
        Builder::new("waiter").policy(policy).spawn(cx, body).expect("there is room")
    });
    let waiters: Vec<_> = waiters.collect();
    give_way(cx);
    for n in 1..=ROUNDS {
        pend(cx, line.irq());
        give_way(cx);
        assert_eq!(order.load(SeqCst), n * EventFlags::MAX_WAITERS as u32);
    }
    for mut waiter in waiters {
        waiter.join(cx).expect("it ends");
    }
    free(cx, line);
}
test!(ef_05_flags_set_by_a_hard_handler);
