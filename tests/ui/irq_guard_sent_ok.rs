//@ pass
//! LM-01.2: the guard of an interrupt-off section cannot go to another thread.
use kernel::{ThreadCx, irq_flags};

fn keep<T>(_: T) {}

fn section(cx: &mut ThreadCx) {
    keep(irq_flags::save(cx));
}

fn main() {}
