//@ pass
//! EF-05: a hard handler cannot wait for flags; it can set them.
use kernel::{
    ThreadCx,
    irq::{Irq, Primary, Request},
    sync::EventFlags,
};

static FLAGS: EventFlags = EventFlags::new();

fn install(cx: &mut ThreadCx) -> kernel::Result<kernel::irq::Line> {
    Request::new(Irq::spi(60), "good")
        .hard(|cx| {
            FLAGS.set(cx, 1);
            Primary::Handled
        })
        .submit(cx)
}

fn main() {}
