//@ error: E0277
//! LM-01.2: the guard of an interrupt-off section cannot go to another thread.
use kernel::{ThreadCx, irq_flags};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx) {
    send(irq_flags::save(cx));
}

fn main() {}
