//! What does the kernel decide, apart from how a machine carries it out?
//!
//! Everything here is plain data and plain functions: no unsafe code, no architecture, no globals, no locks. The
//! kernel keeps the data under its own locks, calls in, and does what the answer says. So each rule can be read on
//! its own and tested on the host against a naive model.
//!
//! Principles:
//!
//! - A decision is *returned*, never performed: a transition of a line answers which chip operations follow, a policy
//!   change answers where the thread goes and whether to reschedule. Such answers are `#[must_use]`.
//! - Hot paths are O(1), timers and wait queues at most O(log n) or O(priorities), with n bounded at build.
//! - Nothing panics on bad input: numbers are checked where they enter, in the constructors.
//! - Queues are intrusive over `Copy` handles; the kernel's handle is a reference to a thread or a timer, a test's to
//!   a leaked box. Nothing here allocates.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

// What runs on several CPUs at once.
pub mod atomic;
pub mod balance;
pub mod handshake;
pub mod owner;
pub mod rcu;
pub mod readers;
pub mod spin;
pub mod wakeflag;

// Interrupts.
pub mod flow;
pub mod request;
pub mod spurious;

// Threads.
pub mod cpus;
pub mod latency;
pub mod list;
pub mod pi;
pub mod plist;
pub mod policy;
pub mod preempt;
pub mod runqueue;
pub mod slice;

// Time.
pub mod clock;
pub mod histogram;
pub mod timerq;

// Memory.
pub mod ranges;

// Text and records.
pub mod bootargs;
pub mod device_tree;
pub mod eventlog;
pub mod line_editor;
pub mod ring;
mod text;
pub mod words;
