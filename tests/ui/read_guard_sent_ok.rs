//@ pass
//! RC-02: the section of a reader ends in the thread that began it; what it reads can go to another one.
use kernel::rcu::RcuPtr;

fn send(_: impl Send) {}

fn share(place: &RcuPtr<u32>) {
    send(place);
}

fn main() {}
