//@ pass
//! A private line's handler runs on several CPUs at once: it cannot change what it captured.
use kernel::{Result, ThreadCx, irq};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn install(cx: &mut ThreadCx) -> Result<irq::PerCpuLine> {
    let count = AtomicU32::new(0);
    irq::request_percpu(cx, irq::Irq::ppi(4), "good", move |_| {
        count.fetch_add(1, Relaxed);
    })
}

fn main() {}
