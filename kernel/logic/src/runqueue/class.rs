//! In which order do the threads of some levels run? The classes of a run queue.
use super::{OnRunQueue, Place};
use crate::{
    list::{Linked, List},
    policy::Level,
};

/// The threads of some levels, in the order in which they shall run.
pub trait Class<H> {
    /// Adds `h`, which is not queued.
    fn enqueue(&mut self, h: H, level: Level, place: Place);
    /// Takes `h`, queued at `level`, out; false if it was not there.
    fn dequeue(&mut self, h: H, level: Level) -> bool;
    /// The thread to run next and its level; it stays queued.
    fn first(&self) -> Option<(H, Level)>;
    /// The level of the thread to run next.
    fn first_level(&self) -> Option<Level>;
    /// Takes the thread to run next out.
    fn take_first(&mut self) -> Option<(H, Level)>;
    /// Is any thread queued at `level`?
    fn has_equal(&self, level: Level) -> bool;
}

/// A power of two, so that masking an index replaces its bounds check; 1..=99 are in use.
const LISTS: usize = 128;
const WORD: usize = u64::BITS as usize;

/// FIFO and RR threads: a list for each level and a bit for each list that is not empty, so that every operation is
/// O(1) (SC-01.5).
pub struct Realtime<H, Tag = OnRunQueue> {
    /// Bit of level `l`: bit `l % 64` of word `l / 64`. Set ⇔ the list of `l` is not empty.
    pub(super) ready: [u64; LISTS / WORD],
    pub(super) lists: [List<H, Tag>; LISTS],
}

impl<H, Tag> Realtime<H, Tag> {
    /// Nothing ready.
    pub const fn new() -> Self {
        Self { ready: [0; LISTS / WORD], lists: [const { List::new() }; LISTS] }
    }

    #[inline]
    fn list(&mut self, level: Level) -> &mut List<H, Tag> {
        &mut self.lists[level.get() as usize % LISTS]
    }

    /// Whether bits and lists agree.
    pub(super) fn agrees(&self) -> bool {
        let set = |level: usize| self.ready[level / WORD] >> (level % WORD) & 1 != 0;
        self.lists.iter().enumerate().all(|(level, list)| set(level) != list.is_empty())
    }

    #[inline]
    fn mark(&mut self, level: Level) {
        self.ready[level.get() as usize / WORD % 2] |= bit(level);
    }

    #[inline]
    fn unmark(&mut self, level: Level) {
        self.ready[level.get() as usize / WORD % 2] &= !bit(level);
    }
}

/// The level's bit in its word.
#[inline]
fn bit(level: Level) -> u64 {
    1 << (level.get() as usize % WORD)
}

impl<H, Tag> Default for Realtime<H, Tag> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Linked<Tag>, Tag> Class<H> for Realtime<H, Tag> {
    #[inline]
    fn enqueue(&mut self, h: H, level: Level, place: Place) {
        let was_empty = match place {
            Place::Head => self.list(level).push_front(h),
            Place::Tail => self.list(level).push_back(h),
        };
        if was_empty {
            self.mark(level);
        }
    }

    #[inline]
    fn dequeue(&mut self, h: H, level: Level) -> bool {
        let removed = self.list(level).remove(h);
        if self.list(level).is_empty() {
            self.unmark(level);
        }
        removed
    }

    #[inline]
    fn first(&self) -> Option<(H, Level)> {
        let level = self.first_level()?;
        Some((self.lists[level.get() as usize % LISTS].front()?, level))
    }

    #[inline]
    fn first_level(&self) -> Option<Level> {
        let [low, high] = self.ready;
        if high != 0 {
            Some(Level::from_bit(u64::BITS + high.ilog2()))
        } else if low != 0 {
            Some(Level::from_bit(low.ilog2()))
        } else {
            None
        }
    }

    #[inline]
    fn take_first(&mut self) -> Option<(H, Level)> {
        let level = self.first_level()?;
        let (h, was_only) = self.list(level).pop_front_telling()?;
        if was_only {
            self.unmark(level);
        }
        Some((h, level))
    }

