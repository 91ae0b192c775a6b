//! Which ready thread runs next on a CPU, and what happens to the order when threads wake, yield or change?
//!
//! **The running thread is not in the queue.** Blocking then only takes the next thread off; a preempted thread is put
//! back at the *head* of its level, one that yields or used up its slice at the *tail*. That choice gives the FIFO
//! rules (SC-02) without marking anybody:
//!
//! | event | operation |
//! |---|---|
//! | new or woken | `enqueue(h, level, Tail)` |
//! | running thread preempted | [`RunQueue::give_way`]`(h, level, Head)` |
//! | running thread yields, or its slice ends | [`RunQueue::give_way`]`(h, level, Tail)` |
//! | running thread blocks | `take_first` |
//! | level of a queued thread changes | [`RunQueue::move_level`] |
//! | level of the running thread changes | [`RunQueue::running_changed`] |
//!
//! With several CPUs, threads that may run on another one stand in a second set of classes too, so that the most urgent of
//! them is found in constant time however many are bound to this CPU: [`RunQueue::first_movable`].
//!
//! A [`Class`] orders the threads of some levels; the queue asks the more urgent class first.

use crate::{list::Linked, policy::Level};
use core::cell::Cell;

mod class;

use class::Classes;
pub use class::{Class, Fair, Realtime};

/// Tag of the links by which a thread stands in a run queue.
pub enum OnRunQueue {}
/// Tag of the links by which it stands there among those that may run on another CPU.
pub enum OnMovable {}

/// A handle to a thread that may be able to run on another CPU.
pub trait Movable: Linked<OnRunQueue> + Linked<OnMovable> {
    /// May it run on another CPU than the one whose queue it is in or comes to? Asked when it is queued.
    fn is_movable(&self) -> bool;
    /// Whether it stands among the movable ones; only the queue writes it.
    fn among_movable(&self) -> &Cell<bool>;
}

/// Movable threads that one search looks at: more than that are passed over if none of the first may go where it is asked
/// for. Only threads bound to several, but not all, CPUs can make a search look further than at one.
const SEARCH: usize = 16;

/// At which end of its level a thread is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Before its equals: it was preempted, or its level was lowered.
    Head,
    /// Behind its equals: it was woken, yielded, used up its slice, or was raised.
    Tail,
}

impl Place {
    /// Where a thread goes whose level changes (SC-02.4): raised to the tail, lowered to the head; equal, it stays.
    #[inline]
    pub fn after_change(from: Level, to: Level) -> Option<Self> {
        match to.cmp(&from) {
            core::cmp::Ordering::Greater => Some(Self::Tail),
            core::cmp::Ordering::Less => Some(Self::Head),
            core::cmp::Ordering::Equal => None,
        }
    }
}

/// Does a thread that became ready at `woken` preempt one that runs at `running`? Equals do not (SC-04.2).
#[inline]
pub fn preempts(woken: Level, running: Level) -> bool {
    woken > running
}

/// What a change of the running thread's level asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum RunningChange {
    /// It goes on running; if preempted later, it goes to the head as always.
    Continue,
    /// Reschedule, and put the thread back at this place of its new level. The place must be remembered until then
    /// (preemption may be disabled); a later change replaces it.
    Preempt(Place),
}

/// A rule of [`RunQueue::verify`] that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Broken {
    /// A bit is set and its list is empty, or the other way round.
    Bitmap,
    /// The level of the first thread in the classes is not what was noted.
    Top,
    /// Somebody in the classes is more urgent than the thread in hand.
    Hand,
    /// A thread that may run elsewhere is not among the movable ones, or one that may not is.
    Movable,
}

/// How urgent the first of some threads is: its level plus one, 0 if there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Top(u32);

impl Top {
    const NONE: Self = Self(0);
    #[inline]
    const fn of(level: Level) -> Self {
        Self(level.get() as u32 + 1)
    }
    /// The level; somebody has it.
    #[inline]
    const fn level(self) -> Level {
        Level::from_bit(self.0.wrapping_sub(1))
    }
}

/// The ready threads of one CPU, without the one that runs.
///
/// One thread may be *in hand*: it runs before all that are in the classes and stands in none of them. A thread that
/// is woken to preempt, and the one that it preempts, go through the hand and cost neither list nor bitmap.
pub struct RunQueue<H> {
    hand: Option<H>,
    /// Of the thread in hand.
    hand_top: Top,
    /// Of the classes.
    top: Top,
    classes: Classes<H>,
    /// Those in the classes that may run on another CPU, once more.
    movable: Classes<H, OnMovable>,
}

