//! The parts of a BCM2711, the Raspberry Pi 4's chip, that other boards do not have.
//!
//! | module | question it answers |
//! |---|---|
//! | [`mailbox`] | what does the VideoCore's firmware say about this board? |
//! | [`gpio`] | what does a pin do, and how does a thread wait for its edge? |
//! | [`watchdog`] | how does the board restart, asked to or hung? |
//! | `el3` | what is left to do where no firmware ran before? |
//!
//! Register addresses and layouts: "BCM2711 ARM Peripherals" (2022-01-18) where it has them; else Linux's drivers, which are
//! named. What registers are to hold is worked out by plain functions, tested on the host.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[cfg(target_os = "none")]
mod el3;
pub mod gpio;
pub mod mailbox;
pub mod watchdog;
