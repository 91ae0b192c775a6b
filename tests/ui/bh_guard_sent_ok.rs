//@ pass
//! SI-04: bottom halves are not disabled by one thread and enabled by another.
use kernel::{ThreadCx, bh};

fn keep<T>(_: T) {}

fn section(cx: &mut ThreadCx) {
    keep(bh::disable(cx));
}

fn main() {}
