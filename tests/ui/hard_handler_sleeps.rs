//@ error: E0308
//! CX-06.1: a hard handler cannot call what sleeps; a thread handler can.
use kernel::{
    ThreadCx,
    irq::{Irq, Primary, Request},
    sync::Semaphore,
};

static FREE: Semaphore = Semaphore::new(1);

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "bad")
        .hard(|cx| {
            FREE.down(cx);
            Primary::Handled
        })
        .submit(cx)
}

fn main() {}
