//! Which of the threads that wait for something is the most urgent, and which came first among equals?
//!
//! A list of the waiters in order, and through the first of each priority (its *leader*) a second list from priority to
//! priority (Linux `lib/plist.c`). Inserting walks the leaders only, so it takes as many steps as there are distinct
//! priorities, 100 at most, whatever the number of waiters; the top is at hand and removing is O(1).
//!
//! ```text
//! leaders:  90 ─────────► 50 ─────────────────► 10
//! all:      90a ─► 90b ─► 50a ─► 50b ─► 50c ─► 10a
//! ```
//!
//! A waiter's priority is noted when it is inserted. Who changes the priority of a waiting thread takes it out and puts
//! it in again; until then the list stays in the order it was built in.

use crate::policy::Level;
use core::cell::Cell;
use core::marker::PhantomData;

/// What a waiter carries for one kind of priority list.
pub struct Node<H> {
    next: Cell<Option<H>>,
    prev: Cell<Option<H>>,
    /// Leaders only: the leaders of the next lower and next higher priority.
    lower: Cell<Option<H>>,
    higher: Cell<Option<H>>,
    role: Cell<Role>,
    level: Cell<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Out,
    Member,
    Leader,
}

impl<H: Copy> Node<H> {
    /// A waiter that is on no list.
    pub const fn new() -> Self {
        Self {
            next: Cell::new(None),
            prev: Cell::new(None),
            lower: Cell::new(None),
            higher: Cell::new(None),
            role: Cell::new(Role::Out),
            level: Cell::new(Level::FAIR),
        }
    }

    /// Is the waiter on a list of this kind?
    #[inline]
    pub fn is_queued(&self) -> bool {
        self.role.get() != Role::Out
    }

    /// The priority it was last inserted with.
    #[inline]
    pub fn level(&self) -> Level {
        self.level.get()
    }
}

impl<H: Copy> Default for Node<H> {
    fn default() -> Self {
        Self::new()
    }
}

/// A handle to something that can wait in a list of kind `Tag`. Equality is identity.
pub trait Ranked<Tag>: Copy + Eq {
    /// Its node for lists of kind `Tag`; the same at every call.
    fn node(&self) -> &Node<Self>;
    /// How urgent it is now; read when it is inserted.
    fn rank(&self) -> Level;
}

/// Waiters, the most urgent first, those of equal priority in the order in which they came.
pub struct PList<H, Tag> {
    first: Option<H>,
    last: Option<H>,
    tag: PhantomData<fn(Tag)>,
}

