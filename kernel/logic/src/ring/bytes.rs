//! How do bytes pass between a serial line's handler and its thread?
//!
//! Through a queue between exactly one producer and one consumer, in which neither waits for the other.

use crate::atomic::{
    AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// A queue of `N` bytes (a power of two) between one producer and one consumer; neither waits for the other.
///
/// Serves a serial line: a handler pushes what arrives and a thread pops it, or the other way round.
pub struct Bytes<const N: usize> {
    bytes: [AtomicU8; N],
    /// Bytes ever pushed and popped, wrapping; only the producer, respectively the consumer, stores.
    pushed: AtomicUsize,
    popped: AtomicUsize,
}

impl<const N: usize> Bytes<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two(), "a byte queue's size is a power of two");
        N - 1
    };

    /// An empty queue.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Bytes { bytes: [const { AtomicU8::new(0) }; N], pushed: AtomicUsize::new(0), popped: AtomicUsize::new(0) }
    }

    /// An empty queue. (loom's atomics are not made at compile time.)
    #[cfg(loom)]
    pub fn new() -> Self {
        Bytes {
            bytes: core::array::from_fn(|_| AtomicU8::new(0)),
            pushed: AtomicUsize::new(0),
            popped: AtomicUsize::new(0),
        }
    }

    /// Producer: appends a byte; `false`, and nothing changed, if the queue is full.
    #[must_use = "a full queue refuses the byte"]
    pub fn push(&self, byte: u8) -> bool {
        let pushed = self.pushed.load(Relaxed);
        // Acquire: the consumer has read the byte in this place before it is overwritten.
        if pushed.wrapping_sub(self.popped.load(Acquire)) == N {
            return false;
        }
        self.bytes[pushed & Self::MASK].store(byte, Relaxed);
        self.pushed.store(pushed.wrapping_add(1), Release);
        true
    }

    /// Consumer: takes the oldest byte.
    pub fn pop(&self) -> Option<u8> {
        let popped = self.popped.load(Relaxed);
        if self.pushed.load(Acquire) == popped {
            return None;
        }
        let byte = self.bytes[popped & Self::MASK].load(Relaxed);
        self.popped.store(popped.wrapping_add(1), Release);
        Some(byte)
    }

    /// Bytes waiting. The other side may change it at once: the consumer may rely on at least this many, the producer on
    /// at most.
    pub fn len(&self) -> usize {
        // `popped` first, so that the difference cannot be negative; seen late it may exceed what fits.
        let popped = self.popped.load(Acquire);
        self.pushed.load(Acquire).wrapping_sub(popped).min(N)
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next push would be refused.
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Bytes that can be pushed before the queue is full.
    pub fn free(&self) -> usize {
        N - self.len()
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        /// The byte queue is a bounded first-in-first-out queue.
        #[test]
        fn byte_queue(steps in prop::collection::vec(prop::option::of(any::<u8>()), 0..200)) {
            let (queue, mut model) = (Bytes::<8>::new(), VecDeque::new());
            for step in steps {
                match step {
                    Some(byte) => {
                        prop_assert_eq!(queue.push(byte), model.len() < 8);
                        if model.len() < 8 {
                            model.push_back(byte);
                        }
                    }
                    None => prop_assert_eq!(queue.pop(), model.pop_front()),
                }
                prop_assert_eq!((queue.len(), queue.free()), (model.len(), 8 - model.len()));
                prop_assert_eq!((queue.is_empty(), queue.is_full()), (model.is_empty(), model.len() == 8));
            }
        }
    }
}
