//! The machine boundary: everything that touches the machine, behind one facade.
//!
//! Two machines stand behind it. On the target (`target_os = "none"`) it is `aarch64/`: assembly, system registers and
//! volatile accesses. On a host it is `sim/`: simulated CPUs, interrupt controller, timer and UART, driven by virtual
//! time. What is shared (the GIC and PL011 drivers, the generic timer) is one source for both and reaches registers
//! only through [`mmio`] and [`sysreg`].
//!
//! # What a machine provides
//!
//! | module | question it answers |
//! |---|---|
//! | [`irqs`] | are interrupts masked on this CPU? |
//! | [`context`] | how does a CPU leave one thread's stack and continue another's? |
//! | [`cpu`] | which thread and which per-CPU area are this CPU's; how does it wait? |
//! | [`barrier`] | in which order do others see what this CPU did? |
//! | [`text`] | where do reports go that must not wait for a thread? |
//! | [`smp`] | how does a secondary CPU start? |
//! | [`power`] | how does the machine stop? |
//! | [`atomic`] | the one alias for atomics, points of the schedule in the simulation |
//! | [`global!`], [`Global`] | where kernel state lives: a static here, one value a machine there |
//!
//! # What it calls
//!
//! [`upcall`] lists the entry functions that the kernel provides. Nothing else is called upwards.
#![cfg_attr(target_os = "none", no_std)]

pub mod clock;
pub mod gic;
mod global;
pub mod mmio;
pub mod pl011;
pub mod platform_facts;
pub mod smp;
pub mod sysreg;
pub mod upcall;

#[cfg(target_os = "none")]
pub mod aarch64;
#[cfg(target_os = "none")]
use aarch64 as machine;
#[cfg(not(target_os = "none"))]
pub mod sim;
#[cfg(not(target_os = "none"))]
use sim::facade as machine;

pub use global::Global;
pub use machine::{atomic, barrier, context, cpu, irqs, power, text};

/// For [`global!`] only.
#[doc(hidden)]
#[cfg(not(target_os = "none"))]
pub use sim::global::slot as __slot;
