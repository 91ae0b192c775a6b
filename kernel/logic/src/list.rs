//! How do threads stand in a queue without allocating and without unsafe code?
//!
//! An intrusive doubly linked list over `Copy` handles. The links live inside the queued object, which the handle
//! reaches by safe means (in the kernel a handle wraps `&'static Thread`, in tests a leaked reference); an object has
//! one [`Links`] for each kind of list it can be on, told apart by a tag type. Every operation is O(1).
//!
//! Invariant: the links of an object that is on no list are both `None`, so a removal that finds neither a neighbour
//! nor itself at the end of the list knows that the object is not there. A lone object's links are `None` too: who
//! needs to know "is it queued anywhere" asks the object's state.
//!
//! The list itself does no locking: whoever holds `&mut List` owns the links of everything on it.

use core::cell::Cell;
use core::marker::PhantomData;

/// The two neighbours of an object on one list.
pub struct Links<H> {
    next: Cell<Option<H>>,
    prev: Cell<Option<H>>,
}

impl<H: Copy> Links<H> {
    /// Links of an object that is on no list.
    pub const fn new() -> Self {
        Self { next: Cell::new(None), prev: Cell::new(None) }
    }
}

impl<H: Copy> Default for Links<H> {
    fn default() -> Self {
        Self::new()
    }
}

/// A handle to an object that can be on a list of kind `Tag`.
///
/// Equality is identity: two handles are equal exactly when they name the same object.
pub trait Linked<Tag>: Copy + Eq {
    /// The object's links for lists of kind `Tag`; the same links at every call.
    fn links(&self) -> &Links<Self>;
}

/// A doubly linked list of kind `Tag`.
pub struct List<H, Tag> {
    head: Option<H>,
    tail: Option<H>,
    tag: PhantomData<fn(Tag)>,
}

impl<H, Tag> List<H, Tag> {
    /// An empty list.
    pub const fn new() -> Self {
        Self { head: None, tail: None, tag: PhantomData }
    }

    /// Is nothing on the list?
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}

impl<H, Tag> Default for List<H, Tag> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Linked<Tag>, Tag> List<H, Tag> {
    /// The first object, which stays on the list.
    #[inline]
    pub fn front(&self) -> Option<H> {
        self.head
    }

    /// Puts `h`, which is on no list of this kind, behind all others. Answers whether the list was empty.
    #[inline]
    pub fn push_back(&mut self, h: H) -> bool {
        debug_assert!(self.head != Some(h) && is_loose(h.links()), "already on a list");
        match self.tail {
            Some(last) => {
                last.links().next.set(Some(h));
                h.links().prev.set(Some(last));
                self.tail = Some(h);
                false
            }
            None => self.push_only(h),
        }
    }

    /// Puts `h`, which is on no list of this kind, before all others. Answers whether the list was empty.
    #[inline]
    pub fn push_front(&mut self, h: H) -> bool {
        debug_assert!(self.head != Some(h) && is_loose(h.links()), "already on a list");
        match self.head {
            Some(first) => {
                first.links().prev.set(Some(h));
                h.links().next.set(Some(first));
                self.head = Some(h);
                false
            }
            None => self.push_only(h),
        }
    }

    #[inline]
    fn push_only(&mut self, h: H) -> bool {
        self.head = Some(h);
        self.tail = Some(h);
        true
    }

    /// Takes the first object off.
    #[inline]
    pub fn pop_front(&mut self) -> Option<H> {
        self.pop_front_telling().map(|(first, _)| first)
    }

    /// Takes the first object off, and tells whether it was the only one.
    #[inline]
    pub fn pop_front_telling(&mut self) -> Option<(H, bool)> {
        let first = self.head?;
        let next = first.links().next.replace(None);
        self.head = next;
        match next {
            Some(next) => {
                next.links().prev.set(None);
                Some((first, false))
            }
            None => {
                self.tail = None;
                Some((first, true))
            }
        }
    }

    /// Puts `h` behind all others and takes the first off: `push_back` and `pop_front` in one, for a yield.
    ///
    /// `None`, and `h` is not queued, if the list was empty.
    #[inline]
    pub fn rotate_in(&mut self, h: H) -> Option<H> {
        debug_assert!(self.head != Some(h) && is_loose(h.links()), "already on a list");
        let (first, last) = (self.head?, self.tail?);
        // Linking `h` behind `last` first makes `first.next` valid even when `first` and `last` are the same object.
        last.links().next.set(Some(h));
        h.links().prev.set(Some(last));
        self.tail = Some(h);
        let next = first.links().next.replace(None);
        self.head = next;
        if let Some(next) = next {
            next.links().prev.set(None);
        }
        Some(first)
    }

