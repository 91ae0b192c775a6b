//@ pass
//! OW-01: what a dead owner has left is mended before it is a guard as any other; a sound value cannot be mended.
use kernel::sync::{OrphanGuard, RobustGuard};

fn mend<'l>(guard: OrphanGuard<'l, u32>) -> RobustGuard<'l, u32> {
    guard.make_consistent()
}

fn main() {}
