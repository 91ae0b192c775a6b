//@ pass
//! LM-02, CX-06: with bottom halves disabled no mutex is taken; the other way round it works.
use kernel::{ThreadCx, bh, sync::Mutex};

fn section(cx: &mut ThreadCx, count: &Mutex<u32>) {
    let mut guard = count.lock(cx);
    let off = bh::disable(cx);
    *guard += 1;
    drop(off);
}

fn main() {}
