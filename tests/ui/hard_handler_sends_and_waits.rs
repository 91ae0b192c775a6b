//@ error: E0308
//! MQ-06: a hard handler cannot wait for a place in a queue; it can try.
use kernel::{
    ThreadCx,
    irq::{Irq, Primary, Request},
    sync::MessageQueue,
};

static QUEUE: MessageQueue<u32, 4> = MessageQueue::new();

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "bad")
        .hard(|cx| {
            QUEUE.send(cx, 1);
            Primary::Handled
        })
        .submit(cx)
}

fn main() {}
