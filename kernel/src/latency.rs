//! Does anybody watch how long interrupts and preemption are off? The latency tracers irqsoff, preemptoff and
//! preemptirqsoff (TR-01).
//!
//! On the target they exist with feature `latency`; in the simulation always. Without them, what the kernel tells them is
//! nothing, and so is a [`Site`]. Where they exist they run as soon as boot is over; one CPU's sections go on across a switch of
//! threads if interrupts stay masked.
//!
//! Not counted: the wait of an idle CPU, reports that are printed past all threads, and what calls [`ignore`].
#[cfg(any(feature = "latency", not(target_os = "none")))]
mod tracer;
#[cfg(any(feature = "latency", not(target_os = "none")))]
pub use tracer::*;

#[cfg(not(any(feature = "latency", not(target_os = "none"))))]
mod absent {
    /// Nothing: nobody asks.
    #[derive(Clone, Copy)]
    pub(crate) struct Site;
    impl Site {
        #[inline(always)]
        pub(crate) fn here() -> Self {
            Self
        }
    }
    /// What the tracers are told.
    pub(crate) mod tell {
        use super::Site;
        #[inline(always)]
        pub(crate) fn irqs_off(_: Site) {}
        #[inline(always)]
        pub(crate) fn irqs_on(_: Site) {}
        #[inline(always)]
        pub(crate) fn interrupt_enter(_: Site) {}
        #[inline(always)]
        pub(crate) fn interrupt_leave(_: Site) {}
        #[inline(always)]
        pub(crate) fn preempt_off(_: Site) {}
        #[inline(always)]
        pub(crate) fn preempt_on(_: Site) {}
        #[inline(always)]
        pub(crate) fn pause(_: Site) {}
        #[inline(always)]
        pub(crate) fn resume(_: Site) {}
        /// Runs `f`, whose cost is a tracer's.
        #[cfg(feature = "trace")]
        #[inline(always)]
        pub(crate) fn apart(f: impl FnOnce()) {
            f();
        }
        #[inline(always)]
        pub(crate) fn booted() {}
        #[inline(always)]
        pub(crate) fn stopping() {}
    }
}
#[cfg(not(any(feature = "latency", not(target_os = "none"))))]
pub(crate) use absent::*;
