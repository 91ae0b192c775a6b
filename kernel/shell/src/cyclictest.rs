//! How late do threads wake up? The measurement of rt-tests' `cyclictest` (TM-07).
//!
//! Each thread sleeps until a moment, again and again, and notes by how much it is later than that when it runs. All grids
//! begin at the same moment, so that timers also expire together, which is the worst case.
use crate::load::{self, Stop};
use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
use core::time::Duration;
use hw::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use kernel::{
    Error, Result, ThreadCx,
    sync::WaitQueue,
    thread::{self, Builder, JoinHandle, ThreadId},
    time::{self, Instant},
};
use logic::histogram::Histogram;

/// Threads of one measurement at most.
pub const MAX_THREADS: usize = 8;
/// Steps of a histogram at most.
pub const MAX_STEPS: usize = 1000;
/// Shortest interval.
pub const MIN_INTERVAL: Duration = Duration::from_micros(10);

/// How often a thread woke up by so many units of time too late.
pub type Latencies = Histogram<MAX_STEPS>;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads, 1 to [`MAX_THREADS`].
    pub threads: usize,
    /// FIFO priority of the first thread, 1 to 99; each next one has one less. A thread at 0 is fair.
    pub priority: i32,
    /// Time between two wake-ups of the first thread, at least [`MIN_INTERVAL`].
    pub interval: Duration,
    /// How much longer that is for each next thread.
    pub distance: Duration,
    /// It ends when one thread has woken up so often; 0: it does not end by itself.
    pub cycles: u64,
    /// Latencies below so many units are counted by length, in at most [`MAX_STEPS`] steps; 0: they are not.
    pub histogram: u64,
    /// Nanoseconds of a histogram's unit, 1 or more.
    pub unit: u64,
}

impl Default for Options {
    /// What `cyclictest` does unless it is told otherwise: one fair thread, 1 ms, without end.
    fn default() -> Self {
        Self {
            threads: 1,
            priority: 0,
            interval: Duration::from_millis(1),
            distance: Duration::from_micros(500),
            cycles: 0,
            histogram: 0,
            unit: 1_000,
        }
    }
}

/// What a thread has seen so far; times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The thread.
    pub id: ThreadId,
    /// Its priority, 0 if it is fair.
    pub priority: i32,
    /// Time between two of its wake-ups.
    pub interval: Duration,
    /// How often it woke up.
    pub cycles: u64,
    /// The shortest latency, 0 before the first one.
    pub min: u64,
    /// The last one.
    pub last: u64,
    /// Their mean.
    pub avg: u64,
    /// The longest one.
    pub max: u64,
}

/// What a measurement has shown.
pub struct Report {
    /// Each thread.
    pub threads: Vec<Seen>,
    /// Each thread's latencies, if they were asked for.
    pub histograms: Vec<Box<Latencies>>,
}

