//@ error: E0277
//! RC-01.4: a thread that is no reader loads nothing.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
};

fn section(cx: &mut ThreadCx, place: &RcuPtr<u32>) -> Option<u32> {
    place.load(cx).copied()
}

fn main() {}
