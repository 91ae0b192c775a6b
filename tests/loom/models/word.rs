//! What do the modelled algorithms run on, and how is one of their memory orders spoilt?
//!
//! A model that passes proves little unless it fails when the mechanism is broken. So each algorithm runs on words with
//! one of its orders weakened, too, and that model has to fail.
use logic::atomic::{
    self,
    Ordering::{self, AcqRel, Acquire, Release, SeqCst},
};
use loom::sync::atomic::{AtomicU32, fence};
use std::{cell::RefCell, marker::PhantomData};

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
    /// Of a swap.
    fn swap(written: Ordering) -> Ordering {
        written
    }
    /// Of any other read-modify-write.
    fn modify(written: Ordering) -> Ordering {
        written
    }
    /// Whether fences are.
    const FENCES: bool = true;
}

/// Those that are written.
pub struct Written;
impl Orders for Written {}

/// loom's atomic word, and what loom does not know of it.
///
/// loom takes a SeqCst access for one that acquires and releases. What is missing is their one order, in which a load does
/// not miss what was stored before it: loom would find wake-ups lost that no CPU loses. For a word with such accesses
/// ([`Word::seq_cst`]) that order is here the one in which a run does things, of which loom tries all; so
///
/// - a store takes its place behind all that were done before (loom would put it anywhere where nobody notices);
/// - a SeqCst load finds the last SeqCst store or one that was done after it, whatever that one's order.
pub struct Word<O = Written> {
    word: AtomicU32,
    /// From the last SeqCst store on: what was stored. `None`: a word without SeqCst accesses.
    visible: Option<RefCell<Vec<u32>>>,
    orders: PhantomData<O>,
}

// SAFETY: a model's threads run on one thread of the host and change places within loom's operations only, while nobody has
// `visible` borrowed.
unsafe impl<O> Sync for Word<O> {}
// SAFETY: as above.
unsafe impl<O> Send for Word<O> {}

impl<O> Word<O> {
    /// A word without SeqCst accesses.
    pub fn new(value: u32) -> Self {
        Self { word: AtomicU32::new(value), visible: None, orders: PhantomData }
    }
    /// A word with SeqCst accesses.
    pub fn seq_cst(value: u32) -> Self {
        Self { visible: Some(RefCell::new(vec![value])), ..Self::new(value) }
    }
    /// The last operation on the word has stored this.
    fn stored(&self, value: u32, order: Ordering) {
        let Some(visible) = &self.visible else {
            assert!(order != SeqCst, "a SeqCst access to a word of another kind");
            return;
        };
        let mut visible = visible.borrow_mut();
        if order == SeqCst {
            visible.clear();
        }
        visible.push(value);
    }
    /// Whether a SeqCst load may find this.
    fn is_visible(&self, value: u32) -> bool {
        let visible = self.visible.as_ref().expect("a SeqCst access to a word of another kind");
        visible.borrow().contains(&value)
    }
    /// A read-modify-write that always stores.
    fn modified(&self, before: u32, after: u32, order: Ordering) -> u32 {
        self.stored(after, order);
        before
    }
}

/// What loom makes of an order.
fn known(order: Ordering) -> Ordering {
    if order == SeqCst { AcqRel } else { order }
}

impl<O: Orders> atomic::Word for Word<O> {
    fn load(&self, order: Ordering) -> u32 {
        let order = O::load(order);
        if order != SeqCst {
            return self.word.load(order);
        }
        let value = self.word.load(Acquire);
        // Stale: the newest value instead.
        if self.is_visible(value) { value } else { self.word.fetch_add(0, Acquire) }
    }
    fn store(&self, value: u32, order: Ordering) {
        let order = O::store(order);
        match self.visible {
            None => self.word.store(value, order),
            Some(_) => drop(self.word.swap(value, if order == SeqCst { Release } else { order })),
        }
        self.stored(value, order);
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        let order = O::swap(order);
        self.modified(self.word.swap(value, known(order)), value, order)
    }
    fn compare_exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        let order = O::modify(success);
        let result = self.word.compare_exchange(current, new, known(order), O::load(failure));
        if result.is_ok() {
            self.stored(new, order);
        }
        result
    }
    fn compare_exchange_weak(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        // loom's never fails without a reason either; every caller loops.
        self.compare_exchange(current, new, success, failure)
    }
    fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        let order = O::modify(order);
        let before = self.word.fetch_add(value, known(order));
        self.modified(before, before.wrapping_add(value), order)
    }
    fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
        let order = O::modify(order);
        let before = self.word.fetch_sub(value, known(order));
        self.modified(before, before.wrapping_sub(value), order)
    }
    fn fetch_or(&self, value: u32, order: Ordering) -> u32 {
        let order = O::modify(order);
        let before = self.word.fetch_or(value, known(order));
        self.modified(before, before | value, order)
    }
    fn fetch_and(&self, value: u32, order: Ordering) -> u32 {
        let order = O::modify(order);
        let before = self.word.fetch_and(value, known(order));
        self.modified(before, before & value, order)
    }
    fn fence(order: Ordering) {
        if O::FENCES {
            fence(order);
        }
    }
}
