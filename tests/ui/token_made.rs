//@ error: E0624
//! A token cannot be made; it is handed in.
use kernel::{ThreadCx, thread};

fn anywhere() {
    // SAFETY: none.
    let mut cx = unsafe { ThreadCx::new() };
    thread::yield_now(&mut cx);
}

fn main() {}
