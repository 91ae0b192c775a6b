//@ pass
//! A thread's token stays with its thread; another thread gets one of its own.
use kernel::{Result, ThreadCx, thread};

fn start(cx: &mut ThreadCx) -> Result<()> {
    thread::spawn(cx, "good", |mine| thread::yield_now(mine)).map(|_| ())
}

fn main() {}
