//@ pass
//! SI-04: an ordinary handler, which the model may run hard, does not disable bottom halves: they are off where it runs.
use kernel::{ThreadCx, bh};

fn thread(cx: &mut ThreadCx) {
    drop(bh::disable(cx));
}

fn main() {}
