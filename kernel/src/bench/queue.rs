//! What does it cost to send a message and to receive it, when nobody waits?
use super::{ROUNDS, row::Row};
use crate::{ThreadCx, sync::MessageQueue};
use hw::clock::cycles;

/// As long as the peers' messages: 16 bytes.
type Message = [u64; 2];

pub(super) fn uncontended(cx: &mut ThreadCx) -> Row {
    let mut row = Row::new("queue");
    let queue = MessageQueue::<Message, 8>::new();
    for n in 0..ROUNDS as u64 {
        let message = core::hint::black_box([n, !n]);
        let began = cycles();
        queue.send(cx, message);
        let received = queue.receive(cx);
        row.samples.push(cycles() - began);
        core::hint::black_box(received);
    }
    row
}
