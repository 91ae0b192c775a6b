//! The machine against a naive one that knows of each reader when it began.
use super::*;
use crate::list::Links;
use proptest::prelude::*;
use std::{boxed::Box, vec::Vec};

struct Reader {
    links: Links<Handle>,
    side: Cell<u8>,
}
#[derive(Clone, Copy)]
struct Handle(&'static Reader);
impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}
impl Eq for Handle {}
impl Linked<OnBlocked> for Handle {
    fn links(&self) -> &Links<Self> {
        &self.0.links
    }
}
impl Blocked for Handle {
    fn side(&self) -> &Cell<u8> {
        &self.0.side
    }
}
fn reader() -> Handle {
    Handle(Box::leak(Box::new(Reader { links: Links::new(), side: Cell::new(0) })))
}
type Machine = GracePeriod<Handle>;

/// 1, with nothing in between.
fn begin(m: &mut Machine, running: CpuSet) -> Progress {
    m.begin();
    m.wait_for(running)
}

/// Nobody there: it ends as it begins.
#[test]
fn ends_at_once_without_readers() {
    let mut m = Machine::new();
    let needed = m.seq().needed();
    assert_eq!(begin(&mut m, CpuSet::EMPTY), Progress::Ended);
    assert!(needed.is_reached(m.seq()));
}

/// RC-03.4: a CPU was seen outside; a reader that it begins with later does not hold the grace period, though it is blocked.
#[test]
fn later_readers_do_not_hold_it() {
    let (mut m, r1, r2) = (Machine::new(), reader(), reader());
    m.block(r1, 0);
    assert_eq!(begin(&mut m, CpuSet::of(1)), Progress::None);
    assert_eq!(m.quiescent(1), Progress::None);
    m.block(r2, 1);
    assert_eq!(m.holding().collect::<Vec<_>>().len(), 1);
    assert_eq!(m.leave(r1), Progress::Ended);
    // It holds the next one.
    assert_eq!(begin(&mut m, CpuSet::EMPTY), Progress::None);
    assert!(m.lists(r2) && !m.lists(r1) && m.blocked() == 1);
    assert_eq!(m.leave(r2), Progress::Ended);
}

/// A reader whose CPU was not seen outside yet may be older than the grace period.
#[test]
fn readers_that_may_be_older_hold_it() {
    let (mut m, r) = (Machine::new(), reader());
    assert_eq!(begin(&mut m, CpuSet::of(2)), Progress::None);
    m.block(r, 2);
    assert!(m.waits_for().is_empty());
    assert_eq!(m.leave(r), Progress::Ended);
}

const CPUS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    /// The thread that runs on this CPU enters a section, or leaves it.
    Toggle(usize),
    /// Another thread takes this CPU.
    Switch(usize, usize),
    /// The machine is told that this CPU is outside, if it is.
    Report(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Begin),
        4 => (0..CPUS).prop_map(Step::Toggle),
        4 => (0..CPUS, 0..8_usize).prop_map(|(cpu, t)| Step::Switch(cpu, t)),
        3 => (0..CPUS).prop_map(Step::Report),
    ]
}

/// A thread of the naive machine.
#[derive(Clone, Copy, Default)]
struct Naive {
    /// It is in a section that began at this step.
    since: Option<usize>,
    listed: bool,
    /// It was switched away from before its CPU had reported: it may be older.
    holds: bool,
    on: Option<usize>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    /// RC-01: it does not end before every older reader has ended. RC-03: it does end when all have, and every CPU has reported.
    #[test]
    fn waits_for_older_readers_and_for_nobody_else(steps in prop::collection::vec(step(), 0..150)) {
        let handles: Vec<Handle> = (0..8).map(|_| reader()).collect();
        let mut m = Machine::new();
        let mut threads = [Naive::default(); 8];
        for (cpu, thread) in threads.iter_mut().take(CPUS).enumerate() {
            thread.on = Some(cpu);
        }
        // When the one in progress began, and which CPUs have reported since.
        let mut began: Option<usize> = None;
        let mut reported = CpuSet::EMPTY;
        for (now, step) in steps.into_iter().enumerate() {
            let runs = |threads: &[Naive; 8], cpu| (0..8).find(|&t| threads[t].on == Some(cpu)).unwrap();
            let mut ended = Progress::None;
            match step {
                Step::Begin if began.is_none() => {
                    let reading = |cpu: &usize| threads[runs(&threads, *cpu)].since.is_some();
                    let running = (0..CPUS).filter(reading).fold(CpuSet::EMPTY, CpuSet::with);
                    began = Some(now);
                    reported = (0..CPUS).filter(|&cpu| !running.contains(cpu)).fold(CpuSet::EMPTY, CpuSet::with);
                    threads.iter_mut().for_each(|t| t.holds = t.listed);
                    ended = begin(&mut m, running);
                }
                Step::Toggle(cpu) => {
                    let t = runs(&threads, cpu);
                    if threads[t].since.take().is_none() {
                        threads[t].since = Some(now);
                    } else if std::mem::take(&mut threads[t].listed) {
                        threads[t].holds = false;
                        ended = m.leave(handles[t]);
                    }
                }
                Step::Switch(cpu, to) if threads[to].on.is_none() => {
                    let from = runs(&threads, cpu);
                    if threads[from].since.is_some() && !threads[from].listed {
                        threads[from].listed = true;
                        threads[from].holds = !reported.contains(cpu);
                        m.block(handles[from], cpu);
                        reported = reported.with(cpu);
                    }
                    threads[from].on = None;
                    threads[to].on = Some(cpu);
                }
                Step::Report(cpu) => {
                    let t = runs(&threads, cpu);
                    // In a section that a list knows of, the CPU itself may be let go.
                    if threads[t].since.is_none() || threads[t].listed {
                        reported = reported.with(cpu);
                        ended = m.quiescent(cpu);
                    }
                }
                _ => {}
            }
            let older = |began: usize| threads.iter().any(|t| t.since.is_some_and(|since| since < began));
            if ended == Progress::Ended {
                prop_assert!(!older(began.take().unwrap()), "ended with an older reader inside");
            } else if began.is_some() && (0..CPUS).all(|cpu| reported.contains(cpu)) {
                prop_assert!(threads.iter().any(|t| t.holds), "goes on with nobody left");
            }
            prop_assert_eq!(m.holding().count(), threads.iter().filter(|t| began.is_some() && t.holds).count());
            prop_assert_eq!(m.held_by(), m.holding().count());
            prop_assert_eq!(m.blocked(), threads.iter().filter(|t| t.listed).count());
            prop_assert_eq!(m.seq().is_in_progress(), began.is_some());
            prop_assert_eq!(m.blocked(), threads.iter().filter(|t| t.listed).count());
            for t in 0..8 {
                prop_assert_eq!(m.lists(handles[t]), threads[t].listed);
            }
        }
    }
}
