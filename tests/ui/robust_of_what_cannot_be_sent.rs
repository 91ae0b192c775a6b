//@ error: E0277
//! OW-01: a robust mutex of what cannot go to another thread is no static.
use core::ptr::NonNull;
use kernel::sync::RobustMutex;

static PLACE: RobustMutex<NonNull<u32>> = RobustMutex::new(NonNull::dangling());

fn main() {
    let _ = &PLACE;
}
