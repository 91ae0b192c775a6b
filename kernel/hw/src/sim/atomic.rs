//! The one alias for atomics: here each operation is a point of the schedule.
use super::point::{memory_point, own_point};
use std::sync::atomic as real;
pub use std::sync::atomic::Ordering;

/// A fence.
#[inline]
#[track_caller]
pub fn fence(order: Ordering) {
    own_point();
    real::fence(order);
}

/// Wraps the operations; each takes the schedule's decision before it happens.
macro_rules! operations {
    ($value:ty: $($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => { $(
        $(#[$doc])*
        #[inline]
        #[track_caller]
        pub fn $name(&self, $($argument: $kind),*) -> $result {
            memory_point(std::ptr::from_ref(self).addr(), stringify!($name) != "load");
            self.0.$name($($argument),*)
        }
    )* };
}

macro_rules! atomic {
    ($(#[$doc:meta])* $name:ident($real:ty) of $value:ty $(, <$parameter:ident>)? ; { $($more:tt)* }) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name$(<$parameter>)?($real);

        impl$(<$parameter>)? $name$(<$parameter>)? {
            /// An atomic with this value.
            #[inline]
            pub const fn new(value: $value) -> Self {
                Self(<$real>::new(value))
            }
            /// The value, by exclusive access: no point.
            #[inline]
            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }
            /// The value, by ownership: no point.
            #[inline]
            pub fn into_inner(self) -> $value {
                self.0.into_inner()
            }
            operations! { $value:
                /// Loads.
                fn load(order: Ordering) -> $value;
                /// Stores.
                fn store(value: $value, order: Ordering) -> ();
                /// Stores and returns the value before.
                fn swap(value: $value, order: Ordering) -> $value;
                /// Stores if the value is `current`.
                fn compare_exchange(
                    current: $value, new: $value, success: Ordering, failure: Ordering
                ) -> Result<$value, $value>;
                $($more)*
            }
            /// As `compare_exchange`; here it never fails without a reason.
            #[inline]
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
            /// Loads, then tries to exchange until that succeeds or `f` declines.
            #[inline]
            #[track_caller]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(fetch);
                while let Some(next) = f(seen) {
                    match self.compare_exchange_weak(seen, next, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }
        }

        impl$(<$parameter>)? From<$value> for $name$(<$parameter>)? {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }
        impl$(<$parameter>)? std::fmt::Debug for $name$(<$parameter>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! integer {
    ($($(#[$doc:meta])* $name:ident($real:ty) of $value:ty;)*) => { $(
        atomic! { $(#[$doc])* $name($real) of $value; {
            /// Adds, wrapping, and returns the value before.
            fn fetch_add(value: $value, order: Ordering) -> $value;
            /// Subtracts, wrapping, and returns the value before.
            fn fetch_sub(value: $value, order: Ordering) -> $value;
            /// Sets bits and returns the value before.
            fn fetch_or(value: $value, order: Ordering) -> $value;
            /// Keeps bits and returns the value before.
            fn fetch_and(value: $value, order: Ordering) -> $value;
            /// Toggles bits and returns the value before.
            fn fetch_xor(value: $value, order: Ordering) -> $value;
            /// Raises to at least `value` and returns the value before.
            fn fetch_max(value: $value, order: Ordering) -> $value;
            /// Lowers to at most `value` and returns the value before.
            fn fetch_min(value: $value, order: Ordering) -> $value;
        } }
        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }
    )* };
}

integer! {
    /// `core::sync::atomic::AtomicU8` with points.
    AtomicU8(real::AtomicU8) of u8;
    /// `core::sync::atomic::AtomicU32` with points.
    AtomicU32(real::AtomicU32) of u32;
    /// `core::sync::atomic::AtomicU64` with points.
    AtomicU64(real::AtomicU64) of u64;
    /// `core::sync::atomic::AtomicUsize` with points.
    AtomicUsize(real::AtomicUsize) of usize;
    /// `core::sync::atomic::AtomicI32` with points.
    AtomicI32(real::AtomicI32) of i32;
}
atomic! {
    /// `core::sync::atomic::AtomicBool` with points.
    AtomicBool(real::AtomicBool) of bool; {
        /// Ors and returns the value before.
        fn fetch_or(value: bool, order: Ordering) -> bool;
        /// Ands and returns the value before.
        fn fetch_and(value: bool, order: Ordering) -> bool;
        /// Toggles if `value` and returns the value before.
        fn fetch_xor(value: bool, order: Ordering) -> bool;
    }
}
atomic! {
    /// `core::sync::atomic::AtomicPtr` with points.
    AtomicPtr(real::AtomicPtr<T>) of *mut T, <T>; {}
}
impl Default for AtomicBool {
    fn default() -> Self {
        Self::new(false)
    }
}
impl<T> Default for AtomicPtr<T> {
    fn default() -> Self {
        Self::new(std::ptr::null_mut())
    }
}
