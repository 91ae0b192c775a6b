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
    /// An IRQ thread goes to sleep without looking at RUNTHREAD again (IQ-08.2).
    NoRecheck,
    /// A thread that finishes while its line's hard handler is in progress does not wait for it (IQ-09.3).
    FinalizeEarly,
    /// A thread goes to sleep without looking whether it was woken since it announced that (SC-12.3).
    SleepUnlooked,
    /// A CPU does not tell another one to look at its run queue (BU-06).
    NoIpi,
    /// A CPU that becomes less urgent does not look for threads that wait elsewhere (SC-11.5).
    NoPull,
    /// A CPU does not send threads away that wait in its queue (SC-11).
    NoPush,
    /// A movable thread does not make room for one that may run on its CPU only (SC-11.6).
    NoRoom,
    /// Cancelling a timer does not wait for its callback on another CPU (TM-02.5).
    CancelUnwaited,
    /// Whoever waited for a completion goes on while its completer still holds its lock.
    CompletionUnheld,
    /// Who gives a lock back drops what it inherited, and may be preempted before it wakes the top waiter (RM-12.2).
    DeboostPreemptible,
    /// A change of level is not carried along the chain of locks (RM-04, RM-10).
    NoChain,
    /// Who gives a lock back gets the level that it had before, whatever else it owns (RM-03).
    RestoreLevel,
    /// Another top waiter of a lock without owner is not woken (RM-06).
    NoNewTop,
    /// A reader that loses its CPU is not put on a list: no grace period waits for it (RC-01.5).
    ReaderNotListed,
    /// A reader that loses its CPU is taken for one that came later, whatever the CPU has said (RC-03).
    ReaderTakenForLater,
    /// A CPU that is asked says that it is outside, though its thread is in a section (RC-01.1).
    AnswersInSection,
    /// A CPU that has waited for an interrupt does not say that it runs again (RC-11.3).
    WaitsForEver,
    /// Who takes something away is content with the grace period in progress (RC-15.1).
    NeedsTooLittle,
    /// A grace period has its number when the CPUs have been looked at (RC-01).
    NumberLate,
    /// An SGI is ended without its sender: a GICv2 leaves it active (G2-02.3).
    V2SgiEoi,
    /// Who gives up waiting leaves behind what it lent (RM-02.2, RM-07, RM-08).
    NoDeboost,
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
