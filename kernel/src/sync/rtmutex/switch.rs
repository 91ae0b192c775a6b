//! Does anybody inherit? Yes, unless boot argument `pi=off` says otherwise, which shows what inheritance is good for.
use hw::atomic::{AtomicBool, Ordering::Relaxed};

hw::global! {
    static OFF: AtomicBool = AtomicBool::new(false);
}

/// Whether the donors of a thread count.
#[inline(always)]
pub(super) fn inherits() -> bool {
    !OFF.load(Relaxed)
}
/// Sets it. Before the first thread waits for a lock: nobody's level is recomputed.
pub(crate) fn set_inherits(inherits: bool) {
    OFF.store(!inherits, Relaxed);
}
