//@ error: E0599
//! OW-01: what a dead owner has left is mended before it is a guard as any other; a sound value cannot be mended.
use kernel::sync::RobustGuard;

fn mend<'l>(guard: RobustGuard<'l, u32>) -> RobustGuard<'l, u32> {
    guard.make_consistent()
}

fn main() {}
