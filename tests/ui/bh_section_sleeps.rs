//@ error: E0308
//! LM-02, CX-06: with bottom halves disabled no mutex is taken; the other way round it works.
use kernel::{ThreadCx, bh, sync::Mutex};

fn section(cx: &mut ThreadCx, count: &Mutex<u32>) {
    let mut off = bh::disable(cx);
    *count.lock(off.cx()) += 1;
}

fn main() {}
