//! Which deliberate bugs are on? Wrong variants that prove that a detector fires or a test notices (HC-05).
//!
//! A test turns them on in its own simulated machine. On the target the answer is a constant "no", so that nothing of
//! them is in an image.

/// A wrong variant, off unless a test turns it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An IRQ thread clears RUNTHREAD after its handler instead of before: a wake while it runs is lost (IQ-08.4).
    ClearAfterRun,
    /// A one-shot line is let go at the end of the hard handler instead of the thread (IQ-09.7).
    OneshotUnmaskEarly,
}

#[cfg(target_os = "none")]
#[inline(always)]
pub(crate) const fn is_on(_: Bug) -> bool {
    false
}

#[cfg(not(target_os = "none"))]
mod switches {
    use super::Bug;
    use core::cell::Cell;

    hw::global! {
        static ON: Cell<u32> = Cell::new(0);
    }
    pub(crate) fn is_on(bug: Bug) -> bool {
        ON.get() & 1 << bug as u32 != 0
    }
    /// Turns a bug on, in the machine that runs on this host thread, for good.
    pub fn turn_on(bug: Bug) {
        ON.set(ON.get() | 1 << bug as u32);
    }
}
#[cfg(not(target_os = "none"))]
pub use switches::*;
