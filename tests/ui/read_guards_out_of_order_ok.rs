//@ pass
//! RC-02: nested sections of a reader end in the order in which they were opened, the last one first.
use kernel::{ThreadCx, rcu};

fn nest(cx: &mut ThreadCx) {
    let mut outer = rcu::read(cx);
    let inner = rcu::read(outer.cx());
    drop(inner);
    drop(outer);
}

fn main() {}
