//! Is the simulated machine what it says? Device-level tests, without a kernel.
mod contexts;
mod cpus;
mod devices;
mod drivers;
mod facts;
mod interrupts;
mod ipis;
mod kernel;
mod runs;
mod time;

pub(crate) use kernel::{install, on_interrupt, on_secondary};
