//! Which locks does a thread hold for reading?
//!
//! A count of readers does not say who they are. Each thread keeps a record of its own of the first eight: written with two
//! stores when it enters, looked at when it finds a writer, where it decides whether waiting would be for itself (LK-04.4).
//! What a ninth lock is missing is this check only.
use super::RwBase;
use core::{cell::Cell, ptr::null};

/// Locks that are recorded at a time.
const PLACES: u32 = u8::BITS;

/// A thread's record; its own.
pub(crate) struct Reads {
    used: Cell<u8>,
    locks: [Cell<*const RwBase>; PLACES as usize],
}

/// Where in its reader's record a lock is; past the end if there was no room.
#[derive(Clone, Copy)]
pub(crate) struct Place(u32);

impl Place {
    /// In no record: of a reader that spins.
    pub(crate) const NONE: Self = Self(PLACES);
}

impl Reads {
    pub(crate) const fn new() -> Self {
        Self { used: Cell::new(0), locks: [const { Cell::new(null()) }; PLACES as usize] }
    }
    /// The thread holds none.
    pub(crate) fn clear(&self) {
        self.used.set(0);
    }
    #[inline(always)]
    pub(super) fn add(&self, lock: &RwBase) -> Place {
        let used = self.used.get();
        let place = used.trailing_ones();
        if let Some(entry) = self.locks.get(place as usize) {
            entry.set(lock);
            self.used.set(used | 1 << place);
        }
        Place(place)
    }
    #[inline(always)]
    pub(super) fn remove(&self, place: Place) {
        self.used.set(self.used.get() & !1u8.checked_shl(place.0).unwrap_or(0));
    }
    /// Whether it is known to hold this one.
    #[inline(always)]
    pub(super) fn contains(&self, lock: &RwBase) -> bool {
        self.used.get() != 0 && self.find(lock)
    }
    fn find(&self, lock: &RwBase) -> bool {
        let used = self.used.get();
        self.locks.iter().enumerate().any(|(n, entry)| used & 1 << n != 0 && core::ptr::eq(entry.get(), lock))
    }
}
