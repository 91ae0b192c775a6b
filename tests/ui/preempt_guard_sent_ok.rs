//@ pass
//! CX-01.5: a `PreemptGuard` cannot go to another thread.
use kernel::{ThreadCx, preempt};

fn keep<T>(_: T) {}

fn section(cx: &mut ThreadCx) {
    keep(preempt::disable(cx));
}

fn main() {}
