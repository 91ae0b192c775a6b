//@ error: E0308
//! LM-02: inside a section of a spinlock no mutex is taken; the other way round it works.
use kernel::{
    ThreadCx,
    sync::{Mutex, SpinLock},
};

fn section(cx: &mut ThreadCx, spin: &SpinLock<u32>, count: &Mutex<u32>) {
    let mut held = spin.lock(cx);
    *count.lock(held.cx()) += 1;
}

fn main() {}
