//@ error: E0599
//! CX-06.2: without masked interrupts there is no `IrqOff` to pass on.
use kernel::{IrqOff, ThreadCx, preempt};

fn irqoff(_: IrqOff<'_>) {}

fn section(cx: &mut ThreadCx) {
    let mut off = preempt::disable(cx);
    irqoff(off.cx().irq_off());
}

fn main() {}
