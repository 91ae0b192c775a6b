//! For whom does the grace period in progress wait? A snapshot, for reports and the shell.
use super::state;
use crate::{
    percpu::{self, MAX_CPUS},
    thread::{Name, ThreadId},
    time::Instant,
};
use core::fmt;
use logic::{cpus::CpuSet, rcu::Seq};

/// Readers that it names.
const NAMED: usize = 8;

/// A reader that lost its CPU.
pub(super) struct Reader {
    pub id: ThreadId,
    name: Name,
    /// It owns the lock through which it is lent priority.
    lent: bool,
}
impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{} {}{}", self.id, self.name, if self.lent { ", lent priority" } else { "" })
    }
}

/// A CPU that was not seen outside of every section.
struct Cpu {
    number: usize,
    asked: u32,
}
impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = percpu::area(self.number).runqueue.running_name();
        write!(f, "CPU {} runs {running}, has not answered for {} ticks", self.number, self.asked)
    }
}

/// What a grace period waits for, all at one moment.
pub struct Waits {
    pub(super) seq: Seq,
    /// When it began.
    pub began: Instant,
    /// CPUs that were not seen outside of every section.
    pub cpus: CpuSet,
    asked: [u32; MAX_CPUS],
    /// The first eight of those readers that lost their CPU, in that order.
    pub(super) readers: heapless::Vec<Reader, NAMED>,
    /// All of them.
    pub count: usize,
}
impl Waits {
    /// Those of now; `None` if no grace period is in progress.
    pub fn now() -> Option<Self> {
        state::with(|state| {
            let seq = state.grace.seq();
            seq.is_in_progress().then(|| Self {
                seq,
                began: state.since,
                cpus: state.grace.waits_for(),
                asked: state.asked,
                // The names here: a reader that has left may have ended.
                readers: state
                    .grace
                    .holding()
                    .take(NAMED)
                    .map(|reader| Reader {
                        id: reader.id(),
                        name: reader.identity().name.clone(),
                        lent: state.boost.has(reader),
                    })
                    .collect(),
                count: state.grace.held_by(),
            })
        })
    }
    /// Which one it is, counted from 1.
    pub fn number(&self) -> u64 {
        self.seq.ended() + 1
    }
    /// The CPUs, each to be shown.
    pub fn cpus(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.cpus.iter().map(|number| Cpu { number, asked: self.asked[number] })
    }
    /// The readers that it names, each to be shown.
    pub fn readers(&self) -> impl Iterator<Item = &(impl fmt::Display + use<>)> {
        self.readers.iter()
    }
    /// Readers that it does not name.
    pub fn more(&self) -> usize {
        self.count - self.readers.len()
    }
}
