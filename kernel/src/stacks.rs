//! Where do thread stacks come from? One stack for each thread slot, with a guard page below it.

#[cfg(target_os = "none")]
mod machine {
    use hw::aarch64::stack;
    use hw::atomic::{AtomicUsize, Ordering::Relaxed};

    /// Usable bytes of a stack.
    pub const SIZE: usize = stack::SIZE;
    static ARENA: AtomicUsize = AtomicUsize::new(0);

    /// Bytes that all stacks take, guard pages included.
    pub(crate) const BYTES: usize = crate::thread::MAX_THREADS * stack::STRIDE;

    /// Maps stacks for every thread slot from `base` on: [`BYTES`].
    ///
    /// # Safety
    /// The memory is unmapped RAM that belongs to nobody.
    pub(crate) unsafe fn map(base: usize) {
        ARENA.store(base, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { stack::map_arena(base, crate::thread::MAX_THREADS) }
    }
    pub(crate) fn get(slot: usize) -> Option<(usize, usize)> {
        let base = ARENA.load(Relaxed);
        (base != 0 && slot < crate::thread::MAX_THREADS).then(|| stack::slot(base, slot))
    }
    /// Whether the address lies in a guard page, and of which slot.
    pub(crate) fn guard(address: usize) -> Option<usize> {
        let n = address.checked_sub(ARENA.load(Relaxed))? / stack::STRIDE;
        let bottom = get(n)?.0;
        (address < bottom).then_some(n)
    }
    /// Whether the two words at `address` lie on one of the stacks.
    pub(crate) fn contains(address: usize) -> bool {
        let Some(offset) = address.checked_sub(ARENA.load(Relaxed)) else { return false };
        get(offset / stack::STRIDE).is_some_and(|(bottom, top)| address >= bottom && address + 16 <= top)
    }
    /// Fills a stack that nobody uses, so that its high-water mark can be read later.
    pub(crate) fn paint((bottom, top): (usize, usize), with: u64) {
        for at in (bottom..top).step_by(size_of::<u64>()) {
            // SAFETY: a mapped stack that belongs to a slot which was just claimed.
            unsafe { (at as *mut u64).write(with) };
        }
    }
}

#[cfg(not(target_os = "none"))]
mod machine {
    /// Bytes that a thread may ask for; the coroutines of the simulation have stacks of their own.
    pub const SIZE: usize = 16 * 1024;
    pub(crate) fn get(_: usize) -> Option<(usize, usize)> {
        Some((0, 0))
    }
    pub(crate) fn paint(_: (usize, usize), _: u64) {}
}

pub use machine::SIZE;
#[cfg(target_os = "none")]
pub(crate) use machine::{BYTES, contains, guard, map};
pub(crate) use machine::{get, paint};
