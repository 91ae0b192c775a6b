//! For whom does this grace period still wait? The state machine of RCU, for a handful of CPUs without a tree.
//!
//! A grace period waits for *CPUs*, each until it was seen outside of every section that could be a reader's, and for
//! *readers* that lost their CPU inside one. A reader that is switched away from stands in one of two lists: it *holds* the grace
//! period in progress, or it came later and holds the next one. When one begins, the lists change parts: the one that was held
//! last is empty by then.
//!
//! ```text
//!                  1 begin, then wait_for(running CPUs)
//!          ┌──────────────────────────────────────────────┐
//!          │                                              ▼
//!   ┌──────┴──────┐                          ┌───────────────────────────┐ 2 quiescent(cpu)
//!   │    idle     │                          │        in progress        ├──┐
//!   │ number even │                          │  number odd, waits for    │◄─┘
//!   │             │                          │  CPUs or holding readers  │ 3 block(reader, cpu)
//!   └─┬────────▲──┘                          │                           ├──┐
//!     │ ▲      │                             │                           │◄─┘
//!     └─┘      │   5 nobody is left          └─────────────┬──┬──────────┘ 4 leave(reader)
//!     3, 4     └───────────────────────────────────────────┘  └─◄─┘
//! ```
//!
//! 1. Every reader that is in a list holds it now; of the CPUs those that run something that may be a reader. The number changes, and
//!    everybody sees that, *before* the CPUs are looked at: who takes something away meanwhile needs the next grace period, because a
//!    CPU that was found outside may have read it since.
//! 2. The CPU was seen outside. What its thread reads from now on began later.
//! 3. The reader is switched away from. If its CPU is still waited for, it may have begun before the grace period and holds it;
//!    otherwise it began later. The CPU itself is outside with that.
//! 4. The reader has ended its section, on whatever CPU.
//! 5. After 2 or 4 (or 1, if nobody was there): the last one is gone, and the grace period has ended.
//!
//! An endless succession of new readers does not keep a grace period from ending
//! (RC-03.5): none of them comes into the list that holds it once their CPU was seen outside.
//!
//! (Linux `kernel/rcu/tree_plugin.h` has one list with marks in it, `gp_tasks` and `exp_tasks`.)
use super::seq::Seq;
use crate::{
    cpus::CpuSet,
    list::{Linked, List},
};
use core::cell::Cell;

/// Tag of the lists of readers that lost their CPU.
pub enum OnBlocked {}

/// A reader that can stand in such a list.
pub trait Blocked: Linked<OnBlocked> {
    /// In which list it stands.
    fn side(&self) -> &Cell<u8>;
}

/// Whether an event was the last one that a grace period waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "somebody waits for the end"]
pub enum Progress {
    /// It was not, or none is in progress.
    None,
    /// The grace period has ended with it.
    Ended,
}

/// The grace period in progress, and whoever it waits for.
pub struct GracePeriod<R> {
    seq: Seq,
    waits_for: CpuSet,
    lists: [List<R, OnBlocked>; 2],
    /// How many stand in each.
    counts: [usize; 2],
    holding: usize,
}

impl<R> GracePeriod<R> {
    /// None has been yet.
    pub const fn new() -> Self {
        Self {
            seq: Seq::START,
            waits_for: CpuSet::EMPTY,
            lists: [List::new(), List::new()],
            counts: [0; 2],
            holding: 0,
        }
    }
    /// The number.
    pub const fn seq(&self) -> Seq {
        self.seq
    }
    /// CPUs that were not seen outside yet.
    pub const fn waits_for(&self) -> CpuSet {
        self.waits_for
    }
}

impl<R> Default for GracePeriod<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Blocked> GracePeriod<R> {
    /// 1: begins one; none is in progress. [`wait_for`](Self::wait_for) follows, and nothing else comes before.
    pub fn begin(&mut self) {
        debug_assert!(!self.seq.is_in_progress() && self.lists[self.holding].is_empty());
        self.seq = self.seq.next();
        self.holding ^= 1;
    }
    /// 1: `running` are the CPUs that were not seen outside since the number that [`begin`](Self::begin) made is known.
    pub fn wait_for(&mut self, running: CpuSet) -> Progress {
        self.waits_for = running;
        self.look()
    }
    /// 2: a CPU was seen outside of every section.
    pub fn quiescent(&mut self, cpu: usize) -> Progress {
        self.waits_for = self.waits_for.without(cpu);
        self.look()
    }
    /// 3: a reader that is in no list is switched away from on this CPU. A grace period does not end with that: either the reader
    /// holds it now, or the CPU was not waited for.
    pub fn block(&mut self, reader: R, cpu: usize) {
        let holds = self.waits_for.contains(cpu);
        let side = if holds { self.holding } else { self.holding ^ 1 };
        reader.side().set(side as u8);
        let _ = self.lists[side].push_back(reader);
        self.counts[side] += 1;
        self.waits_for = self.waits_for.without(cpu);
    }
    /// 4: a reader that is in a list has ended its section.
    pub fn leave(&mut self, reader: R) -> Progress {
        let side = usize::from(reader.side().get()) & 1;
        if self.lists[side].remove(reader) {
            self.counts[side] -= 1;
        }
        self.look()
    }
    /// 5
    fn look(&mut self) -> Progress {
        if !self.seq.is_in_progress() || !self.waits_for.is_empty() || !self.lists[self.holding].is_empty() {
            return Progress::None;
        }
        self.seq = self.seq.next();
        Progress::Ended
    }

    /// The readers that hold the grace period in progress, the one that was switched away from first at the front.
    pub fn holding(&self) -> impl Iterator<Item = R> {
        let held = self.seq.is_in_progress().then(|| self.lists[self.holding].iter());
        held.into_iter().flatten()
    }
    /// How many these are.
    pub const fn held_by(&self) -> usize {
        if self.seq.is_in_progress() { self.counts[self.holding] } else { 0 }
    }
    /// Whether a reader stands in the list that it says it stands in.
    pub fn lists(&self, reader: R) -> bool {
        self.lists[usize::from(reader.side().get()) & 1].contains(reader)
    }
    /// Readers in both lists.
    pub const fn blocked(&self) -> usize {
        self.counts[0] + self.counts[1]
    }
}

#[cfg(test)]
mod tests;
