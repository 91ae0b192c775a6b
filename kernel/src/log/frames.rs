//! How does a defmt record become bytes in a ring?
//!
//! Encoding goes byte by byte, so it is done aside, and the ring gets the whole record at once: only that needs interrupts
//! masked, and is bounded by the longest record. A thread encodes with preemption off; what interrupts it, or masks
//! interrupts itself, has a second place to encode in, so that records do not mix.
use crate::{irq_flags, mask, percpu, preempt};
use core::cell::UnsafeCell;
use defmt::Encoder;
use logic::ring::MAX_RECORD;

/// One byte more than a ring takes: it marks what is longer as cut.
type Bytes = heapless::Vec<u8, { MAX_RECORD + 1 }>;

/// Where an encoder puts what it has; what does not fit is what the ring would cut.
fn into(bytes: &mut Bytes) -> impl FnMut(&[u8]) + '_ {
    |more| {
        for &byte in more {
            let _ = bytes.push(byte);
        }
    }
}

/// A record that is being encoded.
struct Record {
    encoder: Encoder,
    bytes: Bytes,
}

impl Record {
    const fn new() -> Self {
        Self { encoder: Encoder::new(), bytes: heapless::Vec::new() }
    }
    #[inline(never)]
    fn begin(&mut self) {
        self.bytes.clear();
        self.encoder.start_frame(into(&mut self.bytes));
    }
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) {
        self.encoder.write(bytes, into(&mut self.bytes));
    }
    /// The whole record goes into the ring.
    #[inline(never)]
    fn end(&mut self) {
        self.encoder.end_frame(into(&mut self.bytes));
        let masked = irq_flags::Off::new();
        percpu::this().log.ring.push(&self.bytes);
        super::wake_console();
        drop(masked);
    }
}

/// A record, and who is in it.
struct Open<S> {
    record: Record,
    /// Keeps everybody out who would use this one too; `None`: there is no record.
    section: Option<S>,
}
struct Cpu {
    thread: Open<preempt::Off>,
    masked: Open<irq_flags::Off>,
}
struct Cpus([UnsafeCell<Cpu>; percpu::MAX_CPUS]);
// SAFETY: each CPU uses its own: `thread` with preemption off and interrupts on, `masked` with interrupts masked.
unsafe impl Sync for Cpus {}
static CPUS: Cpus =
    Cpus([const { UnsafeCell::new(Cpu { thread: Open::new(), masked: Open::new() }) }; percpu::MAX_CPUS]);

impl<S> Open<S> {
    const fn new() -> Self {
        Self { record: Record::new(), section: None }
    }
    fn begin(&mut self, section: S) {
        self.section = Some(section);
        self.record.begin();
    }
    /// The section, to be dropped last.
    fn end(&mut self) -> Option<S> {
        self.record.end();
        self.section.take()
    }
}

/// This CPU's two records. The caller does not migrate.
fn cpu() -> *mut Cpu {
    CPUS.0[percpu::this().id.get()].get()
}
/// The record with interrupts masked, if that is the one being encoded: nobody leaves it open.
fn masked() -> Option<&'static mut Open<irq_flags::Off>> {
    // SAFETY: if it is open, this is who opened it: interrupts are masked; defmt does not nest records.
    let open = unsafe { &mut (*cpu()).masked };
    open.section.is_some().then_some(open)
}
/// The thread's record. Preemption is off.
fn thread() -> &'static mut Open<preempt::Off> {
    // SAFETY: interrupts do not use it, other threads do not run, and defmt does not nest records.
    unsafe { &mut (*cpu()).thread }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: from `acquire` to `release` a section keeps this on one CPU, and everybody else there out of the same `Open`.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        if mask::enabled() {
            let section = preempt::Off::new();
            thread().begin(section);
        } else {
            let section = irq_flags::Off::new();
            // SAFETY: interrupts are masked: nobody else is in there.
            unsafe { (*cpu()).masked.begin(section) };
        }
    }
    unsafe fn flush() {}
    unsafe fn release() {
        // Interrupts, and a switch that is due, come after the record.
        match masked() {
            Some(open) => drop(open.end()),
            None => drop(thread().end()),
        }
    }
    unsafe fn write(bytes: &[u8]) {
        match masked() {
            Some(open) => open.record.write(bytes),
            None => thread().record.write(bytes),
        }
    }
}

defmt::timestamp!("{=u64:us}", crate::time::now().as_ns() / 1000);
