//! Which timer expires next?
//!
//! A binary heap of bounded capacity over `Copy` handles. Each timer knows its place in the heap, so cancelling one is
//! O(log n) too; n is capped at build, which bounds the time with interrupts off. Equal expiries come out in the order
//! of their sequence numbers (TM-02.1): a heap alone would not keep it.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use heapless::Vec;

/// A timer's place in its queue, which alone writes it. Anybody may ask whether there is one, at any time.
pub struct Pos(AtomicU32);

/// Place of a timer that is in no queue.
const NOT_QUEUED: u32 = u32::MAX;

impl Pos {
    /// That of a timer in no queue.
    pub const fn new() -> Self {
        Self(AtomicU32::new(NOT_QUEUED))
    }
    /// Whether the timer is in a queue; out of date as soon as it is known, unless the queue is locked.
    #[inline]
    pub fn is_queued(&self) -> bool {
        self.get() != NOT_QUEUED
    }
    #[inline]
    fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
    #[inline]
    fn set(&self, at: u32) {
        self.0.store(at, Relaxed);
    }
}

impl Default for Pos {
    fn default() -> Self {
        Self::new()
    }
}

/// A handle to a timer that can be queued. Equality is identity.
pub trait Timed: Copy + Eq {
    /// Expiry in nanoseconds, and a number that tells timers of equal expiry apart (see [`TimerQueue::next_seq`]).
    /// Must not change while the timer is queued.
    fn key(&self) -> (u64, u64);
    /// The timer's place in its queue.
    fn pos(&self) -> &Pos;
}

/// Why a timer cannot be queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InsertError {
    /// As many timers are queued as were provided for at build.
    Full,
    /// The timer is in a queue already.
    Queued,
}

/// At most `N` timers, ordered by expiry.
pub struct TimerQueue<H, const N: usize> {
    heap: Vec<H, N, u32>,
    seq: u64,
}

impl<H, const N: usize> TimerQueue<H, N> {
    /// No timer. `N` must be below `u32::MAX`.
    pub const fn new() -> Self {
        const { assert!(N < NOT_QUEUED as usize) };
        Self { heap: Vec::new(), seq: 0 }
    }

    /// How many timers are queued.
    #[inline]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Is no timer queued?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// A number larger than all before: the second part of the key of a timer about to be inserted.
    #[inline]
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

impl<H, const N: usize> Default for TimerQueue<H, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Timed, const N: usize> TimerQueue<H, N> {
    /// The queued timers in no order. For verification.
    pub fn iter(&self) -> impl Iterator<Item = H> + '_ {
        self.heap.iter().copied()
    }

    /// Does each timer know its place, and does none expire before the one above it (HC-06)?
    pub fn verify(&self) -> bool {
        self.heap.iter().enumerate().all(|(at, h)| {
            let above = self.heap.get(at.saturating_sub(1) / 2);
            h.pos().get() as usize == at && above.is_none_or(|above| above.key() <= h.key())
        })
    }

    /// The timer that expires first.
    #[inline]
    pub fn first(&self) -> Option<H> {
        self.heap.first().copied()
    }

    /// When the next timer expires, in nanoseconds.
    #[inline]
    pub fn next_expiry(&self) -> Option<u64> {
        Some(self.first()?.key().0)
    }

    /// Queues `h`. O(log n).
    #[inline]
    pub fn insert(&mut self, h: H) -> Result<(), InsertError> {
        if h.pos().is_queued() {
            return Err(InsertError::Queued);
        }
        let at = self.heap.len();
        self.heap.push(h).map_err(|_| InsertError::Full)?;
        self.sift_up(h, at);
        Ok(())
    }

    /// Takes `h` out; false if it is not in this queue. O(log n).
    #[inline]
    pub fn remove(&mut self, h: H) -> bool {
        let at = h.pos().get() as usize;
        if self.heap.get(at) != Some(&h) {
            return false;
        }
        h.pos().set(NOT_QUEUED);
        if let Some(last) = self.heap.pop()
            && last != h
        {
            // The last one fills the gap; it may belong above it or below it, as it comes from another branch.
            let at = self.sift_up(last, at);
            self.sift_down(last, at);
        }
        true
    }

    /// Takes the first timer out if it expires at `now` or earlier. O(log n).
    #[inline(always)]
    pub fn pop_expired(&mut self, now: u64) -> Option<H> {
        let first = self.first()?;
        if first.key().0 > now {
            return None;
        }
        first.pos().set(NOT_QUEUED);
        // The last one fills the gap, unless it was the first one, too.
        if let Some(last) = self.heap.pop()
            && !self.heap.is_empty()
        {
            self.sift_down(last, 0);
        }
        Some(first)
    }

    #[inline]
    fn put(&mut self, h: H, at: usize) {
        if let Some(slot) = self.heap.get_mut(at) {
            *slot = h;
            h.pos().set(at as u32);
        }
    }

    /// Stores `h` in the gap `at` or above it; answers where.
    #[inline]
    fn sift_up(&mut self, h: H, mut at: usize) -> usize {
        let key = h.key();
        while at > 0
            && let Some(&parent) = self.heap.get((at - 1) / 2)
            && parent.key() > key
        {
            self.put(parent, at);
            at = (at - 1) / 2;
        }
        self.put(h, at);
        at
    }

