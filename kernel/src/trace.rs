//! What happened, in which order, and when? The event log (HC-01).
//!
//! On the target it exists with feature `trace` and counts instructions; in the simulation always, in virtual time. Without
//! it, recording is nothing.
/// The latency tracers.
#[cfg(any(feature = "latency", not(target_os = "none")))]
pub use crate::latency;
pub use logic::eventlog::{Event, Kind};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $n:literal, $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Kind = Kind($n);)*
        /// What a kind is called.
        pub fn name(kind: Kind) -> &'static str {
            match kind { $($name => $text,)* _ => "?" }
        }
    };
}
kinds! {
    /// A thread left the CPU for another: a = previous, b = next.
    SWITCH = 1, "switch";
    /// A thread was made ready: a = thread.
    WAKE = 2, "wake";
    /// The vector has saved the interrupted thread.
    VECTOR = 3, "vector";
    /// An interrupt was acknowledged and its priority dropped: a = INTID, b = who sent it, if it is an SGI of a GICv2.
    IRQ_ENTER = 4, "irq_enter";
    /// The line's state was checked and marked: a = INTID.
    DESCRIPTOR = 5, "descriptor";
    /// A hard handler has returned: a = INTID.
    HARD_HANDLER = 6, "hard_handler";
    /// The flow of an interrupt is over: a = INTID.
    IRQ_EXIT = 7, "irq_exit";
    /// An IRQ thread begins its handler: a = INTID.
    THREAD_RUN = 8, "thread_irq_run";
    /// An IRQ thread's handler has returned: a = INTID.
    THREAD_DONE = 9, "thread_irq_done";
    /// An IRQ thread has let its line go: a = INTID.
    FINALIZED = 10, "finalized";
    /// A timer's callback begins: a = its expiry.
    TIMER = 11, "timer";
    /// A CPU waits for an interrupt.
    IDLE = 12, "idle";
    /// A warning: a = its number.
    WARN = 13, "warn";
    /// A BUG.
    BUG = 14, "bug";
    /// A mark of whoever studies something.
    MARK = 15, "mark";
    /// A CPU waits for a raw lock that is held.
    LOCK_WAIT = 16, "lock_wait";
    /// A thread inherits another level, or none any more: a = thread, b = level before * 256 + level now.
    INHERIT = 17, "pi_setprio";
    /// A thread lines up for a lock: a = thread, b = owner.
    LOCK_BLOCK = 18, "lock_block";
    /// A thread that has waited for a lock owns it: a = thread.
    LOCK_ACQUIRE = 19, "lock_acquire";
    /// A lock is left to its waiters: a = owner, b = top waiter.
    LOCK_RELEASE = 20, "lock_release";
    /// A grace period begins: a = its number.
    RCU_BEGIN = 21, "rcu_gp_start";
    /// Grace periods have ended: a = how many since boot.
    RCU_END = 22, "rcu_gp_end";
}

#[cfg(any(feature = "trace", not(target_os = "none")))]
mod log {
    use super::{Event, Kind};
    use crate::{latency::tell, percpu};
    use logic::eventlog::EventLog;

    /// Events kept a CPU.
    const EVENTS: usize = 1024;
    hw::global! {
        static LOG: EventLog<{ percpu::MAX_CPUS }, EVENTS> = EventLog::new();
    }
    fn time() -> u64 {
        #[cfg(target_os = "none")]
        return hw::clock::cycles();
        #[cfg(not(target_os = "none"))]
        return hw::sim::time();
    }
    /// Records an event; from any context.
    #[inline(always)]
    pub fn record(kind: Kind, a: u64, b: u64) {
        tell::apart(|| LOG.record(percpu::this().id.get(), time(), kind, a, b));
    }
    /// Hands every event kept to `f`, oldest first, and forgets them.
    pub fn drain(mut f: impl FnMut(Event)) {
        for event in LOG.drain() {
            f(event);
        }
    }
    /// Events that were overwritten before anybody read them.
    pub fn dropped() -> u64 {
        LOG.dropped()
    }
    /// Number of the last event.
    pub fn seq() -> u64 {
        LOG.seq()
    }
}

#[cfg(not(any(feature = "trace", not(target_os = "none"))))]
mod log {
    /// Nothing: there is no event log in this image.
    #[inline(always)]
    pub fn record(_: super::Kind, _: u64, _: u64) {}
}

pub use log::*;
