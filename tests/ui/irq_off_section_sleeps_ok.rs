//@ pass
//! Interrupts off: the thread's own token is borrowed until the guard is gone.
use kernel::{ThreadCx, irq_flags, sync::Completion};

fn section(cx: &mut ThreadCx, done: &Completion) {
    let off = irq_flags::save(cx);
    drop(off);
    done.wait(cx);
}

fn main() {}
