//@ pass
//! LM-02, CX-06: inside a section of a local lock no mutex is taken; the other way round it works.
use kernel::{
    ThreadCx,
    sync::{LocalLock, Mutex},
};

fn section(cx: &mut ThreadCx, local: &LocalLock<u32>, count: &Mutex<u32>) {
    let mut held = count.lock(cx);
    *local.lock(cx) += 1;
    *held += 1;
}

fn main() {}
