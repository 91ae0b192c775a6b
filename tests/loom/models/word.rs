//! What do the modelled algorithms run on, and how is one of their memory orders spoilt?
//!
//! A model that passes proves little unless it fails when the mechanism is broken. So each algorithm runs on words with
//! one of its orders weakened, too, and that model has to fail.
use logic::atomic::{
    self,
    Ordering::{self, SeqCst},
};
use loom::sync::atomic::{AtomicU32, fence};
use std::marker::PhantomData;

/// Which orders are used instead of those that are written.
pub trait Orders: 'static {
    /// Of a load.
    fn load(written: Ordering) -> Ordering {
        written
    }
    /// Of a store.
    fn store(written: Ordering) -> Ordering {
        written
    }
    /// Of a read-modify-write.
    fn modify(written: Ordering) -> Ordering {
        written
    }
    /// Whether fences are.
    const FENCES: bool = true;
}

/// Those that are written.
pub struct Written;
impl Orders for Written {}

/// loom's atomic word.
///
/// Of SeqCst accesses loom knows that a load does not miss a store before it, but counts a word's first value as no such
/// store. So it is stored once more, before anybody else has the word.
pub struct Word<O = Written>(AtomicU32, PhantomData<O>);

impl<O> Word<O> {
    pub fn new(value: u32) -> Self {
        let word = AtomicU32::new(value);
        word.store(value, SeqCst);
        Self(word, PhantomData)
    }
}

impl<O: Orders> atomic::Word for Word<O> {
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(O::load(order))
    }
    fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, O::store(order));
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.0.swap(value, O::modify(order))
    }
    fn compare_exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        self.0.compare_exchange(current, new, O::modify(success), O::load(failure))
    }
    fn compare_exchange_weak(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        // loom's never fails without a reason either; every caller loops.
        self.compare_exchange(current, new, success, failure)
    }
    fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_add(value, O::modify(order))
    }
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_sub(value, O::modify(order))
    }
    fn fetch_or(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_or(value, O::modify(order))
    }
    fn fetch_and(&self, value: u32, order: Ordering) -> u32 {
        self.0.fetch_and(value, O::modify(order))
    }
    fn fence(order: Ordering) {
        if O::FENCES {
            fence(order);
        }
    }
}
