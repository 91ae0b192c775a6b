//@ pass
//! What a handler captures must be sendable: it runs on whatever CPU the line is routed to.
use kernel::{
    ThreadCx,
    irq::{Irq, Line, Primary, Request},
};

fn install(cx: &mut ThreadCx) -> kernel::Result<Line> {
    let mut count = 0;
    Request::new(Irq::spi(60), "good")
        .hard(move |_| {
            count += 1;
            if count > 9 { Primary::Handled } else { Primary::None }
        })
        .submit(cx)
}

fn main() {}
