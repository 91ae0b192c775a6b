//! How do readers and a writer wait for each other where nobody sleeps? By spinning on one word.
//!
//! Readers go before writers: one that comes while a writer waits is let in, so that an interrupt may read what its CPU's
//! thread reads (Linux before its queued locks). A writer can be kept out by readers that relieve each other.
use hw::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// A writer is inside; the rest of the word counts readers.
const WRITER: u32 = 1 << 31;

pub(super) struct RwSpin(AtomicU32);

impl RwSpin {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }
    #[inline(always)]
    pub(super) fn try_read(&self) -> bool {
        let mut word = self.0.load(Relaxed);
        while word & WRITER == 0 {
            match self.0.compare_exchange_weak(word, word + 1, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }
    #[inline(always)]
    pub(super) fn read(&self) {
        while !self.try_read() {
            hw::cpu::relax();
        }
    }
    pub(super) fn end_read(&self) {
        self.0.fetch_sub(1, Release);
    }
    #[inline(always)]
    pub(super) fn try_write(&self) -> bool {
        self.0.compare_exchange(0, WRITER, Acquire, Relaxed).is_ok()
    }
    #[inline(always)]
    pub(super) fn write(&self) {
        while !self.try_write() {
            hw::cpu::relax();
        }
    }
    pub(super) fn end_write(&self) {
        self.0.fetch_and(!WRITER, Release);
    }
    pub(super) fn readers(&self) -> u32 {
        self.0.load(Relaxed) & !WRITER
    }
}
