//! Where did any section begin since boot was over, however short it was? Each place once (PM-07.3).
//!
//! On the target only: a simulated machine is told too much.
use core::{
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed},
};

/// A few times as many as there are places in the kernel and in a test. A power of two.
const PLACES: usize = 1024;

static SEEN: [AtomicPtr<Location<'static>>; PLACES] = [const { AtomicPtr::new(ptr::null_mut()) }; PLACES];
static WATCHES: AtomicBool = AtomicBool::new(false);
/// More places than fit.
static FULL: AtomicBool = AtomicBool::new(false);

/// Begins to note them.
pub(super) fn start() {
    WATCHES.store(true, Relaxed);
}

/// Interrupts or preemption went off here. Any CPU, interrupts masked; as many steps as places met before at the same slot.
#[inline(always)]
pub(super) fn note(place: &'static Location<'static>) {
    if !WATCHES.load(Relaxed) {
        return;
    }
    let place = ptr::from_ref(place).cast_mut();
    let first = place.addr() / align_of::<Location<'_>>();
    for n in 0..PLACES {
        let slot = &SEEN[(first + n) % PLACES];
        let seen = slot.load(Relaxed);
        if seen == place {
            return;
        }
        if seen.is_null() {
            match slot.compare_exchange(ptr::null_mut(), place, Relaxed, Relaxed) {
                Ok(_) => return,
                // Another CPU noted one here meanwhile.
                Err(other) if other == place => return,
                Err(_) => {}
            }
        }
    }
    FULL.store(true, Relaxed);
}

/// Writes a line `place FILE:LINE` for each, and `place ?` if there were more than are kept.
pub fn print_places(out: &mut impl fmt::Write) -> fmt::Result {
    for slot in &SEEN {
        // SAFETY: only `&'static Location`s are stored there.
        if let Some(place) = unsafe { slot.load(Relaxed).as_ref() } {
            writeln!(out, "place {}:{}", place.file(), place.line())?;
        }
    }
    if FULL.load(Relaxed) {
        writeln!(out, "place ?")?;
    }
    Ok(())
}