    /// Takes `h` off; false, and nothing happens, if it is on no list of this kind.
    ///
    /// It must not be on *another* list of this kind: that list's ends would not be corrected.
    #[inline]
    pub fn remove(&mut self, h: H) -> bool {
        let prev = h.links().prev.get();
        let next = h.links().next.get();
        match prev {
            Some(prev) => prev.links().next.set(next),
            None if self.head == Some(h) => self.head = next,
            None => return false,
        }
        match next {
            Some(next) => next.links().prev.set(prev),
            None => self.tail = prev,
        }
        h.links().prev.set(None);
        h.links().next.set(None);
        true
    }

    /// Is `h` on this list, provided that it is on no other of this kind?
    pub fn contains(&self, h: H) -> bool {
        h.links().prev.get().is_some() || self.head == Some(h)
    }

    /// The objects from first to last. O(length): for tests, verification and the shell.
    pub fn iter(&self) -> Iter<'_, H, Tag> {
        Iter { next: self.head, list: PhantomData }
    }
}

fn is_loose<H: Copy>(links: &Links<H>) -> bool {
    links.next.get().is_none() && links.prev.get().is_none()
}

/// Iterator over a [`List`]; the borrow keeps the list from changing meanwhile.
pub struct Iter<'a, H, Tag> {
    next: Option<H>,
    list: PhantomData<&'a List<H, Tag>>,
}

impl<H: Linked<Tag>, Tag> Iterator for Iter<'_, H, Tag> {
    type Item = H;

    fn next(&mut self) -> Option<H> {
        let h = self.next?;
        self.next = h.links().next.get();
        Some(h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    struct Object {
        id: usize,
        links: Links<Handle>,
    }

    #[derive(Clone, Copy)]
    struct Handle(&'static Object);

    enum Tag {}

    impl PartialEq for Handle {
        fn eq(&self, other: &Self) -> bool {
            core::ptr::eq(self.0, other.0)
        }
    }

    impl Eq for Handle {}

    impl Linked<Tag> for Handle {
        fn links(&self) -> &Links<Self> {
            &self.0.links
        }
    }

    fn objects(n: usize) -> Vec<Handle> {
        (0..n).map(|id| Handle(Box::leak(Box::new(Object { id, links: Links::new() })))).collect()
    }

    fn ids(list: &List<Handle, Tag>) -> Vec<usize> {
        list.iter().map(|h| h.0.id).collect()
    }

    #[test]
    fn a_handle_costs_one_word_queued_or_not() {
        assert_eq!(size_of::<Option<Handle>>(), size_of::<usize>());
        assert_eq!(size_of::<List<Handle, Tag>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let o = objects(3);
        let mut list = List::<Handle, Tag>::new();
        assert!(!list.remove(o[0]));
        list.push_back(o[0]);
        list.push_back(o[1]);
        assert!(!list.remove(o[2]));
        assert!(list.remove(o[0]));
        assert!(!list.remove(o[0]));
        assert_eq!(ids(&list), [1]);
    }

    #[test]
    fn rotating_into_a_list_of_one_swaps() {
        let o = objects(2);
        let mut list = List::<Handle, Tag>::new();
        assert!(list.rotate_in(o[0]).is_none() && list.is_empty());
        list.push_back(o[1]);
        assert!(list.rotate_in(o[0]) == Some(o[1]));
        assert_eq!(ids(&list), [0]);
        assert!(list.remove(o[0]) && list.is_empty() && is_loose(&o[0].0.links) && is_loose(&o[1].0.links));
    }

    proptest! {
        /// Every operation against a deque, the ends checked from both sides.
        #[test]
        fn behaves_like_a_deque(steps in prop::collection::vec((0u8..5, 0usize..8), 0..200)) {
            let o = objects(8);
            let mut list = List::<Handle, Tag>::new();
            let mut model = VecDeque::new();
            for (op, id) in steps {
                let queued = model.contains(&id);
                match op {
                    0 if !queued => { prop_assert_eq!(list.push_back(o[id]), model.is_empty()); model.push_back(id); }
                    1 if !queued => { prop_assert_eq!(list.push_front(o[id]), model.is_empty()); model.push_front(id); }
                    2 => prop_assert_eq!(list.pop_front().map(|h| h.0.id), model.pop_front()),
                    3 if !queued => {
                        let expected = model.pop_front();
                        if expected.is_some() { model.push_back(id); }
                        prop_assert_eq!(list.rotate_in(o[id]).map(|h| h.0.id), expected);
                    }
                    _ => {
                        prop_assert_eq!(list.remove(o[id]), queued);
                        model.retain(|&other| other != id);
                    }
                }
                prop_assert_eq!(ids(&list), model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(list.front().map(|h| h.0.id), model.front().copied());
                prop_assert_eq!(list.tail.map(|h| h.0.id), model.back().copied());
                for h in &o {
                    prop_assert!(model.contains(&h.0.id) || is_loose(&h.0.links));
                }
            }
        }
    }
}
