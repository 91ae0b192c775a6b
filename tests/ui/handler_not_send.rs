//@ error: E0277
//! What a handler captures must be sendable: it runs on whatever CPU the line is routed to.
use kernel::{
    ThreadCx,
    irq::{Irq, Line, Primary, Request},
};
use std::{cell::Cell, rc::Rc};

fn install(cx: &mut ThreadCx, count: Rc<Cell<u32>>) -> kernel::Result<Line> {
    Request::new(Irq::spi(60), "bad")
        .hard(move |_| {
            count.set(1);
            Primary::Handled
        })
        .submit(cx)
}

fn main() {}
