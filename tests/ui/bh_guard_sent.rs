//@ error: E0277
//! SI-04: bottom halves are not disabled by one thread and enabled by another.
use kernel::{ThreadCx, bh};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx) {
    send(bh::disable(cx));
}

fn main() {}
