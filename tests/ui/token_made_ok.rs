//@ pass
//! A token cannot be made; it is handed in.
use kernel::{ThreadCx, thread};

fn in_a_thread(cx: &mut ThreadCx) {
    thread::yield_now(cx);
}

fn main() {}