/// Written by one thread, read by whoever wants to know.
struct Slot {
    cycles: AtomicU64,
    min: AtomicU64,
    last: AtomicU64,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Slot {
    const fn new() -> Self {
        Self {
            cycles: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }
    /// Notes a latency; how many there are now. For the slot's own thread.
    fn note(&self, late: u64) -> u64 {
        self.last.store(late, Relaxed);
        self.min.fetch_min(late, Relaxed);
        self.max.fetch_max(late, Relaxed);
        self.sum.fetch_add(late, Relaxed);
        self.cycles.fetch_add(1, Relaxed) + 1
    }
}

/// What the threads and their owner share.
struct Shared {
    slots: [Slot; MAX_THREADS],
    stop: Stop,
    /// A thread has all its cycles, or cannot go on.
    over: AtomicBool,
    waiting: WaitQueue,
}

impl Shared {
    fn end(&self, cx: &mut ThreadCx) {
        self.over.store(true, SeqCst);
        self.waiting.wake_one(cx);
    }
    fn is_over(&self) -> bool {
        self.over.load(SeqCst) || self.stop.is_due()
    }
}

/// A thread of the measurement.
struct Member {
    id: ThreadId,
    priority: i32,
    interval: Duration,
    thread: JoinHandle<Result<Option<Box<Latencies>>>>,
}

/// A measurement under way. Dropped, or when the thread that began it is gone, it ends with the next wake-ups.
pub struct Running {
    shared: Arc<Shared>,
    members: Vec<Member>,
}

/// Begins a measurement.
///
/// # Errors
/// [`Error::Invalid`]: options out of their ranges. [`Error::NoResource`]: no thread or memory; nothing runs then.
pub fn start(cx: &mut ThreadCx, options: &Options) -> Result<Running> {
    if !(1..=MAX_THREADS).contains(&options.threads) || options.interval < MIN_INTERVAL || options.unit == 0 {
        return Err(Error::Invalid);
    }
    load::policy(options.priority)?;
    let shared = Shared {
        slots: [const { Slot::new() }; MAX_THREADS],
        stop: Stop::new(),
        over: AtomicBool::new(false),
        waiting: WaitQueue::named("cyclictest"),
    };
    let mut running = Running { shared: Arc::new(shared), members: Vec::with_capacity(options.threads) };
    let began = time::now();
    for n in 0..options.threads {
        if let Err(error) = running.add(cx, n, began, options) {
            let _ = running.stop(cx);
            return Err(error);
        }
    }
    Ok(running)
}

/// Measures until a thread has its cycles.
///
/// # Errors
/// As [`start`]; [`Error::Invalid`], too, for options without end; [`Error::Interrupted`].
pub fn run(cx: &mut ThreadCx, options: &Options) -> Result<Report> {
    if options.cycles == 0 {
        return Err(Error::Invalid);
    }
    let running = start(cx, options)?;
    let ended = running.wait(cx, Instant::NEVER);
    let report = running.stop(cx);
    ended.and(report)
}

impl Running {
    fn add(&mut self, cx: &mut ThreadCx, n: usize, began: Instant, options: &Options) -> Result<()> {
        let priority = (options.priority - n as i32).max(0);
        let interval = options.interval + options.distance * n as u32;
        let counted = if options.histogram == 0 { None } else { Latencies::new(options.histogram).map(Box::new) };
        let (shared, cycles, unit) = (self.shared.clone(), options.cycles, options.unit);
        let name = format!("cyclictest/{n}");
        let builder = Builder::new(&name).policy(load::policy(priority)?);
        let thread = builder.spawn(cx, move |cx| {
            let mut counted = counted;
            let mut count = |late| {
                if let Some(counted) = &mut counted {
                    counted.record(late / unit);
                }
            };
            let result = match shared.slots.get(n) {
                Some(slot) => measure(cx, &shared, slot, (began, interval), cycles, &mut count),
                None => Err(Error::Invalid),
            };
            if result.is_err() {
                shared.end(cx);
            }
            result.map(|()| counted)
        })?;
        self.members.push(Member { id: thread.id(), priority, interval, thread });
        Ok(())
    }
    /// Waits until it has ended by itself, until `deadline` at most. Whether it has.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: the waiting thread was.
    pub fn wait(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<bool> {
        match self.shared.waiting.wait_event_until(cx, deadline, || self.shared.over.load(SeqCst)) {
            Ok(()) => Ok(true),
            Err(Error::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }
    /// What the threads have seen so far. Figures of one wake-up may be missing in some of a thread's.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |(member, slot): (&Member, &Slot)| {
            let cycles = slot.cycles.load(Relaxed);
            Seen {
                id: member.id,
                priority: member.priority,
                interval: member.interval,
                cycles,
                min: if cycles == 0 { 0 } else { slot.min.load(Relaxed) },
                last: slot.last.load(Relaxed),
                avg: slot.sum.load(Relaxed).checked_div(cycles).unwrap_or(0),
                max: slot.max.load(Relaxed),
            }
        };
        self.members.iter().zip(&self.shared.slots).map(seen).collect()
    }
    /// Ends it; when this returns its threads are gone.
    ///
    /// # Errors
    /// [`Error::NoResource`]: a thread could not sleep, as the timer queue was full. [`Error::Interrupted`]: one was killed.
    pub fn stop(mut self, cx: &mut ThreadCx) -> Result<Report> {
        self.shared.stop.tell();
        let (mut histograms, mut result) = (Vec::with_capacity(self.members.len()), Ok(()));
        for member in &mut self.members {
            // One that has ended is not there to be interrupted.
            let _ = thread::interrupt(cx, member.id);
            match member.thread.join(cx).and_then(|own| own) {
                Ok(counted) => histograms.extend(counted),
                Err(error) => result = Err(error),
            }
        }
        result.map(|()| Report { threads: self.seen(), histograms })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.tell();
    }
}

/// What a thread of the measurement does.
fn measure(
    cx: &mut ThreadCx,
    shared: &Shared,
    slot: &Slot,
    (began, interval): (Instant, Duration),
    cycles: u64,
    count: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut next = began.saturating_add(interval);
    while !shared.is_over() {
        match time::sleep_until(cx, next) {
            Ok(()) => {}
            Err(Error::Interrupted) => continue,
            Err(error) => return Err(error),
        }
        let now = time::now();
        let late = now.since(next).as_nanos() as u64;
        count(late);
        if slot.note(late) == cycles {
            shared.end(cx);
            break;
        }
        // Moments that have passed meanwhile are left out.
        let missed = late / interval.as_nanos() as u64;
        next = next.saturating_add(interval).saturating_add(Duration::from_nanos(missed * interval.as_nanos() as u64));
    }
    Ok(())
}
