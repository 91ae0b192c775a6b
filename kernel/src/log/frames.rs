//! How does a defmt record become bytes in a ring?
//!
//! Interrupts are masked from a record's first byte to its last: it is a few dozen bytes, written without a lock. One encoder
//! a CPU.
use crate::{irq_flags, percpu};
use core::cell::UnsafeCell;
use defmt::Encoder;

struct Cpu {
    encoder: Encoder,
    /// The section that the open record masks interrupts by.
    section: Option<irq_flags::Off>,
}
struct Cpus([UnsafeCell<Cpu>; percpu::MAX_CPUS]);
// SAFETY: each CPU uses its own, with interrupts masked.
unsafe impl Sync for Cpus {}
static CPUS: Cpus = Cpus([const { UnsafeCell::new(Cpu { encoder: Encoder::new(), section: None }) }; percpu::MAX_CPUS]);

/// This CPU's encoder. Interrupts are masked.
fn cpu() -> &'static mut Cpu {
    // SAFETY: masked, so nobody else on this CPU is in here; defmt does not nest records.
    unsafe { &mut *CPUS.0[percpu::this().id.get()].get() }
}
fn put(bytes: &[u8]) {
    percpu::this().log.ring.write(bytes);
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` to `release` is one section with interrupts masked, on one CPU.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        let section = irq_flags::Off::new();
        let cpu = cpu();
        cpu.section = Some(section);
        percpu::this().log.ring.begin();
        cpu.encoder.start_frame(put);
    }
    unsafe fn flush() {}
    unsafe fn release() {
        let cpu = cpu();
        cpu.encoder.end_frame(put);
        percpu::this().log.ring.commit();
        super::wake_console();
        // Dropped last: interrupts, and a switch that is due, come after the record.
        let section = cpu.section.take();
        drop(section);
    }
    unsafe fn write(bytes: &[u8]) {
        cpu().encoder.write(bytes, put);
    }
}

defmt::timestamp!("{=u64:us}", crate::time::now().as_ns() / 1000);
