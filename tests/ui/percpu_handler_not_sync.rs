//@ error: E0277
//! A private line's handler runs on several CPUs at once: what it captured must be shareable.
use kernel::{Result, ThreadCx, irq};
use std::cell::Cell;

fn install(cx: &mut ThreadCx) -> Result<irq::PerCpuLine> {
    let count = Cell::new(0);
    irq::request_percpu(cx, irq::Irq::ppi(4), "bad", move |_| count.set(1))
}

fn main() {}
