//! What happened last on each CPU, in which order?
//!
//! A fixed number of events a CPU, the oldest overwritten and counted. Recording takes no lock and may be interrupted at
//! any instruction by something that records as well; a drain may run beside it. An event is in the log whole or not at
//! all.
//!
//! Each CPU numbers its events; event `i` lives in slot `i % N`. A slot's stamp tells whose fields it has:
//!
//! | stamp | means |
//! |---|---|
//! | 0 | nothing yet |
//! | 2i + 1 | event `i` is being written |
//! | 2i + 2 | event `i` is complete |
//!
//! Recording: (1) look at the next slot, (2) draw a sequence number, (3) claim the index, (4) claim the slot, (5) write
//! the fields, (6) complete the stamp. What an interrupt that records may do in between:
//!
//! - Before (3): it takes the index. The claim fails and everything starts over with a new sequence number; so numbers
//!   rise with the index on each CPU, and the merged order is exact. The number drawn first is used by no event.
//! - Between (3) and (4): it records so much that it comes round to this slot. The claim fails: what was to be written is
//!   older than the whole log and already counted as dropped.
//! - During (5): it comes round to this slot and finds, at (1), that it is being written. It drops its own event, as it
//!   cannot wait for the one it interrupted.

use crate::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// What kind of event it is; the kernel gives the numbers their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among the events of all CPUs; the first is 1. A number may be missing without an event lost.
    pub seq: u64,
    /// The CPU that recorded it.
    pub cpu: usize,
    /// When, as the caller told.
    pub time: u64,
    /// What.
    pub kind: Kind,
    /// What the kind says it is.
    pub a: u64,
    /// What the kind says it is.
    pub b: u64,
}

/// The last `N` events (a power of two) of each of `CPUS` CPUs.
pub struct EventLog<const CPUS: usize, const N: usize> {
    /// The last number drawn.
    seq: AtomicU64,
    cpus: [CpuLog<N>; CPUS],
}

/// Aligned so that CPUs do not write to each other's cache lines (64 bytes on the Cortex-A cores).
#[repr(align(64))]
struct CpuLog<const N: usize> {
    /// The next event's index.
    next: AtomicU64,
    /// Events dropped because an interrupted one was in their way.
    refused: AtomicU64,
    /// The drain's own: the first index not taken, and how many were overwritten before they could be.
    drained: AtomicU64,
    overwritten: AtomicU64,
    slots: [Slot; N],
}

struct Slot {
    stamp: AtomicU64,
    seq: AtomicU64,
    time: AtomicU64,
    kind: AtomicU64,
    a: AtomicU64,
    b: AtomicU64,
}

const fn writing(index: u64) -> u64 {
    2 * index + 1
}

const fn complete(index: u64) -> u64 {
    2 * index + 2
}

/// Where a record can be interrupted; tests do it at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Look,
    Draw,
    ClaimIndex,
    ClaimSlot,
    Write,
    Complete,
}

impl<const CPUS: usize, const N: usize> EventLog<CPUS, N> {
    /// An empty log.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        EventLog { seq: AtomicU64::new(0), cpus: [const { CpuLog::new() }; CPUS] }
    }

    /// An empty log. (loom's atomics are not made at compile time.)
    #[cfg(loom)]
    pub fn new() -> Self {
        EventLog { seq: AtomicU64::new(0), cpus: core::array::from_fn(|_| CpuLog::new()) }
    }

    /// Records an event of `cpu`, the one that runs this (the caller does not migrate meanwhile). From any context.
    #[inline]
    pub fn record(&self, cpu: usize, time: u64, kind: Kind, a: u64, b: u64) {
        self.record_stepwise(Event { seq: 0, cpu, time, kind, a, b }, |_| {});
    }

    /// Records an event and calls `before` at each step; the sequence number is drawn here.
    #[inline]
    fn record_stepwise(&self, event: Event, mut before: impl FnMut(Step)) {
        let Some(log) = self.cpus.get(event.cpu) else { return };
        loop {
            before(Step::Look);
            let index = log.next.load(Relaxed);
            let slot = log.slot(index);
            let stamp = slot.stamp.load(Relaxed);
            if stamp % 2 == 1 {
                log.refused.fetch_add(1, Relaxed);
                return;
            }
            before(Step::Draw);
            let seq = self.seq.fetch_add(1, Relaxed) + 1;
            before(Step::ClaimIndex);
            if log.next.compare_exchange(index, index + 1, Relaxed, Relaxed).is_err() {
                continue;
            }
            before(Step::ClaimSlot);
            if slot.stamp.compare_exchange(stamp, writing(index), Relaxed, Relaxed).is_err() {
                return;
            }
            // A drain that has copied one of the fields below sees the stamp above, or a later one.
            fence(Release);
            slot.seq.store(seq, Relaxed);
            slot.time.store(event.time, Relaxed);
            before(Step::Write);
            slot.kind.store(u64::from(event.kind.0), Relaxed);
            slot.a.store(event.a, Relaxed);
            slot.b.store(event.b, Relaxed);
            before(Step::Complete);
            slot.stamp.store(complete(index), Release);
            return;
        }
    }

    /// The last sequence number drawn.
    pub fn seq(&self) -> u64 {
        self.seq.load(Relaxed)
    }

    /// Events that no drain has yielded and none will.
    pub fn dropped(&self) -> u64 {
        self.cpus.iter().map(CpuLog::dropped).sum()
    }

    /// Takes out what has been recorded up to now, in the order of the sequence numbers. One drain at a time; what it is
    /// not asked for stays for the next one.
    ///
    /// Of a CPU that is in the middle of a record, that event and those after it stay for the next drain too.
    pub fn drain(&self) -> Drain<'_, CPUS, N> {
        self.drain_with(false)
    }

    /// A drain for a last report: passes over, and counts as dropped, events that were interrupted in the middle and will
    /// never be finished.
    pub fn drain_unfinished(&self) -> Drain<'_, CPUS, N> {
        self.drain_with(true)
    }

    fn drain_with(&self, pass_over: bool) -> Drain<'_, CPUS, N> {
        let ends = core::array::from_fn(|cpu| self.cpus[cpu].next.load(Relaxed));
        Drain { log: self, ends, heads: [None; CPUS], pass_over }
    }
}

