//! The simulated machine: the facade of [`hw`](crate) over simulated CPUs, so that the kernel runs in `cargo test`.
//!
//! One host thread runs one machine; machines on different host threads do not know of each other. Inside a machine:
//!
//! | file | question |
//! |---|---|
//! | `config` | what machine is it? |
//! | `run` | how does a run begin and end? |
//! | `machine` | what is a machine made of? |
//! | `point` | what can happen between two instructions? |
//! | `contexts` | how does a CPU leave one stack and continue another's? |
//! | `schedule`, `explore` | which CPU goes on? |
//! | `seeds`, `steps` | how is a run repeated, and what did it do last? |
//! | `time` | what moves virtual time? |
//! | `events` | what happens to the machine from outside, and when? |
//! | `bus`, `log` | which device answers an access, and what was accessed? |
//! | `gic`, `timer`, `pl011` | what do the devices do? |
//! | `device` | how does a test bring others along? |
//! | `irq`, `uart` | how does a test raise interrupts and type? |
//! | `facade`, `atomic`, `global` | what does the kernel see of it? |
//!
//! # What it does not model
//!
//! - Weak memory and caches: memory is sequentially consistent.
//! - Instruction time: code takes none, so only waiting, spin hints, [`spend`] and [`advance`] move the clock, and only
//!   when no CPU has anything else to do.
//! - Stacks: the kernel's own are never touched, so overflows are not seen.
//! - Exceptions other than interrupts.
//! - In the interrupt controller: FIQ (group 0 of a GICv3; a GICv2's is IRQ), a second security state, LPIs and the ITS, 1-of-N routing (goes to the first CPU), and the
//!   delay with which a disable takes effect (`RWP` reads set, the effect is immediate).
//! - In the PL011: modem lines, DMA, breaks, damaged characters, loopback; sending takes no time.

pub mod atomic;
pub mod bus;
mod config;
mod contexts;
mod device;
mod events;
mod explore;
pub mod facade;
mod gic;
pub mod global;
pub mod irq;
mod log;
mod machine;
mod pl011;
mod point;
mod rng;
mod run;
mod schedule;
mod seeds;
mod steps;
#[cfg(test)]
mod tests;
mod time;
mod timer;
pub mod uart;

pub use config::{Config, Firmware, Frame, Order, Quirks, Redistributors};
pub use device::{Device, attach};
pub use events::{Injection, at, at_call, at_point, at_point_call};
pub use explore::{Explored, Tape, explore};
pub use log::{Access, Block, Register, clear_registers, log_registers, registers};
pub use point::point;
pub use rng::Rng;
pub use run::{End, Outcome, run, run_catching};
pub use seeds::seeds;
pub use time::{advance, spend, time};

use machine::{current, machine};

/// A number for the machine of this host thread that no other machine of this process has.
pub fn machine_id() -> Option<u64> {
    current().map(|machine| machine.id)
}
/// Whether this host thread runs a machine.
pub fn is_running() -> bool {
    current().is_some()
}
/// Packed affinities of the machine's CPUs, the boot CPU's first.
pub fn affinities() -> Vec<u64> {
    let (machine, boot) = (machine(), machine().config.boot_cpu);
    let others = (0..machine.cpus.len()).filter(|&n| n != boot);
    std::iter::once(boot).chain(others).map(|n| machine.cpus[n].affinity.into()).collect()
}
/// Version of the machine's interrupt controller: what a device tree would say.
pub fn gic_version() -> crate::gic::Version {
    machine().config.gic
}
/// Number of the CPU that is executing.
pub fn here() -> usize {
    machine().here.get()
}
/// Points passed since the start.
pub fn points() -> u64 {
    machine().count()
}
/// Context switches since the start.
pub fn switches() -> u64 {
    machine().switches.get()
}
/// Interrupt exceptions taken since the start.
pub fn interrupts() -> u64 {
    machine().interrupts.get()
}
/// The console's text so far.
pub fn console() -> String {
    String::from_utf8_lossy(&machine().console.borrow()).into_owned()
}
/// From here on the configured [`Order`] decides at points which CPU goes on, or no longer. Off at first: until then the
/// order is fixed.
pub fn interleave(on: bool) {
    let machine = machine();
    machine.schedule.interleave(on, machine.here.get(), machine.count());
    machine.grant();
}
/// Whether every CPU waits for an interrupt or spends time: then what a closure of [`at_call`] sees is no half-done work.
pub fn is_at_rest() -> bool {
    machine().is_at_rest()
}
/// Whether every CPU but this one rests, and will until time moves or this one does something.
pub fn others_are_at_rest() -> bool {
    machine().others_are_at_rest()
}
/// What the kernel has to say of a run that failed, asked before its state is gone.
pub fn on_failure(tell: fn() -> String) {
    machine().obituary.set(Some(tell));
}
/// Ends the run at the next point. For device-side closures; kernel code uses `power::exit`.
pub fn stop(end: End) {
    machine().stop(end);
}
