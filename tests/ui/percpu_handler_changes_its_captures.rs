//@ error: E0594
//! A private line's handler runs on several CPUs at once: it cannot change what it captured.
use kernel::{Result, ThreadCx, irq};

fn install(cx: &mut ThreadCx) -> Result<irq::PerCpuLine> {
    let mut count = 0;
    irq::request_percpu(cx, irq::Irq::ppi(4), "bad", move |_| count += 1)
}

fn main() {}
