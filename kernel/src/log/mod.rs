//! Where does a log record go? Into its CPU's ring, and from there to the console by a thread.
//!
//! A log call stores a few bytes: on the target a defmt frame, formatted on the host by whoever decodes it. Writers never
//! wait; the oldest records are overwritten and counted. Warnings and worse go past all this, see [`crate::report`].
//!
//! Not to be called with a run queue's lock held: it wakes the console thread.
use crate::{
    atomic_word::Word32,
    cx::ThreadCx,
    error::Result,
    percpu,
    sync::Semaphore,
    thread::{Builder, Kind},
    time,
};
use core::time::Duration;
use hw::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use logic::{
    ring::{Cursor, MAX_RECORD, Read, Ring, words},
    wakeflag::Posted,
};

#[cfg(target_os = "none")]
mod frames;
mod macros;

pub use crate::{log_debug as debug, log_error as error, log_info as info, log_warn as warn};
#[doc(hidden)]
pub use macros::__store;

/// Bytes of one CPU's ring.
const RING_BYTES: usize = 16 * 1024;

/// How important a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Severity {
    /// Something failed.
    Error = 3,
    /// Something may fail.
    Warning = 4,
    /// Something happened.
    Info = 6,
    /// For whoever looks for a fault.
    Debug = 7,
}

/// One CPU's records.
pub(crate) struct CpuLog {
    ring: Ring<{ words(RING_BYTES) }>,
}
impl CpuLog {
    pub(crate) const fn new() -> Self {
        Self { ring: Ring::new() }
    }
}

struct Console {
    /// Records were stored.
    records: Posted<Word32>,
    work: Semaphore,
    level: AtomicU8,
    dropped: AtomicU32,
    /// Number of each CPU's first record that was not printed as a whole.
    next: [AtomicU64; percpu::MAX_CPUS],
}
hw::global! {
    static CONSOLE: Console = Console {
        records: Posted::new(Word32::new(0), Word32::new(0)),
        work: Semaphore::new(0),
        level: AtomicU8::new(Severity::Info as u8),
        dropped: AtomicU32::new(0),
        next: [const { AtomicU64::new(0) }; percpu::MAX_CPUS],
    };
}

/// Stores the records of less importance, too.
pub fn set_level(level: Severity) {
    CONSOLE.level.store(level as u8, Relaxed);
}
/// Whether a record of this severity is stored.
#[inline]
pub fn enabled(severity: Severity) -> bool {
    severity as u8 <= CONSOLE.level.load(Relaxed)
}
/// Records that were overwritten before the console had printed them.
pub fn dropped() -> u32 {
    CONSOLE.dropped.load(Relaxed)
}

/// Stores one record; from any context, in bounded time.
#[cfg(not(target_os = "none"))]
pub(crate) fn store(bytes: &[u8]) {
    let off = crate::irq_flags::Off::new();
    percpu::this().log.ring.push(bytes);
    wake_console();
    drop(off);
}

/// Interrupts are masked.
fn wake_console() {
    if CONSOLE.records.post() {
        // SAFETY: interrupts are masked by the caller; the token does not outlive the call.
        let masked = unsafe { crate::cx::AtomicCx::<crate::cx::Irq>::new() };
        let _ = CONSOLE.work.up(&masked);
    }
}

/// Waits until what was stored before is printed, a tenth of a second at most: the console thread may not get to run.
pub fn flush(cx: &mut ThreadCx) {
    for _ in 0..100 {
        if CONSOLE.records.is_done() {
            return;
        }
        let _ = time::sleep(cx, Duration::from_millis(1));
    }
}

/// Calls `f` with each record that is still in the rings and not older than the last `count` of each CPU, and whether it
/// was cut.
pub fn replay(cx: &mut ThreadCx, count: u64, mut f: impl FnMut(&mut ThreadCx, &[u8], bool)) {
    let mut buffer = [0; MAX_RECORD];
    for cpu in percpu::online().iter() {
        let ring = &percpu::area(cpu).log.ring;
        let mut cursor = Cursor::from_seq(ring.next_seq().saturating_sub(count));
        while let Read::Record { len, truncated, .. } = ring.read(&mut cursor, &mut buffer) {
            f(cx, &buffer[..len], truncated);
        }
    }
}

/// Prints what the console thread has not printed, past it: the machine stops. A record that it was in the middle of comes
/// once more, from its start.
pub(crate) fn print_rest(mut print: impl FnMut(&[u8], bool)) {
    let mut buffer = [0; MAX_RECORD];
    for cpu in percpu::online().iter() {
        let next = &CONSOLE.next[cpu];
        let ring = &percpu::area(cpu).log.ring;
        let mut cursor = Cursor::from_seq(next.load(Acquire));
        // Not what others store meanwhile.
        let end = ring.next_seq();
        while cursor.next_seq() < end
            && let Read::Record { len, truncated, .. } = ring.read(&mut cursor, &mut buffer)
        {
            print(&buffer[..len], truncated);
        }
    }
}

/// Starts the thread that prints records, as urgent as a fair thread can be. `print` gets a record and whether it was cut.
///
/// # Errors
/// [`NoResource`](crate::Error::NoResource).
pub(crate) fn start_console(
    cx: &mut ThreadCx,
    mut print: impl FnMut(&mut ThreadCx, &[u8], bool) + Send + 'static,
) -> Result<()> {
    let policy = logic::policy::Policy::other(-20).map_err(|_| crate::Error::Invalid)?;
    // What was recorded before this is for `dmesg`.
    let mut cursors: [Cursor; percpu::MAX_CPUS] = core::array::from_fn(|cpu| {
        let seq = percpu::area(cpu).log.ring.next_seq();
        CONSOLE.next[cpu].store(seq, Release);
        Cursor::from_seq(seq)
    });
    Builder::new("console")
        .policy(policy)
        .kind(Kind::Service)
        .spawn(cx, move |cx| {
            let mut buffer = [0; MAX_RECORD];
            let mut missed = 0;
            loop {
                CONSOLE.work.down(cx);
                CONSOLE.records.begin();
                for cpu in percpu::online().iter() {
                    let cursor = &mut cursors[cpu];
                    let ring = &percpu::area(cpu).log.ring;
                    while let Read::Record { len, dropped, truncated, .. } = ring.read(cursor, &mut buffer) {
                        missed += dropped;
                        CONSOLE.dropped.fetch_add(dropped as u32, Relaxed);
                        print(cx, &buffer[..len], truncated);
                        CONSOLE.next[cpu].store(cursor.next_seq(), Release);
                    }
                }
                if missed > 0 {
                    self::warn!("{} log records dropped", missed);
                    missed = 0;
                }
                CONSOLE.records.end();
            }
        })
        .map(|_: crate::thread::JoinHandle<()>| ())
}
