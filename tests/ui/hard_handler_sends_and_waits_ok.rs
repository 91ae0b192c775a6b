//@ pass
//! MQ-06: a hard handler cannot wait for a place in a queue; it can try.
use kernel::{
    ThreadCx,
    irq::{Irq, Primary, Request},
    sync::MessageQueue,
};

static QUEUE: MessageQueue<u32, 4> = MessageQueue::new();

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "good")
        .hard(|cx| match QUEUE.try_send(cx, 1) {
            Ok(()) => Primary::Handled,
            Err(_) => Primary::None,
        })
        .submit(cx)
}

fn main() {}
