//@ error: E0277
//! What a thread's body captures must be sendable.
use kernel::{Result, ThreadCx, thread};
use std::{cell::Cell, rc::Rc};

fn start(cx: &mut ThreadCx) -> Result<()> {
    let count = Rc::new(Cell::new(0));
    thread::spawn(cx, "bad", move |_| count.set(1)).map(|_| ())
}

fn main() {}