impl<H> RunQueue<H> {
    /// Nothing ready.
    pub const fn new() -> Self {
        Self { hand: None, hand_top: Top::NONE, top: Top::NONE, classes: Classes::new(), movable: Classes::new() }
    }
}

impl<H> Default for RunQueue<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Movable> RunQueue<H> {
    /// Does a thread at `level`, put at `place`, run before all whose first one is at `top`?
    #[inline]
    fn leads(level: Level, place: Place, top: Top) -> bool {
        match place {
            Place::Head => Top::of(level) >= top,
            Place::Tail => Top::of(level) > top,
        }
    }

    /// Adds `h`, which is not queued.
    #[inline(always)]
    pub fn enqueue(&mut self, h: H, level: Level, place: Place) {
        if self.hand.is_none() && Self::leads(level, place, self.top) {
            self.hand = Some(h);
            self.hand_top = Top::of(level);
        } else {
            self.enqueue_behind(h, level, place);
        }
    }

    /// The hand is full, or somebody in the classes comes first.
    #[inline(never)]
    fn enqueue_behind(&mut self, h: H, level: Level, place: Place) {
        match self.hand {
            Some(held) if Self::leads(level, place, self.hand_top) => {
                self.put_away(held, self.hand_top.level(), Place::Head);
                self.hand = Some(h);
                self.hand_top = Top::of(level);
            }
            _ => self.put_away(h, level, place),
        }
    }

    /// Puts `h` into its class.
    fn put_away(&mut self, h: H, level: Level, place: Place) {
        self.classes.enqueue(h, level, place);
        self.top = self.top.max(Top::of(level));
        if h.is_movable() {
            h.among_movable().set(true);
            self.movable.enqueue(h, level, place);
        }
    }

    /// `h` has left the classes.
    #[inline]
    fn forget_movable(&mut self, h: H, level: Level) {
        if h.among_movable().replace(false) {
            self.movable.dequeue(h, level);
        }
    }

    /// The most urgent thread that may run on another CPU and of which `fits` holds; it stays queued.
    pub fn first_movable(&self, mut fits: impl FnMut(H, Level) -> bool) -> Option<(H, Level)> {
        let hand = self.hand.filter(Movable::is_movable).map(|h| (h, self.hand_top.level()));
        hand.into_iter().chain(self.movable.iter()).take(SEARCH).find(|&(h, level)| fits(h, level))
    }

    /// The level of the most urgent thread that may run on another CPU.
    #[inline]
    pub fn movable_level(&self) -> Option<Level> {
        match self.hand {
            Some(h) if h.is_movable() => Some(self.hand_top.level()),
            _ => self.movable.first_level(),
        }
    }

    /// Whether `h`, if it is queued here, may run elsewhere has changed.
    pub fn refresh_movable(&mut self, h: H, level: Level) {
        // One that is in the classes is found there; its place among the movable is lost, not that in its class.
        let queued = self.classes.contains(h, level);
        self.forget_movable(h, level);
        if queued && h.is_movable() {
            h.among_movable().set(true);
            self.movable.enqueue(h, level, Place::Tail);
        }
    }

    /// Takes `h`, queued at `level`, out (it is killed, or moves to another CPU); false if it was not there.
    pub fn dequeue(&mut self, h: H, level: Level) -> bool {
        if self.hand == Some(h) {
            self.hand = None;
            return true;
        }
        let found = self.classes.dequeue(h, level);
        if found {
            self.forget_movable(h, level);
        }
        self.look();
        found
    }

    /// Brings `top` up to date after something left the classes.
    #[inline]
    fn look(&mut self) {
        self.top = self.classes.first_level().map_or(Top::NONE, Top::of);
    }

    /// The thread to run next and its level; it stays queued.
    pub fn peek(&self) -> Option<(H, Level)> {
        self.hand.map(|h| (h, self.hand_top.level())).or_else(|| self.classes.first())
    }

    /// Of all.
    #[inline(always)]
    fn first_top(&self) -> Top {
        if self.hand.is_some() { self.hand_top } else { self.top }
    }

    /// The level of the thread to run next.
    #[inline]
    pub fn first_level(&self) -> Option<Level> {
        match self.first_top() {
            Top::NONE => None,
            first => Some(first.level()),
        }
    }

