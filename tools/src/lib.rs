//! The host tool of Tophalf: everything between `cargo run` and a booted kernel.
//!
//! Principles: whatever is missing on the machine is found or installed when it is needed, at run time, and the user is
//! told what and why before it happens; a decision is a pure function over facts that were probed before it; what the
//! kernel prints reaches the user unchanged and at once, with log frames decoded and code addresses named.
//!
//! The way of a command, in reading order: [`cli`] → [`commands`] → [`toolchain`] and [`qemu`] (find or install, with
//! [`install`]) → [`image`] (build, keep, read) → [`qemu::boot`] or [`console`] (run) → [`stream`] (understand the output).
//! With a real board there is a [`card`] in the place of QEMU, and a [`serial`] line in that of its console.
#![forbid(unsafe_code)]

pub mod bench;
pub mod board;
pub mod card;
pub mod cli;
pub mod commands;
pub mod console;
pub mod draw;
pub mod failure;
pub mod image;
pub mod install;
pub mod labs;
pub mod process;
pub mod project;
pub mod qemu;
pub mod say;
pub mod serial;
pub mod stream;
pub mod suite;
pub mod toolchain;
pub mod version;

pub use image::{build::build, table::tests};
pub use qemu::boot::boot;
