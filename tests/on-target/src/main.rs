//! The tests that run on the machine itself. One boot runs one test, chosen by the boot argument `test=NAME`; it passes
//! if the machine ends with the status, and its output has the text, that its entry in the [`table`] names.
//!
//! The console is semihosting, so tests may do with the UART what they like. On a host this is an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod backtraces;
#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod bound;
#[cfg(target_os = "none")]
mod bring_up;
#[cfg(target_os = "none")]
mod contexts;
#[cfg(target_os = "none")]
mod cpus;
#[cfg(target_os = "none")]
mod crew;
#[cfg(target_os = "none")]
mod cyclictest;
#[cfg(target_os = "none")]
mod detector;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod facts;
#[cfg(target_os = "none")]
mod football;
#[cfg(target_os = "none")]
mod gic_ends;
#[cfg(target_os = "none")]
mod gic_priorities;
#[cfg(target_os = "none")]
mod gic_state;
#[cfg(target_os = "none")]
mod ipis;
#[cfg(target_os = "none")]
mod latency;
#[cfg(target_os = "none")]
mod lines;
#[cfg(target_os = "none")]
mod locks;
#[cfg(target_os = "none")]
mod logging;
#[cfg(target_os = "none")]
mod messages;
#[cfg(target_os = "none")]
mod models;
#[cfg(target_os = "none")]
mod oneshot;
#[cfg(target_os = "none")]
mod pinned;
#[cfg(target_os = "none")]
mod placement;
#[cfg(target_os = "none")]
mod rcu;
#[cfg(target_os = "none")]
mod rcu_boost;
#[cfg(target_os = "none")]
mod rcu_callbacks;
#[cfg(target_os = "none")]
mod rcu_stalls;
#[cfg(target_os = "none")]
mod rcu_torture;
#[cfg(target_os = "none")]
mod rng;
#[cfg(target_os = "none")]
mod routing;
#[cfg(target_os = "none")]
mod stacks;
#[cfg(target_os = "none")]
mod stress;
#[cfg(target_os = "none")]
mod support;
#[cfg(target_os = "none")]
mod switching;
#[cfg(target_os = "none")]
mod table;
#[cfg(target_os = "none")]
mod timers;
#[cfg(target_os = "none")]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {}
