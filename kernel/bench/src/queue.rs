//! What does it cost to send a message and to receive it, when nobody waits?
use super::{
    ROUNDS,
    row::{Row, note},
};
use hw::clock::cycles;
use kernel::{ThreadCx, sync::MessageQueue};

/// As long as the peers' messages: 16 bytes.
type Message = [u64; 2];

pub(super) fn uncontended(cx: &mut ThreadCx) -> Row {
    let queue = MessageQueue::<Message, 8>::new();
    for round in 0..ROUNDS {
        let message = core::hint::black_box([round as u64, !(round as u64)]);
        let began = cycles();
        queue.send(cx, message);
        let received = queue.receive(cx);
        note(round, cycles() - began);
        core::hint::black_box(received);
    }
    Row::of("queue", ROUNDS)
}
