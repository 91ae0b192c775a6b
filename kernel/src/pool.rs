//! Where does code that must not allocate get memory from? A fixed number of places for one type (CX-07).
//!
//! Taking and giving back is O(1) and never waits, in any context: a hard handler may do both.
use crate::{
    cx::{Context, Irq},
    error::{Error, Result},
    irq_flags,
    sync::raw::RawSpinLock,
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
};

/// `N` places for a `T`.
pub struct Pool<T, const N: usize> {
    places: [UnsafeCell<MaybeUninit<T>>; N],
    free: RawSpinLock<Free<N>, Irq>,
}

/// Which places nobody has.
struct Free<const N: usize> {
    returned: heapless::Vec<usize, N>,
    /// From this one on they were never taken.
    fresh: usize,
}

// SAFETY: a place is reached by its one `Pooled` only; values come from and go to any thread.
unsafe impl<T: Send, const N: usize> Sync for Pool<T, N> {}

/// A value in a place of a pool; the place is free again when this is dropped.
pub struct Pooled<'p, T, const N: usize> {
    pool: &'p Pool<T, N>,
    place: usize,
}

// SAFETY: it owns the value.
unsafe impl<T: Send, const N: usize> Send for Pooled<'_, T, N> {}
// SAFETY: a shared one lends the value shared.
unsafe impl<T: Send + Sync, const N: usize> Sync for Pooled<'_, T, N> {}

impl<T, const N: usize> Default for Pool<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Pool<T, N> {
    /// Every place is free.
    pub const fn new() -> Self {
        Self {
            places: [const { UnsafeCell::new(MaybeUninit::uninit()) }; N],
            free: RawSpinLock::new(Free { returned: heapless::Vec::new(), fresh: 0 }),
        }
    }
    /// Puts `value` into a free place.
    ///
    /// # Errors
    /// [`Error::NoResource`]: there is none; `value` is dropped.
    pub fn take(&self, cx: &impl Context, value: T) -> Result<Pooled<'_, T, N>> {
        let _ = cx;
        let place = self.locked(|free| {
            free.returned.pop().or_else(|| {
                let place = free.fresh;
                (place < N).then(|| free.fresh += 1).map(|()| place)
            })
        });
        let place = place.ok_or(Error::NoResource)?;
        // SAFETY: the place was free and is this call's alone.
        unsafe { (*self.places[place].get()).write(value) };
        Ok(Pooled { pool: self, place })
    }
    /// Places that are free now.
    pub fn free(&self) -> usize {
        self.locked(|free| N - free.fresh + free.returned.len())
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Free<N>) -> R) -> R {
        let off = irq_flags::Off::new();
        let result = f(&mut self.free.lock_in(off.cx()));
        drop(off);
        result
    }
}

impl<T, const N: usize> Deref for Pooled<'_, T, N> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the place is this one's and has a value from `take` on.
        unsafe { (*self.pool.places[self.place].get()).assume_init_ref() }
    }
}
impl<T, const N: usize> DerefMut for Pooled<'_, T, N> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as `deref`; this is borrowed exclusively.
        unsafe { (*self.pool.places[self.place].get()).assume_init_mut() }
    }
}
impl<T, const N: usize> Drop for Pooled<'_, T, N> {
    fn drop(&mut self) {
        // SAFETY: the value is dropped once, here, and the place not used again before it is free.
        unsafe { (*self.pool.places[self.place].get()).assume_init_drop() };
        self.pool.locked(|free| {
            // There is room for every place.
            let _ = free.returned.push(self.place);
        });
    }
}
