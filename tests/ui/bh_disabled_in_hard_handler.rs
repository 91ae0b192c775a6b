//@ error: E0277
//! SI-04.6: a hard handler does not disable bottom halves, which may be a lock that sleeps; a thread does.
use kernel::{HardIrqCx, bh};

fn handler(cx: &mut HardIrqCx<'_>) {
    drop(bh::disable(cx));
}

fn main() {}
