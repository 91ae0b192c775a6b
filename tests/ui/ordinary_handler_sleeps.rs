//@ error: E0308
//! CX-06.1: an ordinary handler, which the model may run hard, cannot sleep; it can wake.
use kernel::{
    ThreadCx,
    irq::{Handled, Irq, Request},
    sync::Completion,
};

static DONE: Completion = Completion::new();

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "bad")
        .handler(|cx| {
            DONE.wait(cx);
            Handled::Yes
        })
        .submit(cx)
}

fn main() {}
