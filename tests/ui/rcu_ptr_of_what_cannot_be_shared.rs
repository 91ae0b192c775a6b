//@ error: E0277
//! RC-01: readers on several threads share the value, so a Cell is not for them.
use kernel::rcu::RcuPtr;

use std::cell::Cell;

fn share(_: impl Send) {}

fn try_to_share(place: &RcuPtr<Cell<u32>>) {
    share(place);
}

fn main() {}
