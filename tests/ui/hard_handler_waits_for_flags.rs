//@ error: E0308
//! EF-05: a hard handler cannot wait for flags; it can set them.
use kernel::{
    ThreadCx,
    irq::{Irq, Primary, Request},
    sync::{EventFlags, OnExit},
};

static FLAGS: EventFlags = EventFlags::new();

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "bad")
        .hard(|cx| {
            let _ = FLAGS.wait_any(cx, 1, OnExit::Clear);
            Primary::Handled
        })
        .submit(cx)
}

fn main() {}
