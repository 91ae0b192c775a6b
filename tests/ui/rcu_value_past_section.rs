//@ error: lifetime may not live long enough
//! RC-01.4: nor does it leave the closure of a section.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
};

fn section<'p>(cx: &mut ThreadCx, place: &'p RcuPtr<u32>) -> Option<&'p u32> {
    rcu::with(cx, |section, _| place.load(section))
}

fn main() {}
