//@ pass
//! CX-02.2: nested interrupt-off guards cannot be dropped in the wrong order.
use kernel::{ThreadCx, irq_flags};

fn nest(cx: &mut ThreadCx) {
    let mut outer = irq_flags::save(cx);
    let inner = irq_flags::save_in(outer.cx());
    drop(inner);
    drop(outer);
}

fn main() {}
