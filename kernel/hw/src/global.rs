//! Where does kernel state live? On the target in a plain static; in the simulation there is one value a machine.
//!
//! A kernel static is declared with [`global!`](crate::global!) and used through `Deref`, so that in the simulation
//! every seed starts from the initial value and machines run beside each other in one process.

/// One kernel static. Declare it with [`global!`](crate::global!).
#[cfg(target_os = "none")]
pub struct Global<T>(T);

#[cfg(target_os = "none")]
impl<T> Global<T> {
    #[doc(hidden)]
    pub const fn new(value: T) -> Self {
        Self(value)
    }
}

#[cfg(target_os = "none")]
impl<T> core::ops::Deref for Global<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// One kernel static. Declare it with [`global!`](crate::global!).
#[cfg(not(target_os = "none"))]
pub struct Global<T: 'static> {
    init: fn() -> T,
    slot: std::sync::atomic::AtomicUsize,
}

#[cfg(not(target_os = "none"))]
impl<T: 'static> Global<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init, slot: std::sync::atomic::AtomicUsize::new(0) }
    }
}

#[cfg(not(target_os = "none"))]
impl<T: 'static> std::ops::Deref for Global<T> {
    type Target = T;
    fn deref(&self) -> &T {
        crate::__slot(&self.slot, self.init)
    }
}

/// Declares kernel statics that live in the machine: `global! { /// Doc.\n pub static NAME: Type = initial; }`.
///
/// The initial value is a constant expression on the target and is evaluated once a machine in the simulation.
#[macro_export]
macro_rules! global {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;)*) => { $(
        #[cfg(target_os = "none")]
        $(#[$meta])* $vis static $name: $crate::Global<$type> = $crate::Global::new($init);
        #[cfg(not(target_os = "none"))]
        $(#[$meta])* $vis static $name: $crate::Global<$type> = $crate::Global::new(|| $init);
    )* };
}
