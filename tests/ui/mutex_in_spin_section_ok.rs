//@ pass
//! LM-02: inside a section of a spinlock no mutex is taken; the other way round it works.
use kernel::{
    ThreadCx,
    sync::{Mutex, SpinLock},
};

fn section(cx: &mut ThreadCx, spin: &SpinLock<u32>, count: &Mutex<u32>) {
    let mut held = count.lock(cx);
    *spin.lock(cx) += 1;
    *held += 1;
}

fn main() {}
