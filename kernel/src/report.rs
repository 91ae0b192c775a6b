//! What does the kernel say when something is wrong, past all threads?
//!
//! Warnings, BUGs and panics are plain text, written at once in whatever context they happen. A warning goes on; a BUG or
//! panic halts the other CPUs, says which locks are waited for, then stops the machine with a non-zero exit code. Code addresses are printed as `[<0x…>]`,
//! which the host tool resolves.
//!
//! Texts of several CPUs come one after the other, each whole. A text of a CPU that is in the middle of one, a report about
//! a report, does not wait.
use crate::{
    ipi,
    latency::{self, tell},
    mask, percpu,
    sync::{raw::SpinWord, rtmutex},
    thread,
};
use core::{
    fmt::{self, Write},
    panic::Location,
};
use hw::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use logic::cpus::CpuSet;

/// Exit code of a machine that a BUG, panic or unexpected exception stopped.
pub const EXIT_BUG: i32 = 101;
/// Warnings of one call site in a second; more are counted only.
const WINDOW_SECONDS: u64 = 1;
const SITES: usize = 16;
/// How long a text waits for that of another CPU, in parts of a second: 100 ms. Then it is printed into it.
const PATIENCE: u64 = 10;
/// No CPU's affinity.
const NOBODY: u64 = u64::MAX;

/// A call site that was let through, and until when it is not again.
struct Limited {
    site: Option<&'static Location<'static>>,
    until: u64,
}
struct Limiter {
    lock: SpinWord,
    sites: core::cell::UnsafeCell<[Limited; SITES]>,
}
// SAFETY: `sites` is reached with the lock held.
unsafe impl Sync for Limiter {}

hw::global! {
    static WARNINGS: AtomicU32 = AtomicU32::new(0);
    /// The CPU that stops the machine, by affinity: that register tells even when nothing else does.
    static STOPPER: AtomicU64 = AtomicU64::new(NOBODY);
    static LIMITER: Limiter = Limiter {
        lock: SpinWord::new(),
        sites: core::cell::UnsafeCell::new([const { Limited { site: None, until: 0 } }; SITES]),
    };
    /// The CPU that is in the middle of a text, by affinity.
    static WRITER: AtomicU64 = AtomicU64::new(NOBODY);
}

/// How many warnings there were.
pub fn warnings() -> u32 {
    WARNINGS.load(Relaxed)
}

/// A call site in a report.
pub(crate) struct Site(pub Option<&'static Location<'static>>);
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(l) => write!(f, "{}:{}", l.file(), l.line()),
            None => f.write_str("-"),
        }
    }
}

/// Whether this call site has not been let through within the last second. Bounded: a fixed number of sites.
#[inline(never)]
pub(crate) fn once_a_second(site: &'static Location<'static>) -> bool {
    let saved = mask::save();
    let limiter: &Limiter = &LIMITER;
    limiter.lock.acquire();
    // SAFETY: the lock is held, interrupts are masked.
    let sites = unsafe { &mut *limiter.sites.get() };
    let now = hw::clock::ticks();
    let is_it = |limited: &Limited| limited.site.is_some_and(|known| core::ptr::eq(known, site));
    // If it is not known, the one that was let through longest ago makes room.
    let mut slot = 0;
    for (n, limited) in sites.iter().enumerate() {
        if is_it(limited) {
            slot = n;
            break;
        }
        if limited.until < sites[slot].until {
            slot = n;
        }
    }
    let limited = &mut sites[slot];
    let pass = !is_it(limited) || now >= limited.until;
    if pass {
        *limited = Limited { site: Some(site), until: now + WINDOW_SECONDS * hw::clock::frequency() };
    }
    limiter.lock.release();
    mask::restore(saved);
    pass
}

/// Text sink that translates line ends for a terminal.
pub(crate) struct Text;
impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        halt_if_stopped();
        for (n, line) in s.split('\n').enumerate() {
            if n > 0 {
                hw::text::write(b"\r\n");
            }
            hw::text::write(line.as_bytes());
        }
        Ok(())
    }
}

/// Halts this CPU if another one stops the machine.
pub(crate) fn halt_if_stopped() {
    let stopper = STOPPER.load(Acquire);
    if stopper != NOBODY && stopper != hw::cpu::affinity() {
        ipi::halt();
    }
}

