//@ pass
//! CX-06.3: a token borrowed from an `IrqGuard` does not leave the guard's scope.
use kernel::{IrqOff, ThreadCx, irq_flags};

fn with_proof(cx: &mut ThreadCx, f: impl FnOnce(IrqOff<'_>)) {
    let mut off = irq_flags::save(cx);
    f(off.cx().irq_off());
}

fn main() {}
