//@ pass
//! A private line's handler runs on several CPUs at once: what it captured must be shareable.
use kernel::{Result, ThreadCx, irq, sync::RawSpinLock};

fn install(cx: &mut ThreadCx) -> Result<irq::PerCpuLine> {
    let count = RawSpinLock::new(0);
    irq::request_percpu(cx, irq::Irq::ppi(4), "good", move |cx| *count.lock(cx) = 1)
}

fn main() {}
