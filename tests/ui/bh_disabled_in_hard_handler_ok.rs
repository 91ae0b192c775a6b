//@ pass
//! SI-04.6: a hard handler does not disable bottom halves, which may be a lock that sleeps; a thread does.
use kernel::{ThreadCx, bh};

fn section(cx: &mut ThreadCx) {
    drop(bh::disable(cx));
}

fn main() {}
