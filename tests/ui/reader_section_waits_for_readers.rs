//@ error: E0499
//! RC-05: a reader does not wait for a grace period, which would wait for it.
use kernel::{ThreadCx, rcu};

fn section(cx: &mut ThreadCx) {
    let reader = rcu::read(cx);
    let _ = rcu::synchronize(cx);
    drop(reader);
}

fn main() {}
