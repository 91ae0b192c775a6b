//@ error: E0277
//! SI-04: an ordinary handler, which the model may run hard, does not disable bottom halves: they are off where it runs.
use kernel::{BhCx, bh};

fn handler(cx: &mut BhCx<'_>) {
    drop(bh::disable(cx));
}

fn main() {}
