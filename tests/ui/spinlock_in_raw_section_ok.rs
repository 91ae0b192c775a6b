//@ pass
//! LM-02: inside a section of a raw lock no spinlock is taken, which sleeps under rt; the other way round it works.
use kernel::{
    ThreadCx,
    sync::{RawSpinLock, SpinLock},
};

fn section(cx: &mut ThreadCx, raw: &RawSpinLock<u32>, count: &SpinLock<u32>) {
    let mut held = count.lock(cx);
    *raw.lock(held.cx()) += 1;
}

fn main() {}
