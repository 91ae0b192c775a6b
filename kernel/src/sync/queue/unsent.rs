//! What does a sender get back when its message was not taken?
use crate::error::Error;
use core::fmt;

/// A message that was not sent, and why. Nothing of it is in the queue.
pub struct Unsent<T> {
    /// Why.
    pub error: Error,
    /// The message, to be sent again or used otherwise.
    pub message: T,
}

// By hand: messages need not be printable.
impl<T> fmt::Debug for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsent({:?})", self.error)
    }
}
impl<T> fmt::Display for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
impl<T> core::error::Error for Unsent<T> {}

impl<T> From<Unsent<T>> for Error {
    /// The message is dropped.
    fn from(unsent: Unsent<T>) -> Self {
        unsent.error
    }
}