    /// Takes the thread to run next out.
    #[inline]
    pub fn take_first(&mut self) -> Option<(H, Level)> {
        match self.hand.take() {
            Some(h) => Some((h, self.hand_top.level())),
            None => self.take_from_classes(),
        }
    }

    #[inline(never)]
    fn take_from_classes(&mut self) -> Option<(H, Level)> {
        let first = self.classes.take_first();
        if let Some((h, level)) = first {
            self.forget_movable(h, level);
        }
        self.look();
        first
    }

    /// Is any thread queued at `level`? Asked for the running thread's level: has it equals to share the CPU with?
    #[inline]
    pub fn has_equal(&self, level: Level) -> bool {
        (self.hand.is_some() && self.hand_top == Top::of(level)) || self.classes.has_equal(level)
    }

    /// Is nobody ready?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.hand.is_none() && self.top == Top::NONE
    }

    /// The running thread `h` gives way: to whoever is more urgent, and with [`Place::Tail`] to its equals too. Who runs
    /// now?
    ///
    /// `None`: `h` itself goes on (SC-02.3, SC-03.2), and is not queued. Otherwise `h` is queued at that place of
    /// `level` and the answer has been taken out.
    #[inline(always)]
    pub fn give_way(&mut self, h: H, level: Level, place: Place) -> Option<(H, Level)> {
        match self.hand {
            // The two change places, the hand being where `h` belongs.
            Some(next) if !Self::leads(level, place, self.hand_top) && Self::leads(level, place, self.top) => {
                let next_level = self.hand_top.level();
                self.hand = Some(h);
                self.hand_top = Top::of(level);
                Some((next, next_level))
            }
            _ => self.give_way_slow(h, level, place),
        }
    }

    #[inline(never)]
    fn give_way_slow(&mut self, h: H, level: Level, place: Place) -> Option<(H, Level)> {
        if Self::leads(level, place, self.first_top()) {
            return None;
        }
        let next = self.take_first();
        self.enqueue(h, level, place);
        next
    }

    /// The queued threads with their levels, the one in hand first. For verification.
    pub fn iter(&self) -> impl Iterator<Item = (H, Level)> {
        self.hand.map(|h| (h, self.hand_top.level())).into_iter().chain(self.classes.iter())
    }

    /// Does the queue agree with itself (HC-06)?
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn verify(&self) -> Result<(), Broken> {
        let top = self.classes.first_level().map_or(Top::NONE, Top::of);
        let marked = self.classes.realtime.agrees() && self.movable.realtime.agrees();
        let movable = self.movable.iter();
        if !marked {
            Err(Broken::Bitmap)
        } else if self.top != top {
            Err(Broken::Top)
        } else if self.hand.is_some() && self.hand_top < top {
            Err(Broken::Hand)
        } else if self.classes.iter().any(|(h, _)| h.is_movable() != h.among_movable().get())
            || movable.count() != self.classes.iter().filter(|(h, _)| h.among_movable().get()).count()
        {
            Err(Broken::Movable)
        } else {
            Ok(())
        }
    }

    /// The level of `h`, queued at `from`, becomes `to`; answers whether its place changed (SC-02.4).
    ///
    /// The caller then compares with the running thread: [`preempts`]`(to, running)`.
    #[inline(always)]
    pub fn move_level(&mut self, h: H, from: Level, to: Level) -> bool {
        let Some(place) = Place::after_change(from, to) else { return false };
        // Who owns a lock and was preempted by whoever waits for it is in hand, and stays there.
        if self.hand == Some(h) && Self::leads(to, place, self.top) {
            self.hand_top = Top::of(to);
            return true;
        }
        self.move_level_slow(h, from, to, place)
    }

    #[inline(never)]
    fn move_level_slow(&mut self, h: H, from: Level, to: Level, place: Place) -> bool {
        if !self.dequeue(h, from) {
            return false;
        }
        self.enqueue(h, to, place);
        true
    }

    /// The level of the running thread changes: must another one run (SC-02.4, SC-02.5)?
    ///
    /// Raised, it goes behind the equals it finds (which are ready and do not run only while preemption is held off);
    /// lowered, only somebody more urgent than its new level preempts it.
    #[inline(always)]
    pub fn running_changed(&self, from: Level, to: Level) -> RunningChange {
        match Place::after_change(from, to) {
            Some(place) if !Self::leads(to, place, self.first_top()) => RunningChange::Preempt(place),
            _ => RunningChange::Continue,
        }
    }
}

#[cfg(test)]
mod tests;
