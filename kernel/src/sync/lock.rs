//! What do all locks that own their data have in common?
//!
//! A [`Lock`] is a value and a *backend*, which knows how to wait; a [`Guard`] is the right to the value and what the
//! backend needs to give it back. Data, guard and drop exist once, here; `mutex`, `spinlock` and the others are backends and
//! the ways to take them.
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// How a lock of some kind is given back by a holder that has `Self`.
pub trait Release<B> {
    /// The guard is dropped: its last act.
    fn release(&mut self, backend: &B);
}
/// A holder that has the value to itself.
pub trait Exclusive {}
/// A holder that is in a section: it has the section's token.
pub trait InSection {
    /// The token.
    type Cx;
    #[doc(hidden)]
    fn token(&mut self) -> &mut Self::Cx;
}

/// A value that only the holders of a lock reach. `B`: the kind of lock, which says when the whole is `Sync`.
pub struct Lock<T: ?Sized, B> {
    pub(crate) backend: B,
    value: UnsafeCell<T>,
}

/// The lock is held while this lives. `H`: what the holder has.
#[must_use = "the lock is given back as soon as this is dropped"]
pub struct Guard<'l, T: ?Sized, B, H: Release<B>> {
    lock: &'l Lock<T, B>,
    held: H,
    not_send: PhantomData<*mut ()>,
}

impl<T, B> Lock<T, B> {
    pub(crate) const fn with_backend(backend: B, value: T) -> Self {
        Self { backend, value: UnsafeCell::new(value) }
    }
    /// The value, of a lock that nobody else can reach any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}
impl<T: ?Sized, B> Lock<T, B> {
    /// The value, when nobody else can reach it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
    /// # Safety
    /// A holder is inside for as long as the answer is used, and nobody who has the value to itself.
    #[inline(always)]
    pub(crate) unsafe fn shared(&self) -> &T {
        // SAFETY: the caller's promise.
        unsafe { &*self.value.get() }
    }
    /// # Safety
    /// The backend has let the holder `held` in, who has no guard yet.
    #[inline(always)]
    pub(crate) unsafe fn guard<H: Release<B>>(&self, held: H) -> Guard<'_, T, B, H> {
        Guard { lock: self, held, not_send: PhantomData }
    }
}

impl<'l, T: ?Sized, B, H: Release<B>> Guard<'l, T, B, H> {
    /// The value to look at and what the holder has, to use both at once.
    #[inline(always)]
    pub(crate) fn shared_parts(&mut self) -> (&T, &mut H) {
        // SAFETY: held, and nobody writes but an exclusive holder, through its guard, which is borrowed.
        (unsafe { &*self.lock.value.get() }, &mut self.held)
    }
    /// The lock, which stays held, and what its holder has: who has these makes a guard again, or gives the lock back.
    #[inline(always)]
    pub(crate) fn disassemble(self) -> (&'l Lock<T, B>, H) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the guard is forgotten, so what it had is moved out once.
        (this.lock, unsafe { core::ptr::read(&this.held) })
    }
}
impl<T: ?Sized, B, H: Release<B> + Exclusive> Guard<'_, T, B, H> {
    /// The value and what the holder has, to use both at once.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (&mut T, &mut H) {
        // SAFETY: held exclusively, and the guard is borrowed so.
        (unsafe { &mut *self.lock.value.get() }, &mut self.held)
    }
}
impl<T: ?Sized, B, H: Release<B> + InSection> Guard<'_, T, B, H> {
    /// The token of the section.
    #[inline(always)]
    pub fn cx(&mut self) -> &mut H::Cx {
        self.held.token()
    }
}
impl<T: ?Sized, B, H: Release<B> + Exclusive + InSection> Guard<'_, T, B, H> {
    /// The value and the token of the section, to use both at once.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut T, &mut H::Cx) {
        let (value, held) = self.parts();
        (value, held.token())
    }
}
impl<T: ?Sized, B, H: Release<B>> Deref for Guard<'_, T, B, H> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: held, and nobody writes but an exclusive holder, through its guard.
        unsafe { &*self.lock.value.get() }
    }
}
impl<T: ?Sized, B, H: Release<B> + Exclusive> DerefMut for Guard<'_, T, B, H> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.parts().0
    }
}
impl<T: ?Sized, B, H: Release<B>> Drop for Guard<'_, T, B, H> {
    #[inline(always)]
    fn drop(&mut self) {
        self.held.release(&self.lock.backend);
    }
}
