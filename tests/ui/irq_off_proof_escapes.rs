//@ error: E0515
//! CX-06.3: a token borrowed from an `IrqGuard` does not leave the guard's scope.
use kernel::{IrqOff, ThreadCx, irq_flags};

fn proof(cx: &mut ThreadCx) -> IrqOff<'_> {
    let mut off = irq_flags::save(cx);
    off.cx().irq_off()
}

fn main() {}
