//! What does the kernel say when something is wrong, past all threads?
//!
//! Warnings, BUGs and panics are plain text, written at once in whatever context they happen. A warning goes on; a BUG or
//! panic stops the machine with a non-zero exit code. Code addresses are printed as `[<0x…>]`, which the host tool
//! resolves.
use crate::{sync::raw::SpinWord, thread};
use core::{
    fmt::{self, Write},
    panic::Location,
};
use hw::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Exit code of a machine that a BUG, panic or unexpected exception stopped.
pub const EXIT_BUG: i32 = 101;
/// Warnings of one call site in a second; more are counted only.
const WINDOW_SECONDS: u64 = 1;
const SITES: usize = 16;

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
    /// The CPU that stops the machine: its affinity + 1; 0 if none does.
    static STOPPING: AtomicU64 = AtomicU64::new(0);
    static LIMITER: Limiter = Limiter {
        lock: SpinWord::new(),
        sites: core::cell::UnsafeCell::new([const { Limited { site: None, until: 0 } }; SITES]),
    };
    /// One text at a time, whole.
    static WRITER: SpinWord = SpinWord::new();
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
pub(crate) fn once_a_second(site: &'static Location<'static>) -> bool {
    let saved = hw::irqs::save();
    let limiter: &Limiter = &LIMITER;
    limiter.lock.acquire();
    // SAFETY: the lock is held, interrupts are masked.
    let sites = unsafe { &mut *limiter.sites.get() };
    let now = hw::clock::ticks();
    let slot = match sites.iter().position(|s| s.site.is_some_and(|l| core::ptr::eq(l, site))) {
        Some(known) => known,
        // The one that was let through longest ago makes room.
        None => (0..SITES).min_by_key(|&n| sites[n].until).unwrap_or(0),
    };
    let known = sites[slot].site.is_some_and(|l| core::ptr::eq(l, site));
    let pass = !known || now >= sites[slot].until;
    if pass {
        sites[slot] = Limited { site: Some(site), until: now + WINDOW_SECONDS * hw::clock::frequency() };
    }
    limiter.lock.release();
    hw::irqs::restore(saved);
    pass
}

/// Text sink that translates line ends for a terminal.
pub(crate) struct Text;
impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for (n, line) in s.split('\n').enumerate() {
            if n > 0 {
                hw::text::write(b"\r\n");
            }
            hw::text::write(line.as_bytes());
        }
        Ok(())
    }
}

fn print(head: &str, args: fmt::Arguments<'_>) {
    let saved = hw::irqs::save();
    let writer: &SpinWord = &WRITER;
    // A report about a report, or one from a CPU that stops the machine, does not wait.
    let locked = STOPPING.load(Relaxed) == 0 && writer.try_acquire();
    crate::console::make_way();
    let _ = writeln!(Text, "{head}{args}");
    if locked {
        writer.release();
    }
    hw::irqs::restore(saved);
}

#[doc(hidden)]
pub fn warning(args: fmt::Arguments<'_>) {
    WARNINGS.fetch_add(1, Relaxed);
    crate::trace::record(crate::trace::WARN, u64::from(warnings()), 0);
    print("WARNING: ", args);
}
#[doc(hidden)]
pub fn note_line(args: fmt::Arguments<'_>) {
    print("", args);
}

/// Reports and stops the machine.
#[doc(hidden)]
pub fn bug_stop(kind: &str, args: fmt::Arguments<'_>, site: &Location<'_>) -> ! {
    hw::irqs::disable();
    begin_stop();
    let me = thread::current();
    let count = me.preempt.count();
    crate::console::make_way();
    let _ = write!(Text, "{kind}: {args}\n  at {}:{}\n", site.file(), site.line());
    let _ = writeln!(
        Text,
        "  thread {} ({}), preempt count {:#x}, {}",
        me.id(),
        me.name(),
        count.0,
        if count.in_hardirq() { "in a hard interrupt" } else { "in thread context" }
    );
    crate::trace::record(crate::trace::BUG, 0, 0);
    #[cfg(target_os = "none")]
    crate::fault::backtrace_here();
    // Last: what is above must not depend on it.
    crate::log::print_rest(crate::console::write_frame_now);
    hw::power::exit(EXIT_BUG)
}

/// Ends the machine as whoever runs on it wants, unless a report is under way: that says how it ends.
pub(crate) fn end(code: i32) -> ! {
    hw::irqs::disable();
    begin_stop();
    hw::power::exit(code)
}

/// This CPU is going to stop the machine, interrupts masked. Returns on the first that says so only.
pub(crate) fn begin_stop() {
    // Not the per-CPU area's number: that area may be what is broken.
    let me = hw::cpu::affinity() + 1;
    match STOPPING.compare_exchange(0, me, Relaxed, Relaxed) {
        Ok(_) => {}
        // Something went wrong in the report itself: enough was said.
        Err(first) if first == me => hw::power::exit(EXIT_BUG),
        // Another CPU was first, and may not have said everything.
        Err(_) => loop {
            hw::cpu::wait_for_interrupt();
        },
    }
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
