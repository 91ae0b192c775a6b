//@ pass
//! CX-06.1: a hard handler cannot call what sleeps; a thread handler can.
use kernel::{
    ThreadCx,
    irq::{Handled, Irq, Request},
    sync::Semaphore,
};

static FREE: Semaphore = Semaphore::new(1);

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "good")
        .threaded(|cx| {
            FREE.down(cx);
            Handled::Yes
        })
        .submit(cx)
}

fn main() {}
