//@ error: E0277
//! OW-01: the guard of a robust mutex cannot go to another thread; the mutex can be used there.
use kernel::{ThreadCx, sync::RobustMutex};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &'static RobustMutex<u32>) {
    send(count.lock(cx));
}

fn main() {}
