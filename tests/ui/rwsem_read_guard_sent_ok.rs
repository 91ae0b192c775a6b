//@ pass
//! LK-06.4: a read guard of a read-write semaphore cannot go to another thread; one that belongs to nobody can.
use kernel::{ThreadCx, sync::RwSemaphore};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &RwSemaphore<u32>) {
    send(count.read(cx).into_nonowner());
}

fn main() {}
