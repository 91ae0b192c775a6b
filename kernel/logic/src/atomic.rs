//! Which atomic operations do the lock-free pieces rest on?
//!
//! An algorithm that several CPUs run is generic over [`Word`]. The kernel gives it the machine's atomics: core's on the
//! target, in the simulation such that are points of the schedule. The models in `tests/loom` give it loom's, which
//! explore every order and every stale value that the memory model allows.
//!
//! The orders are C++11's. `SeqCst` is written where a store must be visible before a load of *another* word happens, on
//! both sides of a race; on ARM64 it costs what `Release` and `Acquire` cost.

pub use core::sync::atomic::Ordering;

// For the pieces that nobody but a model hooks: the rings and the event log.
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};

/// An atomic `u32`. What the operations do is what core's of the same name do; [`impl_word!`](crate::impl_word) writes an
/// implementation.
pub trait Word {
    /// Loads.
    fn load(&self, order: Ordering) -> u32;
    /// Stores.
    fn store(&self, value: u32, order: Ordering);
    /// Stores and returns the value before.
    fn swap(&self, value: u32, order: Ordering) -> u32;
    /// Stores `new` if the value is `current`.
    ///
    /// # Errors
    /// The value, which is not `current`.
    fn compare_exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32>;
    /// As `compare_exchange`, but may fail without a reason.
    ///
    /// # Errors
    /// The value, which may be `current`.
    fn compare_exchange_weak(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32>;
    /// Adds, wrapping, and returns the value before.
    fn fetch_add(&self, value: u32, order: Ordering) -> u32;
    /// Subtracts, wrapping, and returns the value before.
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32;
    /// Sets bits and returns the value before.
    fn fetch_or(&self, value: u32, order: Ordering) -> u32;
    /// Keeps bits and returns the value before.
    fn fetch_and(&self, value: u32, order: Ordering) -> u32;
    /// A fence for words of this kind.
    fn fence(order: Ordering);
}

/// Implements [`Word`](crate::atomic::Word) for a type by an atomic that it has or is: the type, how to reach the atomic
/// from a reference to it, and the fence that belongs to that atomic.
///
/// ```
/// struct Mine(core::sync::atomic::AtomicU32);
/// logic::impl_word!(Mine, |word| word.0, core::sync::atomic::fence);
/// ```
#[macro_export]
macro_rules! impl_word {
    ($word:ty, |$this:ident| $atomic:expr, $fence:path) => {
        $crate::impl_word! { @ $word, $this, $atomic, $fence;
            load() -> u32;
            store(value: u32) -> ();
            swap(value: u32) -> u32;
            fetch_add(value: u32) -> u32;
            fetch_sub(value: u32) -> u32;
            fetch_or(value: u32) -> u32;
            fetch_and(value: u32) -> u32;
        }
    };
    (@ $word:ty, $this:ident, $atomic:expr, $fence:path;
     $($name:ident($($argument:ident: $kind:ty)?) -> $result:ty;)*) => {
        impl $crate::atomic::Word for $word {
            $(
                #[inline(always)]
                fn $name(&self, $($argument: $kind,)? order: $crate::atomic::Ordering) -> $result {
                    let $this = self;
                    $atomic.$name($($argument,)? order)
                }
            )*
            #[inline(always)]
            fn compare_exchange(
                &self,
                current: u32,
                new: u32,
                success: $crate::atomic::Ordering,
                failure: $crate::atomic::Ordering,
            ) -> Result<u32, u32> {
                let $this = self;
                $atomic.compare_exchange(current, new, success, failure)
            }
            #[inline(always)]
            fn compare_exchange_weak(
                &self,
                current: u32,
                new: u32,
                success: $crate::atomic::Ordering,
                failure: $crate::atomic::Ordering,
            ) -> Result<u32, u32> {
                let $this = self;
                $atomic.compare_exchange_weak(current, new, success, failure)
            }
            #[inline(always)]
            fn fence(order: $crate::atomic::Ordering) {
                $fence(order);
            }
        }
    };
}

crate::impl_word!(core::sync::atomic::AtomicU32, |word| word, core::sync::atomic::fence);
