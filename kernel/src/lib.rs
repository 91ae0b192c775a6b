//! Tophalf: a real-time kernel in which a hardware interrupt only ever wakes a thread.
//!
//! # Principles
//!
//! 1. The signature says what may sleep: see [`cx`].
//! 2. Nothing unbounded happens with interrupts or preemption off.
//! 3. Policy is plain data in the `logic` crate; the machine is a thin layer, `hw`, that a simulation can replace; this crate
//!    joins the two.
//! 4. Kernel state is reached through the machine (`hw::global!`) and typed per CPU from the start.
//!
//! # The path of an interrupt
//!
//! `hw::aarch64::vectors` → `irq/dispatch.rs` → `irq/flow.rs` → wake → `sched` → `hw::context::switch` → `irq/thread.rs` →
//! the driver's handler → finalise. Each layer knows only the next.
//!
//! # Using it
//!
//! ```text
//! kernel::main!(virt::BOARD, main);
//! fn main(cx: &mut kernel::ThreadCx) -> i32 { … }
//! ```
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod atomic_word;
pub mod bh;
pub mod board;
pub mod boot;
pub mod bootargs;
mod bugs;
pub mod console;
mod context_check;
pub mod counter;
pub mod cx;
#[cfg(any(target_os = "none", test))]
#[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "on a host only its tests run"))]
mod device_tree;
mod error;
pub mod fast_paths;
#[cfg(target_os = "none")]
pub mod fault;
pub mod gic;
#[cfg(target_os = "none")]
pub mod heap;
pub mod ipi;
pub mod irq;
pub mod irq_flags;
pub mod latency;
pub mod log;
mod mask;
#[cfg(any(target_os = "none", test))]
mod memory;
pub mod model;
pub mod percpu;
pub mod pool;
pub mod preempt;
pub mod rcu;
pub mod report;
pub mod sched;
mod secondary;
#[cfg(not(target_os = "none"))]
pub mod simulation;
mod stacks;
pub mod stack_size {
    //! How large are stacks?
    pub use crate::stacks::SIZE;
}
pub mod sync;
pub mod thread;
pub mod time;
pub mod trace;
pub mod uart;
pub mod verify;

pub use context_check::hook as sleep_hook;
pub use cx::{AtomicCx, BhCx, Context, HardIrqCx, IrqOff, ThreadCx};
pub use error::{Error, Result};
pub use logic::{cpus::CpuSet, policy::Policy};

/// What [`main!`] needs at its place of use.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_os = "none")]
    pub use defmt;
    pub use hw::upcall::Boot;
}
