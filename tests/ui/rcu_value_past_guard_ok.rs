//@ pass
//! RC-01.4: what a reader has loaded is not used past its guard.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
};

fn section(cx: &mut ThreadCx, place: &RcuPtr<u32>) -> Option<u32> {
    let reader = rcu::read(cx);
    let value = place.load(&reader).copied();
    drop(reader);
    value
}

fn main() {}
