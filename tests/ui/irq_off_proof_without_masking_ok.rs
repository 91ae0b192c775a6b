//@ pass
//! CX-06.2: without masked interrupts there is no `IrqOff` to pass on.
use kernel::{IrqOff, ThreadCx, irq_flags};

fn irqoff(_: IrqOff<'_>) {}

fn section(cx: &mut ThreadCx) {
    let mut off = irq_flags::save(cx);
    irqoff(off.cx().irq_off());
}

fn main() {}
