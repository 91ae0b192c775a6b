//! What did the latency tracers find, and how are they told?
//!
//! Each CPU has a tracker. It is told of a change by the CPU itself, with its interrupts masked; who asks from another CPU
//! takes the tracker's lock, which is held for a few dozen instructions.
//!
//! # The clock
//!
//! In the simulation: virtual time in nanoseconds. On the target: the cycle counter (instructions under QEMU's `-icount
//! shift=0`), which stands still while a tracer works: what it costs from its first to its last look at the counter, and,
//! measured at boot, before and after that, is taken off. So nested changes do not make the section around them longer.
//! With several CPUs under `-icount`, which take turns on one counter, a section has the others' instructions in it.
use crate::{
    error::{Error, Result},
    percpu::{self, PerCpu},
};
use core::{
    cell::UnsafeCell,
    fmt,
    panic::Location,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use logic::latency::{Findings, Tracker};
pub use logic::latency::{Kind, RECORDS};

#[cfg(target_os = "none")]
mod places;
pub(crate) mod tell;
#[cfg(target_os = "none")]
pub use places::print_places;

/// Where something happened.
#[derive(Clone, Copy)]
pub(crate) struct Site(&'static Location<'static>);

impl Site {
    /// Where this is called.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(Location::caller())
    }
}

/// A section that is over.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// How long it was, in [`unit`]s.
    pub length: u64,
    /// Where it began.
    pub start: &'static Location<'static>,
    /// Where it ended. A guard that is dropped has no site of its own: then where the guard was made.
    pub end: &'static Location<'static>,
    /// The CPU.
    pub cpu: usize,
}

/// Length, unit, CPU and both places.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.start, self.end);
        write!(
            f,
            "{} {} {} {}:{} {}:{}",
            self.length,
            unit(),
            self.cpu,
            start.file(),
            start.line(),
            end.file(),
            end.line()
        )
    }
}

/// One CPU's part.
pub(crate) struct CpuLatency {
    /// Not the machine's alias, as nothing in this file: watching must not change what the simulation does.
    locked: AtomicBool,
    inner: UnsafeCell<Inner>,
}
struct Inner {
    tracker: Tracker<Site>,
    /// What the tracers cost on this CPU so far.
    apart: u64,
}
// SAFETY: `inner` is reached with `locked` held.
unsafe impl Sync for CpuLatency {}

impl CpuLatency {
    pub(crate) const fn new() -> Self {
        Self { locked: AtomicBool::new(false), inner: UnsafeCell::new(Inner { tracker: Tracker::new(), apart: 0 }) }
    }
    /// Runs `f` on what is known. Interrupts are masked meanwhile, unknown to the tracers.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let quiet = Quiet::begin();
        while self.locked.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held, and no interrupt on this CPU can want it.
        let result = f(unsafe { &mut *self.inner.get() });
        self.locked.store(false, Release);
        quiet.end();
        result
    }
}

/// Interrupts are masked, which the tracers do not hear of.
struct Quiet(#[cfg(target_os = "none")] hw::irqs::Saved);
impl Quiet {
    #[inline(always)]
    fn begin() -> Self {
        // In the simulation an interrupt comes at points only, and there is none in here.
        Self(
            #[cfg(target_os = "none")]
            hw::irqs::save(),
        )
    }
    #[inline(always)]
    fn end(self) {
        #[cfg(target_os = "none")]
        hw::irqs::restore(self.0);
    }
}

#[inline(always)]
fn clock() -> u64 {
    #[cfg(target_os = "none")]
    return hw::clock::cycles();
    #[cfg(not(target_os = "none"))]
    return hw::sim::time();
}

/// What lengths are counted in: `ns` in the simulation; `instructions`, or `cycles`, on the target.
pub fn unit() -> &'static str {
    if cfg!(target_os = "none") { crate::counter::unit() } else { "ns" }
}

hw::global! {
    /// What telling a tracer costs before its first and after its last look at the counter.
    static AROUND_CHANGE: AtomicU64 = AtomicU64::new(0);
    /// The same for [`tell::apart`].
    static AROUND_APART: AtomicU64 = AtomicU64::new(0);
    /// Whether a machine that is stopped by a report says what was found.
    static SAY: AtomicBool = AtomicBool::new(false);
}

