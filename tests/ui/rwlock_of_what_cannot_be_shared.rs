//@ error: E0277
//! LK-04: readers on several threads share the value, so a Cell is not for them; one holder at a time may have it.
use kernel::sync::RwLock;

use std::cell::Cell;

fn share(_: impl Sync) {}

fn try_to_share() {
    share(RwLock::<Cell<u32>>::new(Cell::new(0)));
}

fn main() {}
