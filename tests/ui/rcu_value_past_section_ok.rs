//@ pass
//! RC-01.4: nor does it leave the closure of a section.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
};

fn section(cx: &mut ThreadCx, place: &RcuPtr<u32>) -> Option<u32> {
    rcu::with(cx, |section, _| place.load(section).copied())
}

fn main() {}
