//@ error: E0277
//! A thread's token stays with its thread; another thread gets one of its own.
use kernel::{Result, ThreadCx, thread};

fn start(mut mine: ThreadCx, cx: &mut ThreadCx) -> Result<()> {
    thread::spawn(cx, "bad", move |_| thread::yield_now(&mut mine)).map(|_| ())
}

fn main() {}
