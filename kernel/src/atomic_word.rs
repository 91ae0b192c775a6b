//! On which atomics do `logic`'s lock-free pieces run? On the machine's: core's on the target, points of the schedule in the
//! simulation.

/// An atomic `u32` of the machine's. `logic` and `hw` do not know each other, so their trait and type meet here.
#[repr(transparent)]
pub(crate) struct Word32(hw::atomic::AtomicU32);

impl Word32 {
    /// A word with this value.
    #[inline(always)]
    pub(crate) const fn new(value: u32) -> Self {
        Self(hw::atomic::AtomicU32::new(value))
    }
}

logic::impl_word!(Word32, |word| word.0, hw::atomic::fence);