impl<const CPUS: usize, const N: usize> Default for EventLog<CPUS, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> CpuLog<N> {
    const MASK: u64 = {
        assert!(N.is_power_of_two(), "an event log's size is a power of two");
        N as u64 - 1
    };

    #[cfg(not(loom))]
    const fn new() -> Self {
        CpuLog {
            next: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            drained: AtomicU64::new(0),
            overwritten: AtomicU64::new(0),
            slots: [const { Slot::new() }; N],
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        CpuLog {
            next: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            drained: AtomicU64::new(0),
            overwritten: AtomicU64::new(0),
            slots: core::array::from_fn(|_| Slot::new()),
        }
    }

    fn slot(&self, index: u64) -> &Slot {
        &self.slots[(index & Self::MASK) as usize]
    }

    fn dropped(&self) -> u64 {
        let oldest = self.next.load(Relaxed).saturating_sub(N as u64);
        let waiting = oldest.saturating_sub(self.drained.load(Relaxed));
        self.overwritten.load(Relaxed) + self.refused.load(Relaxed) + waiting
    }

    /// Moves the drain on, past `count` events that cannot be had.
    fn pass_over(&self, count: u64) {
        self.overwritten.fetch_add(count, Relaxed);
        self.drained.fetch_add(count, Relaxed);
    }

    /// The first event not taken, if it is before `end`, which is lowered to an event in the way.
    fn first(&self, cpu: usize, end: &mut u64, pass_over: bool) -> Option<Event> {
        loop {
            let index = self.drained.load(Relaxed);
            if index >= *end {
                return None;
            }
            let oldest = self.next.load(Relaxed).saturating_sub(N as u64);
            if index < oldest {
                self.pass_over(oldest - index);
                continue;
            }
            match self.slot(index).read(index, cpu) {
                Ok(event) => return Some(event),
                Err(stamp) if stamp < complete(index) && !pass_over => {
                    *end = index;
                    return None;
                }
                // Overwritten since `next` was read, or never to be finished.
                Err(_) => self.pass_over(1),
            }
        }
    }
}

impl Slot {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Slot {
            stamp: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            time: AtomicU64::new(0),
            kind: AtomicU64::new(0),
            a: AtomicU64::new(0),
            b: AtomicU64::new(0),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Slot {
            stamp: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            time: AtomicU64::new(0),
            kind: AtomicU64::new(0),
            a: AtomicU64::new(0),
            b: AtomicU64::new(0),
        }
    }

    /// Copies event `index`, or tells the stamp of what is here instead.
    fn read(&self, index: u64, cpu: usize) -> Result<Event, u64> {
        let stamp = self.stamp.load(Acquire);
        if stamp != complete(index) {
            return Err(stamp);
        }
        let event = Event {
            seq: self.seq.load(Relaxed),
            cpu,
            time: self.time.load(Relaxed),
            // Only a `Kind` is ever stored there.
            kind: Kind(self.kind.load(Relaxed) as u16),
            a: self.a.load(Relaxed),
            b: self.b.load(Relaxed),
        };
        // Pairs with the fence of a record that has overwritten a field meanwhile.
        fence(Acquire);
        match self.stamp.load(Relaxed) {
            same if same == stamp => Ok(event),
            other => Err(other),
        }
    }
}

/// Yields events in the order of their sequence numbers; see [`EventLog::drain`].
pub struct Drain<'a, const CPUS: usize, const N: usize> {
    log: &'a EventLog<CPUS, N>,
    /// Where each CPU's part ends; so a drain ends though recording goes on.
    ends: [u64; CPUS],
    /// Each CPU's first event, once looked at.
    heads: [Option<Event>; CPUS],
    pass_over: bool,
}

impl<const CPUS: usize, const N: usize> Iterator for Drain<'_, CPUS, N> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        for (cpu, log) in self.log.cpus.iter().enumerate() {
            if self.heads[cpu].is_none() {
                self.heads[cpu] = log.first(cpu, &mut self.ends[cpu], self.pass_over);
            }
        }
        let event = self.heads.iter().flatten().min_by_key(|event| event.seq).copied()?;
        self.heads[event.cpu] = None;
        self.log.cpus[event.cpu].drained.fetch_add(1, Relaxed);
        Some(event)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
