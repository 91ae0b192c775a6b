//! What can a transition of a line answer?

use bitflags::bitflags;

bitflags! {
    /// Chip operations, performed in the order in which they are declared.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[must_use]
    pub struct Chip: u8 {
        /// Let no further interrupt of the line through.
        const MASK = 1 << 0;
        /// Acknowledge an edge (edge flow only; the GIC did it when the vector read `IAR`).
        const ACK = 1 << 1;
        /// End the interrupt: the GIC's deactivation, what spec/05 writes as `eoi`. Priority was dropped in the vector.
        const DEACTIVATE = 1 << 2;
        /// Let interrupts of the line through again.
        const UNMASK = 1 << 3;
        /// Make the line pending once more; in software if the chip cannot.
        const RESEND = 1 << 4;
    }
}

/// How a flow begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Entry {
    /// Do this, drop the lock, run the handlers, take the lock, call `end` (or `edge_next`).
    Handle(Chip),
    /// Do this; the flow is over.
    Leave(Chip),
}

/// How an edge flow goes on after the handlers ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum EdgeNext {
    /// Another edge came meanwhile: do this and run the handlers again.
    Again(Chip),
    /// Do this; the flow is over.
    Done(Chip),
}

/// What a thread that has run its handler finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Finalized {
    /// The hard handler still runs on another CPU: drop the lock, let it go on, try again.
    InProgress,
    /// The thread was woken again: nothing was changed, the handler must run once more first.
    RunAgain,
    /// The thread's share is done: do this.
    Done(Chip),
}
