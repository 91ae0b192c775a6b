//@ error: E0277
//! RC-02: the section of a reader ends in the thread that began it; what it reads can go to another one.
use kernel::{ThreadCx, rcu};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx) {
    send(rcu::read(cx));
}

fn main() {}