    /// Stores `h` in the gap `at` or below it.
    #[inline]
    fn sift_down(&mut self, h: H, mut at: usize) {
        let key = h.key();
        loop {
            let mut child_at = 2 * at + 1;
            let Some(&left) = self.heap.get(child_at) else { break };
            let mut child = left;
            if let Some(&right) = self.heap.get(child_at + 1)
                && right.key() < left.key()
            {
                child = right;
                child_at += 1;
            }
            if child.key() >= key {
                break;
            }
            self.put(child, at);
            at = child_at;
        }
        self.put(h, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use proptest::prelude::*;

    struct Timer {
        id: usize,
        key: Cell<(u64, u64)>,
        pos: Pos,
    }

    #[derive(Clone, Copy)]
    struct Handle(&'static Timer);

    impl PartialEq for Handle {
        fn eq(&self, other: &Self) -> bool {
            core::ptr::eq(self.0, other.0)
        }
    }

    impl Eq for Handle {}

    impl core::fmt::Debug for Handle {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "{}", self.0.id)
        }
    }

    impl Timed for Handle {
        fn key(&self) -> (u64, u64) {
            self.0.key.get()
        }
        fn pos(&self) -> &Pos {
            &self.0.pos
        }
    }

    fn timers(n: usize) -> std::vec::Vec<Handle> {
        let timer = |id| Timer { id, key: Cell::new((0, 0)), pos: Pos::new() };
        (0..n).map(|id| Handle(Box::leak(Box::new(timer(id))))).collect()
    }

    fn arm<const N: usize>(q: &mut TimerQueue<Handle, N>, h: Handle, expiry: u64) -> Result<(), InsertError> {
        let seq = q.next_seq();
        h.0.key.set((expiry, seq));
        q.insert(h)
    }

    /// TM-02.1: 1,000 timers with many ties come out sorted, equal ones in the order in which they were armed.
    #[test]
    fn a_thousand_timers_with_ties_expire_in_stable_order() {
        let t = timers(1000);
        let mut q = TimerQueue::<Handle, 1000>::new();
        let mut expected = std::vec::Vec::new();
        let mut random = 1u64;
        for &h in &t {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let expiry = random >> 58;
            arm(&mut q, h, expiry).unwrap();
            expected.push((expiry, h.0.id));
        }
        expected.sort_by_key(|&(expiry, _)| expiry);
        let got: std::vec::Vec<_> =
            core::iter::from_fn(|| q.pop_expired(u64::MAX)).map(|h| (h.key().0, h.0.id)).collect();
        assert_eq!(got, expected);
        assert!(t.iter().all(|h| !h.pos().is_queued()));
    }

    #[test]
    fn full_queued_and_foreign_timers_are_refused() {
        let t = timers(3);
        let (mut q, mut other) = (TimerQueue::<Handle, 2>::new(), TimerQueue::<Handle, 2>::new());
        assert_eq!(arm(&mut q, t[0], 5), Ok(()));
        assert_eq!(q.insert(t[0]), Err(InsertError::Queued));
        assert_eq!(arm(&mut q, t[1], 3), Ok(()));
        assert_eq!(arm(&mut q, t[2], 1), Err(InsertError::Full));
        assert!(!t[2].pos().is_queued());
        assert!(!q.remove(t[2]) && !other.remove(t[0]));
        assert_eq!((q.next_expiry(), q.len()), (Some(3), 2));
        assert!(q.pop_expired(2).is_none());
        assert!(q.remove(t[1]) && !q.remove(t[1]));
        assert_eq!(q.pop_expired(5), Some(t[0]));
        assert!(q.is_empty() && other.insert(t[0]).is_ok());
    }

    proptest! {
        /// TM-02: any mix of arming, cancelling and expiring equals a sorted list.
        #[test]
        fn behaves_like_a_sorted_list(steps in prop::collection::vec((0u8..4, 0usize..24, 0u64..20), 0..300)) {
            let t = timers(24);
            let mut q = TimerQueue::<Handle, 16>::new();
            let mut model: std::vec::Vec<((u64, u64), usize)> = std::vec::Vec::new();
            for (op, id, time) in steps {
                let queued = model.iter().any(|&(_, other)| other == id);
                match op {
                    0 | 1 if !queued => {
                        let result = arm(&mut q, t[id], time);
                        prop_assert_eq!(result.is_ok(), model.len() < 16);
                        if result.is_ok() { model.push((t[id].key(), id)); }
                        model.sort();
                    }
                    2 => {
                        prop_assert_eq!(q.remove(t[id]), queued);
                        model.retain(|&(_, other)| other != id);
                    }
                    _ => {
                        let due = model.first().is_some_and(|&((expiry, _), _)| expiry <= time);
                        let expected = due.then(|| model.remove(0).1);
                        prop_assert_eq!(q.pop_expired(time).map(|h| h.0.id), expected);
                    }
                }
                prop_assert_eq!(q.first().map(|h| h.0.id), model.first().map(|&(_, id)| id));
                prop_assert_eq!(q.len(), model.len());
                prop_assert!(q.verify());
                for h in &t {
                    let queued = model.iter().any(|&(_, id)| id == h.0.id);
                    prop_assert_eq!(q.heap.get(h.pos().get() as usize) == Some(h), queued);
                }
            }
        }
    }
}
