//@ error: E0308
//! RC-04, LM-02: a reader takes no mutex in its section; it may take a spinlock.
use kernel::{
    ThreadCx, rcu,
    sync::{Mutex, SpinLock},
};

fn section(cx: &mut ThreadCx, count: &Mutex<u32>, sum: &SpinLock<u32>) {
    let mut reader = rcu::read(cx);
    *sum.lock(reader.cx()) += 1;
    *count.lock(reader.cx()) += 1;
}

fn main() {}
