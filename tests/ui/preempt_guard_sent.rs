//@ error: E0277
//! CX-01.5: a `PreemptGuard` cannot go to another thread.
use kernel::{ThreadCx, preempt};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx) {
    send(preempt::disable(cx));
}

fn main() {}