fn everywhere() -> impl Iterator<Item = &'static PerCpu> {
    (0..percpu::MAX_CPUS).map(percpu::area)
}

/// Watches sections of this kind on every CPU, and forgets what was found. A section that lasts now is not counted.
///
/// Any number of kinds can be watched at once. Once boot is over, all are.
pub fn start(kind: Kind) {
    everywhere().for_each(|cpu| cpu.latency.with(|inner| inner.tracker.start(kind)));
}

/// Does not watch them any more; what was found is kept.
pub fn stop(kind: Kind) {
    everywhere().for_each(|cpu| cpu.latency.with(|inner| inner.tracker.stop(kind)));
}

/// Forgets what was found, but not the threshold. A section that lasts now is not counted.
pub fn reset(kind: Kind) {
    everywhere().for_each(|cpu| cpu.latency.with(|inner| inner.tracker.reset(kind)));
}

/// The longest section of all CPUs since the last [`reset`]; `None` if there was none.
pub fn max(kind: Kind) -> Option<Section> {
    let longest = (0..percpu::MAX_CPUS).filter_map(|cpu| max_on(kind, cpu));
    longest.reduce(|a, b| if b.length > a.length { b } else { a })
}

/// The longest section of one CPU.
pub fn max_on(kind: Kind, cpu: usize) -> Option<Section> {
    let cpu = percpu::area(cpu);
    findings(cpu, kind, Findings::longest).map(|found| section(cpu, found))
}

/// Records sections that are at least so many [`unit`]s long; `None`: none.
///
/// # Errors
/// [`Error::Invalid`]: 0, which would record all. The threshold is what it was.
pub fn threshold(kind: Kind, least: Option<u64>) -> Result<()> {
    everywhere().try_for_each(|cpu| {
        cpu.latency.with(|inner| inner.tracker.set_threshold(kind, least)).map_err(|_| Error::Invalid)
    })
}

/// Calls `f` with the sections that were at least as long as the threshold, the last [`RECORDS`] of each CPU, oldest first.
/// The number of those recorded, with those overwritten since.
pub fn records(kind: Kind, mut f: impl FnMut(Section)) -> u64 {
    let mut recorded = 0;
    for cpu in everywhere() {
        // Copied out: `f` may print.
        let copy = findings(cpu, kind, |findings| *findings);
        copy.records().for_each(|s| f(section(cpu, s)));
        recorded += copy.recorded();
    }
    recorded
}

/// The sections that last now on this CPU are not counted: they are not the kernel's, or not what is asked about.
pub fn ignore() {
    let quiet = Quiet::begin();
    percpu::this().latency.with(|inner| inner.tracker.ignore());
    quiet.end();
}

/// A report that stops the machine ends with what was found, as [`print`] says it.
pub fn say_at_stop() {
    SAY.store(true, Relaxed);
}

/// Writes a line `latency KIND LENGTH UNIT CPU START END` for each kind that found something.
pub fn print(out: &mut impl fmt::Write) -> fmt::Result {
    for kind in Kind::ALL {
        if let Some(section) = max(kind) {
            writeln!(out, "latency {} {section}", kind.name())?;
        }
    }
    Ok(())
}

fn findings<R>(cpu: &PerCpu, kind: Kind, f: impl FnOnce(&Findings<Site>) -> R) -> R {
    cpu.latency.with(|inner| f(inner.tracker.findings(kind)))
}

fn section(cpu: &PerCpu, found: logic::latency::Section<Site>) -> Section {
    Section { length: found.length, start: found.start.0, end: found.end.0, cpu: cpu.id.get() }
}

/// Measures what telling a tracer costs besides what it can see itself.
fn measure() {
    let site = Site::here();
    besides(&AROUND_CHANGE, || tell::change(tell::Change::None, site, 0, 0));
    besides(&AROUND_APART, || tell::apart(|| ()));
}

#[inline(always)]
fn besides(around: &AtomicU64, f: impl Fn()) {
    const TIMES: u64 = 64;
    let apart = || percpu::this().latency.with(|inner| inner.apart);
    around.store(0, Relaxed);
    let quiet = Quiet::begin();
    let (known, began) = (apart(), clock());
    for _ in 0..TIMES {
        f();
    }
    let all = clock() - began;
    let cost = all.saturating_sub(apart() - known) / TIMES;
    quiet.end();
    around.store(cost, Relaxed);
}
