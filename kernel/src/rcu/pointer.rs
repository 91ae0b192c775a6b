//! How is a value read, replaced and freed? (RC-01.4)
use super::{
    callbacks::{self, Head},
    reader::Reading,
    wait,
};
use crate::{
    cx::{Context, ThreadCx},
    error::Error,
};
use alloc::boxed::Box;
use core::{fmt, marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};
use hw::atomic::{
    AtomicPtr,
    Ordering::{AcqRel, Acquire},
};

#[repr(C)]
struct Node<T> {
    // First: the head's function finds the rest behind it.
    head: Head,
    value: T,
}

/// # Safety
/// The head of a boxed [`Node<T>`] that is nobody else's.
unsafe fn free<T>(head: NonNull<Head>, _: &mut ThreadCx) {
    // SAFETY: the caller's promise; the head is the first field of a `repr(C)` struct.
    drop(unsafe { Box::from_raw(head.cast::<Node<T>>().as_ptr()) });
}

/// A place for a value that readers use while somebody replaces it.
///
/// Replacing is one exchange, so any number of updaters may do it at once. Who makes the new value from the old one needs a lock
/// of its own around both.
pub struct RcuPtr<T> {
    node: AtomicPtr<Node<T>>,
    owns: PhantomData<Node<T>>,
}
// SAFETY: readers on any thread share the value, and another thread drops it.
unsafe impl<T: Send + Sync> Sync for RcuPtr<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for RcuPtr<T> {}

impl<T: Send + Sync + 'static> RcuPtr<T> {
    /// Without a value.
    pub const fn null() -> Self {
        Self { node: AtomicPtr::new(core::ptr::null_mut()), owns: PhantomData }
    }
    /// With this value. Allocates.
    pub fn new(value: T) -> Self {
        Self { node: AtomicPtr::new(Self::boxed(value)), owns: PhantomData }
    }
    fn boxed(value: T) -> *mut Node<T> {
        // SAFETY: `free` does with the node's head what it is for.
        Box::into_raw(Box::new(Node { head: unsafe { Head::new(free::<T>) }, value }))
    }
    /// The value, which stays as long as the proof that a reader uses it.
    #[inline(always)]
    pub fn load<'r>(&self, reader: &'r impl Reading) -> Option<&'r T> {
        let _ = reader;
        // SAFETY: null, or a node that was alive when the reader's section began or came later: it is freed after a grace period
        // that began when it was replaced, which does not end before the section does.
        unsafe { self.node.load(Acquire).cast_const().as_ref() }.map(|node| &node.value)
    }
    /// Puts a value in its place and answers what was there before, which readers may still use. Allocates.
    pub fn replace(&self, value: T) -> Option<Retired<T>> {
        self.exchange(Self::boxed(value))
    }
    /// Takes the value away.
    pub fn take(&self) -> Option<Retired<T>> {
        self.exchange(core::ptr::null_mut())
    }
    fn exchange(&self, node: *mut Node<T>) -> Option<Retired<T>> {
        NonNull::new(self.node.swap(node, AcqRel)).map(Retired)
    }
}
impl<T> Drop for RcuPtr<T> {
    fn drop(&mut self) {
        // A reader may have the value, though nobody has the place.
        if let Some(node) = NonNull::new(*self.node.get_mut()) {
            drop(Retired(node));
        }
    }
}

/// A value that was replaced. Readers may still use it; nobody new gets it.
///
/// Dropping it frees the value after a grace period, as [`free`](Self::free) does.
pub struct Retired<T>(NonNull<Node<T>>);
// SAFETY: the value is read on any thread, and dropped on another one.
unsafe impl<T: Send + Sync> Send for Retired<T> {}

impl<T> Retired<T> {
    /// Has the value dropped after a grace period, by a thread. From any context; takes no memory.
    pub fn free(self, cx: &impl Context) {
        let _ = cx;
    }
    /// Waits for a grace period; then the value is the caller's.
    ///
    /// # Errors
    /// As [`synchronize`](super::synchronize), with the value as it was.
    #[track_caller]
    pub fn wait(self, cx: &mut ThreadCx) -> Result<Unshared<T>, (Self, Error)> {
        match wait::synchronize(cx) {
            // SAFETY: it was boxed, and nobody has it any more.
            Ok(()) => Ok(Unshared(unsafe { Box::from_raw(ManuallyDrop::new(self).0.as_ptr()) })),
            Err(error) => Err((self, error)),
        }
    }
}
impl<T> Deref for Retired<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: it is freed after a grace period that begins when this is gone.
        &unsafe { self.0.as_ref() }.value
    }
}
/// Whatever the value is: errors hold it, which are unwrapped.
impl<T> fmt::Debug for Retired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retired").finish_non_exhaustive()
    }
}
impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        // SAFETY: a boxed node, taken out of its place, given to the queue once.
        unsafe { callbacks::enqueue(self.0.cast()) };
    }
}

/// A value that readers used and nobody uses any more.
pub struct Unshared<T>(Box<Node<T>>);
impl<T> Unshared<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        self.0.value
    }
}
impl<T> Deref for Unshared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}
impl<T: fmt::Debug> fmt::Debug for Unshared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unshared").field(&**self).finish()
    }
}