impl<H, Tag> PList<H, Tag> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self { first: None, last: None, tag: PhantomData }
    }

    /// Does nobody wait?
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl<H, Tag> Default for PList<H, Tag> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Ranked<Tag>, Tag> PList<H, Tag> {
    /// The most urgent waiter, which stays.
    #[inline]
    pub fn first(&self) -> Option<H> {
        self.first
    }

    /// The priority of the most urgent waiter.
    #[inline]
    pub fn first_level(&self) -> Option<Level> {
        Some(self.first?.node().level())
    }

    /// Inserts `h` behind all waiters of its priority; false, and nothing happens, if it waits already.
    ///
    /// O(distinct priorities).
    #[inline]
    pub fn insert(&mut self, h: H) -> bool {
        let node = h.node();
        if node.is_queued() {
            return false;
        }
        let level = h.rank();
        node.level.set(level);
        if self.first.is_none() {
            // Most lists have one waiter at most.
            node.role.set(Role::Leader);
            (self.first, self.last) = (Some(h), Some(h));
            return true;
        }
        self.insert_among(h, node, level);
        true
    }

    /// Others wait.
    #[inline(never)]
    fn insert_among(&mut self, h: H, node: &Node<H>, level: Level) {
        // The leaders between which `h` belongs: the lowest that is not below it, the highest that is.
        let (mut above, mut below) = (None, self.first);
        while let Some(leader) = below
            && leader.node().level() >= level
        {
            (above, below) = (below, leader.node().lower.get());
        }
        if let Some(leader) = above
            && leader.node().level() == level
        {
            node.role.set(Role::Member);
        } else {
            node.role.set(Role::Leader);
            self.link_leaders(above, Some(h));
            self.link_leaders(Some(h), below);
        }
        let before = match below {
            Some(leader) => leader.node().prev.get(),
            None => self.last,
        };
        self.link(before, Some(h));
        self.link(Some(h), below);
    }

    /// Takes the most urgent waiter out.
    #[inline]
    pub fn pop_first(&mut self) -> Option<H> {
        let first = self.first?;
        self.remove(first);
        Some(first)
    }

    /// Takes `h` out; false, and nothing happens, if it does not wait. O(1).
    ///
    /// It must not be on *another* list of this kind: that list's ends would not be corrected.
    #[inline]
    pub fn remove(&mut self, h: H) -> bool {
        let node = h.node();
        if self.first == Some(h) && self.last == Some(h) {
            node.role.set(Role::Out);
            (self.first, self.last) = (None, None);
            return true;
        }
        self.remove_from_among(h, node)
    }

    /// Others wait, or it does not.
    #[inline(never)]
    fn remove_from_among(&mut self, h: H, node: &Node<H>) -> bool {
        let (prev, next) = (node.prev.get(), node.next.get());
        if !node.is_queued() || (prev.is_none() && self.first != Some(h)) {
            return false;
        }
        self.link(prev, next);
        if node.role.get() == Role::Leader {
            let (higher, lower) = (node.higher.get(), node.lower.get());
            match next {
                // The next of the same priority leads in its place.
                Some(next) if next.node().role.get() == Role::Member => {
                    next.node().role.set(Role::Leader);
                    self.link_leaders(higher, Some(next));
                    self.link_leaders(Some(next), lower);
                }
                _ => self.link_leaders(higher, lower),
            }
        }
        node.role.set(Role::Out);
        // One by one: where code is compiled for size, a loop stays one, and is longer.
        node.next.set(None);
        node.prev.set(None);
        node.lower.set(None);
        node.higher.set(None);
        true
    }

    /// The waiter behind `h`, which is on this list. O(1).
    #[inline]
    pub fn after(&self, h: H) -> Option<H> {
        h.node().next.get()
    }

    /// The waiters, the most urgent first. O(length): for tests, verification and the shell.
    pub fn iter(&self) -> impl Iterator<Item = H> + '_ {
        core::iter::successors(self.first, |h| h.node().next.get())
    }

    /// Do `h`, which waits, and its neighbours agree about their order? Asked of every waiter of a list it checks the whole
    /// list (HC-06).
    pub fn agrees(h: H) -> bool {
        let (node, me) = (h.node(), Some(h));
        let (prev, next) = (node.prev.get(), node.next.get());
        let (higher, lower) = (node.higher.get(), node.lower.get());
        let first_of_level = prev.is_none_or(|p| p.node().level() != node.level());
        (node.role.get() == Role::Leader) == first_of_level
            && prev.is_none_or(|p| p.node().next.get() == me && p.node().level() >= node.level())
            && next.is_none_or(|n| n.node().prev.get() == me)
            && higher.is_none_or(|l| first_of_level && l.node().lower.get() == me && l.node().level() > node.level())
            && lower.is_none_or(|l| first_of_level && l.node().higher.get() == me)
    }

    #[inline]
    fn link(&mut self, prev: Option<H>, next: Option<H>) {
        match prev {
            Some(prev) => prev.node().next.set(next),
            None => self.first = next,
        }
        match next {
            Some(next) => next.node().prev.set(prev),
            None => self.last = prev,
        }
    }

    #[inline]
    fn link_leaders(&mut self, higher: Option<H>, lower: Option<H>) {
        if let Some(higher) = higher {
            higher.node().lower.set(lower);
        }
        if let Some(lower) = lower {
            lower.node().higher.set(higher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    struct Waiter {
        id: usize,
        rank: Cell<Level>,
        node: Node<Handle>,
    }

    #[derive(Clone, Copy)]
    struct Handle(&'static Waiter);

    enum Tag {}

    impl PartialEq for Handle {
        fn eq(&self, other: &Self) -> bool {
            core::ptr::eq(self.0, other.0)
        }
    }

    impl Eq for Handle {}

    impl Ranked<Tag> for Handle {
        fn node(&self) -> &Node<Self> {
            STEPS.set(STEPS.get() + 1);
            &self.0.node
        }
        fn rank(&self) -> Level {
            self.0.rank.get()
        }
    }

    fn waiters(n: usize) -> Vec<Handle> {
        let waiter = |id| Waiter { id, rank: Cell::new(Level::FAIR), node: Node::new() };
        (0..n).map(|id| Handle(Box::leak(Box::new(waiter(id))))).collect()
    }

    fn level(level: u8) -> Level {
        Level::rt(level).unwrap_or(Level::FAIR)
    }

    /// Equal priorities leave in the order in which they came, whatever came between.
    #[test]
    fn fifo_among_equals() {
        let w = waiters(5);
        let mut list = PList::<Handle, Tag>::new();
        for (h, priority) in w.iter().zip([50, 10, 50, 90, 50]) {
            h.0.rank.set(level(priority));
            assert!(list.insert(*h));
        }
        assert!(!list.insert(w[0]), "waits already");
        assert_eq!(list.first_level(), Some(level(90)));
        let order: Vec<_> = core::iter::from_fn(|| list.pop_first()).map(|h| h.0.id).collect();
        assert_eq!(order, [3, 0, 2, 4, 1]);
        assert!(!list.remove(w[0]));
    }

    /// Steps do not grow with the number of waiters, only with that of priorities.
    #[test]
    fn steps_are_bounded_by_priorities() {
        let w = waiters(5_000);
        let mut list = PList::<Handle, Tag>::new();
        for (i, h) in w.iter().enumerate() {
            h.0.rank.set(level((i % 5) as u8 + 1));
            STEPS.set(0);
            list.insert(*h);
            assert!(STEPS.get() <= 5 * 2 + 12, "{} steps with {i} waiters", STEPS.get());
        }
        for h in &w {
            STEPS.set(0);
            assert!(list.remove(*h));
            assert!(STEPS.get() <= 12, "{} steps to remove", STEPS.get());
        }
        assert!(list.is_empty());
    }

    proptest! {
        /// Any mix of inserting, removing, popping and re-ranking equals a stably sorted list. A rank that changes while
        /// its owner waits disturbs nothing until it is inserted again.
        #[test]
        fn behaves_like_a_sorted_list(
            steps in prop::collection::vec((0u8..5, 0usize..16, prop_oneof![0u8..=99, 49u8..=51]), 0..300)
        ) {
            let w = waiters(16);
            let mut list = PList::<Handle, Tag>::new();
            let mut model: Vec<(Level, usize)> = Vec::new();
            for (op, id, priority) in steps {
                let queued = model.iter().any(|&(_, other)| other == id);
                match op {
                    0 | 1 => {
                        w[id].0.rank.set(level(priority));
                        prop_assert_eq!(list.insert(w[id]), !queued);
                        if !queued {
                            let at = model.iter().position(|&(l, _)| l < level(priority)).unwrap_or(model.len());
                            model.insert(at, (level(priority), id));
                        }
                    }
                    2 => {
                        let expected = (!model.is_empty()).then(|| model.remove(0).1);
                        prop_assert_eq!(list.pop_first().map(|h| h.0.id), expected);
                    }
                    3 => {
                        prop_assert_eq!(list.remove(w[id]), queued);
                        model.retain(|&(_, other)| other != id);
                    }
                    _ => w[id].0.rank.set(level(priority)),
                }
                let order: Vec<_> = list.iter().map(|h| (h.0.node.level(), h.0.id)).collect();
                prop_assert_eq!(&order, &model);
                prop_assert_eq!(list.last.map(|h| h.0.id), model.last().map(|&(_, id)| id));
                // The leaders are exactly the first of each priority, linked both ways.
                let leaders: Vec<_> = core::iter::successors(list.first, |h| h.0.node.lower.get()).collect();
                let mut levels: Vec<_> = model.iter().map(|&(l, _)| l).collect();
                levels.dedup();
                prop_assert_eq!(leaders.iter().map(|h| h.0.node.level()).collect::<Vec<_>>(), levels);
                for pair in leaders.windows(2) {
                    prop_assert!(pair[1].0.node.higher.get() == Some(pair[0]));
                    prop_assert!(pair[1].0.node.role.get() == Role::Leader);
                }
                prop_assert!(list.iter().all(PList::<Handle, Tag>::agrees));
                for h in &w {
                    prop_assert_eq!(h.0.node.is_queued(), model.iter().any(|&(_, id)| id == h.0.id));
                }
            }
        }
    }
}
