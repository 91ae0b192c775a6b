//! How does one thread get what another one returned?
use super::ThreadId;
use crate::{
    cx::ThreadCx,
    error::{Error, Result},
    sync::Completion,
};
use alloc::sync::Arc;
use core::cell::UnsafeCell;

/// Where a thread leaves its result.
pub(super) struct Packet<T> {
    done: Completion,
    value: UnsafeCell<Option<T>>,
}
// SAFETY: the thread writes the value before `done`, the one handle reads it after.
unsafe impl<T: Send> Sync for Packet<T> {}

impl<T> Packet<T> {
    pub(super) fn new() -> Self {
        Self { done: Completion::new(), value: UnsafeCell::new(None) }
    }
    pub(super) fn put(&self, value: T) {
        // SAFETY: written once, by the thread, before `done`.
        unsafe { *self.value.get() = Some(value) };
    }
}

/// What a thread does for whoever joins it, at its end.
pub(crate) trait Joiner: Send + Sync {
    fn ended(&self, cx: &mut ThreadCx);
}
impl<T: Send> Joiner for Packet<T> {
    fn ended(&self, cx: &mut ThreadCx) {
        self.done.complete_all(cx);
    }
}

/// The right to wait for a thread and take its result. Dropping it lets the thread run on by itself.
pub struct JoinHandle<T> {
    id: ThreadId,
    packet: Option<Arc<Packet<T>>>,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(id: ThreadId, packet: Arc<Packet<T>>) -> Self {
        Self { id, packet: Some(packet) }
    }
    /// The thread's number.
    pub fn id(&self) -> ThreadId {
        self.id
    }
    /// Waits until the thread has ended, and takes what its body returned.
    ///
    /// # Errors
    /// [`Error::NotFound`]: joined before. [`Error::Interrupted`]: it was killed, or ended itself early.
    pub fn join(&mut self, cx: &mut ThreadCx) -> Result<T> {
        let packet = self.packet.take().ok_or(Error::NotFound)?;
        packet.done.wait(cx);
        // SAFETY: after `done`, which is after the only write; this is the only handle.
        unsafe { (*packet.value.get()).take() }.ok_or(Error::Interrupted)
    }
    /// As [`join`](Self::join), until `deadline` at most; the handle stays usable after a time-out.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::NotFound`].
    pub fn join_timeout(&mut self, cx: &mut ThreadCx, deadline: crate::time::Instant) -> Result<T> {
        self.packet.as_ref().ok_or(Error::NotFound)?.done.wait_until(cx, deadline)?;
        self.join(cx)
    }
    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.packet.as_ref().is_none_or(|p| p.done.is_done())
    }
}