/// Waits until no other CPU is in the middle of a text. Whether this CPU is from now on, and was not before. Interrupts
/// are masked.
fn begin_text() -> bool {
    let me = hw::cpu::affinity();
    let mut limit = None;
    loop {
        match WRITER.compare_exchange(NOBODY, me, Acquire, Relaxed) {
            Ok(_) => return true,
            Err(writer) if writer == me => return false,
            Err(_) => {}
        }
        // The writer may have been halted in the middle; and with interrupts masked nobody else stops this CPU.
        halt_if_stopped();
        let now = hw::clock::ticks();
        if now > *limit.get_or_insert(now + hw::clock::frequency() / PATIENCE) {
            return false;
        }
        hw::cpu::relax();
    }
}

/// Writes a text that those of other CPUs, and log records, come before or behind.
pub(crate) fn whole(write: impl FnOnce(&mut Text)) {
    let saved = mask::save();
    // Text takes as long as the device does, and is nobody's promise.
    tell::pause(latency::Site::here());
    let began = begin_text();
    crate::console::make_way();
    write(&mut Text);
    if began {
        WRITER.store(NOBODY, Release);
    }
    tell::resume(latency::Site::here());
    mask::restore(saved);
}

#[doc(hidden)]
pub fn warning(args: fmt::Arguments<'_>) {
    WARNINGS.fetch_add(1, Relaxed);
    crate::trace::record(crate::trace::WARN, u64::from(warnings()), 0);
    whole(|out| {
        _ = match percpu::online().count() {
            0 | 1 => writeln!(out, "WARNING: {args}"),
            _ => writeln!(out, "WARNING on CPU {}: {args}", this_cpu()),
        }
    });
}
#[doc(hidden)]
pub fn note_line(args: fmt::Arguments<'_>) {
    whole(|out| _ = writeln!(out, "{args}"));
}

/// Number of the CPU that reports.
pub(crate) fn this_cpu() -> usize {
    percpu::this().id.get()
}

/// This CPU is about to report why it stops the machine; of several that want to, one does. Halts the others and answers
/// which did not.
pub(crate) fn begin_stop() -> CpuSet {
    hw::irqs::disable();
    let me = hw::cpu::affinity();
    match STOPPER.compare_exchange(NOBODY, me, AcqRel, Acquire) {
        Ok(_) => {
            let running = ipi::stop_others();
            crate::console::make_way();
            if WRITER.load(Acquire) != NOBODY {
                // A text was cut short.
                let _ = writeln!(Text);
            }
            running
        }
        // Something went wrong while it reported: enough was said.
        Err(stopper) if stopper == me => hw::power::exit(EXIT_BUG),
        Err(_) => ipi::halt(),
    }
}

/// The last line of a report, if there is reason for it.
pub(crate) fn name_running(out: &mut Text, running: CpuSet) {
    if !running.is_empty() {
        let _ = writeln!(out, "  still running: CPU {running}");
    }
}

/// Reports and stops the machine.
#[doc(hidden)]
pub fn bug_stop(kind: &str, args: fmt::Arguments<'_>, site: &Location<'_>) -> ! {
    let running = begin_stop();
    let me = thread::current();
    let count = me.preempt.count();
    let _ = write!(Text, "{kind}: {args}\n  at {}:{}\n", site.file(), site.line());
    let _ = writeln!(
        Text,
        "  CPU {}, thread {} ({}), preempt count {:#x}, {}",
        this_cpu(),
        me.id(),
        me.name(),
        count.0,
        if count.in_hardirq() { "in a hard interrupt" } else { "in thread context" }
    );
    name_running(&mut Text, running);
    crate::trace::record(crate::trace::BUG, 0, 0);
    #[cfg(target_os = "none")]
    crate::fault::backtrace_here();
    stop(running)
}

/// The end of a report: what everybody waits for, and the log. What is above must not depend on it. `running`: the CPUs that
/// were not halted.
pub(crate) fn stop(running: CpuSet) -> ! {
    rtmutex::print_contended(&mut Text, running);
    crate::log::print_rest(crate::console::write_frame_now);
    tell::stopping();
    hw::power::exit(EXIT_BUG)
}

/// Ends the machine as whoever runs on it wants, unless a report is under way: that says how it ends.
pub fn end(code: i32) -> ! {
    begin_stop();
    hw::power::exit(code)
}

macro_rules! warning_ {
    ($($arg:tt)*) => { $crate::report::warning(format_args!($($arg)*)) };
}
macro_rules! note {
    ($($arg:tt)*) => { $crate::report::note_line(format_args!($($arg)*)) };
}
macro_rules! bug {
    ($($arg:tt)*) => { $crate::report::bug_stop("BUG", format_args!($($arg)*), core::panic::Location::caller()) };
}
pub(crate) use {bug, note, warning_ as warn};
