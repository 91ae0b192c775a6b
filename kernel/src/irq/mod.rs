//! What happens from the acknowledge of an interrupt to the end of its threaded handler?
//!
//! Read in this order: `dispatch` (acknowledge, priority drop, descriptor) → `flow` (primary handlers, wake) → `thread` (the
//! IRQ thread's loop, finalising) with the line's state machine in `logic::flow`. `request` and `line` are what drivers
//! see: how a handler is installed, and what can be done to its line afterwards; `ordinary` puts one where the model wants it.

mod affinity;
mod dispatch;
mod domain;
mod flow;
mod line;
mod ordinary;
mod percpu_line;
mod request;
mod stats;
mod thread;
mod verify;

pub use affinity::{Affinity, affinity, set_affinity};
pub(crate) use dispatch::{CpuCounts, silence};
pub use domain::{Irq, line_count, map, unmap};
pub(crate) use domain::{gic, start, start_here, warning as controller_warning};
pub use flow::Forced;
pub(crate) use flow::count;
pub use line::Line;
pub(crate) use line::{set_debug_shirq, start_reaper};
pub use logic::request::{Flags, Trigger};
pub(crate) use ordinary::{CpuOrdinary, force_threads};
pub use percpu_line::{PerCpuLine, request_percpu};
pub(crate) use percpu_line::{enable_private, request_timer};
pub use request::Request;
pub(crate) use stats::counts;
pub use stats::{Handler, LineInfo, Totals, detector_enabled, for_each, info, set_detector, totals};
pub use verify::{Rule, Violation, verify};

/// What a hard handler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primary {
    /// The interrupt was not this device's.
    None,
    /// It was, and nothing is left to do.
    Handled,
    /// The thread handler shall run.
    WakeThread,
    /// Part of it is done, the thread handler shall run for the rest.
    HandledAndWake,
}

/// What a threaded or ordinary handler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// There was nothing to do for this device.
    No,
    /// It was this device's.
    Yes,
}

/// Raising and shaping interrupt conditions, for tests and for whoever has no device (HC-03).
pub mod inject {
    use super::{Irq, domain};
    use crate::{
        cx::Context,
        error::{Error, Result},
        percpu,
    };
    use hw::gic::{GicError, Which};

    fn error(e: GicError) -> Error {
        match e {
            GicError::Invalid => Error::Invalid,
            GicError::Range => Error::Range,
            GicError::NoRedistributor => Error::NotFound,
            GicError::Unsupported => Error::Unsupported,
        }
    }
    /// Makes a line pending in the controller, as an edge would: it fires once.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::Range`]: the controller has no such line.
    pub fn pend(cx: &impl Context, irq: Irq) -> Result<()> {
        set_state(cx, irq, Which::Pending, true)
    }
    /// One line, ready to be made pending by a single store: for measurements, which must not count the way there.
    pub struct Pend(hw::gic::Strobe);
    impl Pend {
        /// Prepares a line.
        ///
        /// # Errors
        /// As [`pend`].
        pub fn new(_: &impl Context, irq: Irq) -> Result<Self> {
            domain::gic().pend_register(percpu::this().gic_local(), irq.intid()?).map(Self).map_err(error)
        }
        /// Makes it pending. On one CPU an enabled interrupt is taken before the next instruction.
        #[inline(always)]
        pub fn fire(&self) {
            self.0.fire();
        }
    }
    /// Forces a state of a line in the controller.
    ///
    /// # Errors
    /// As [`pend`]; [`Error::Invalid`]: the line has no such state.
    pub fn set_state(_: &impl Context, irq: Irq, which: Which, on: bool) -> Result<()> {
        domain::gic().set_state(percpu::this().gic_local(), irq.intid()?, which, on).map_err(error)
    }
    /// Reads a state of a line in the controller.
    ///
    /// # Errors
    /// As [`set_state`].
    pub fn state(_: &impl Context, irq: Irq, which: Which) -> Result<bool> {
        domain::gic().state(percpu::this().gic_local(), irq.intid()?, which).map_err(error)
    }
}
