//@ error: E0277
//! A lock of level `Irq` is not taken as is in a section that lets interrupts through; it is taken by masking them.
use kernel::{
    AtomicCx,
    cx::{Irq, Thread},
    sync::RawSpinLock,
};

fn section(cx: &mut AtomicCx<'_, Thread>, count: &RawSpinLock<u32, Irq>) {
    *count.lock_in(cx) += 1;
}

fn main() {}
