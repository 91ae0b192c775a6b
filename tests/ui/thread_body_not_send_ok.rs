//@ pass
//! What a thread's body captures must be sendable.
use kernel::{Result, ThreadCx, thread};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

fn start(cx: &mut ThreadCx) -> Result<()> {
    let count = Arc::new(AtomicU32::new(0));
    thread::spawn(cx, "good", move |_| count.store(1, Relaxed)).map(|_| ())
}

fn main() {}