    #[inline]
    fn has_equal(&self, level: Level) -> bool {
        !self.lists[level.get() as usize % LISTS].is_empty()
    }
}

/// Fair threads, in plain round robin: each runs a slice and goes to the end.
pub struct Fair<H, Tag = OnRunQueue> {
    list: List<H, Tag>,
}

impl<H, Tag> Fair<H, Tag> {
    /// Nothing ready.
    pub const fn new() -> Self {
        Self { list: List::new() }
    }
}

impl<H, Tag> Default for Fair<H, Tag> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Linked<Tag>, Tag> Class<H> for Fair<H, Tag> {
    #[inline]
    fn enqueue(&mut self, h: H, _: Level, place: Place) {
        match place {
            Place::Head => self.list.push_front(h),
            Place::Tail => self.list.push_back(h),
        };
    }

    #[inline]
    fn dequeue(&mut self, h: H, _: Level) -> bool {
        self.list.remove(h)
    }

    #[inline]
    fn first(&self) -> Option<(H, Level)> {
        Some((self.list.front()?, Level::FAIR))
    }

    #[inline]
    fn first_level(&self) -> Option<Level> {
        if self.list.is_empty() { None } else { Some(Level::FAIR) }
    }

    #[inline]
    fn take_first(&mut self) -> Option<(H, Level)> {
        Some((self.list.pop_front()?, Level::FAIR))
    }

    #[inline]
    fn has_equal(&self, _: Level) -> bool {
        !self.list.is_empty()
    }
}

/// The threads of every class, the most urgent class first.
pub(super) struct Classes<H, Tag = OnRunQueue> {
    pub(super) realtime: Realtime<H, Tag>,
    fair: Fair<H, Tag>,
}

impl<H, Tag> Classes<H, Tag> {
    pub(super) const fn new() -> Self {
        Self { realtime: Realtime::new(), fair: Fair::new() }
    }
}

impl<H: Linked<Tag>, Tag> Classes<H, Tag> {
    /// The threads in order, with their levels; for searches that are bounded by their caller.
    pub(super) fn iter(&self) -> impl Iterator<Item = (H, Level)> {
        let [low, high] = self.realtime.ready;
        let mut ready = u128::from(high) << u64::BITS | u128::from(low);
        let levels = core::iter::from_fn(move || {
            let bit = ready.checked_ilog2()?;
            ready &= !(1 << bit);
            Some(Level::from_bit(bit))
        });
        let realtime =
            levels.flat_map(|level| self.realtime.lists[level.get() as usize % LISTS].iter().map(move |h| (h, level)));
        realtime.chain(self.fair.list.iter().map(|h| (h, Level::FAIR)))
    }
    #[inline]
    pub(super) fn enqueue(&mut self, h: H, level: Level, place: Place) {
        if level.is_rt() { self.realtime.enqueue(h, level, place) } else { self.fair.enqueue(h, level, place) }
    }
    #[inline]
    pub(super) fn dequeue(&mut self, h: H, level: Level) -> bool {
        if level.is_rt() { self.realtime.dequeue(h, level) } else { self.fair.dequeue(h, level) }
    }
    #[inline]
    pub(super) fn first(&self) -> Option<(H, Level)> {
        self.realtime.first().or_else(|| self.fair.first())
    }
    #[inline]
    pub(super) fn first_level(&self) -> Option<Level> {
        self.realtime.first_level().or_else(|| self.fair.first_level())
    }
    /// Whether `h` is queued at `level`. O(1).
    pub(super) fn contains(&mut self, h: H, level: Level) -> bool {
        if level.is_rt() { self.realtime.list(level).contains(h) } else { self.fair.list.contains(h) }
    }
    #[inline]
    pub(super) fn take_first(&mut self) -> Option<(H, Level)> {
        self.realtime.take_first().or_else(|| self.fair.take_first())
    }
    #[inline]
    pub(super) fn has_equal(&self, level: Level) -> bool {
        if level.is_rt() { self.realtime.has_equal(level) } else { self.fair.has_equal(level) }
    }
}
