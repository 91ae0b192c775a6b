//! What is a board? Addresses, interrupt numbers and how its CPUs start; no logic.
use crate::{cx::ThreadCx, irq::Irq};
use core::ops::Range;
use hw::{gic::Facts, mmio::Mmio};

/// A PL011 and how it is clocked.
#[derive(Clone, Copy, Debug)]
pub struct Uart {
    /// Its registers.
    pub base: Mmio,
    /// Its line.
    pub irq: Irq,
    /// Frequency of its clock in Hz.
    pub clock: u32,
}

/// A CPU that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its packed affinity.
    pub affinity: u64,
    /// Where it looks for the address to go on at, if it waits at a spin table; 0 if PSCI starts it, or nobody.
    pub release: usize,
}

/// What a board does in a way of its own.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Boot arguments that the kernel says nothing about: the board's, and what its firmware says to other kernels.
    pub bootargs: &'static [&'static str],
    /// Bytes of RAM from [`Board::ram`] on, when there is no device tree that says; devices are mapped.
    pub memory: fn() -> usize,
    /// The other CPUs, when there is no device tree.
    pub cpus: &'static [Cpu],
    /// Starts a CPU that waits at a spin table: its number, and where it looks. Whether it could be told.
    ///
    /// As [`hw::smp::start`] otherwise.
    pub release: Option<unsafe fn(usize, usize) -> bool>,
    /// Makes the UART's pins the UART's; the frequency of its clock in Hz. Before anything is printed; devices are mapped.
    pub uart: Option<fn() -> u32>,
    /// Services of the board's own, started by the first thread.
    pub services: fn(&mut ThreadCx),
    /// Lines that nothing is connected to, for measurements.
    pub spare: &'static [Range<u32>],
    /// Restarts the machine, unless PSCI is to do it; a mere return is a failure.
    pub restart: Option<fn()>,
}

impl Own {
    /// Nothing: 64 MiB of RAM, without a device tree one CPU, no lines to spare, and PSCI for the rest.
    pub const NOTHING: Self = Self {
        bootargs: &[],
        memory: || 64 << 20,
        cpus: &[],
        release: None,
        uart: None,
        services: |_| {},
        spare: &[],
        restart: None,
    };
}

/// The facts of a board, one constant each.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// How it is called.
    pub name: &'static str,
    /// Interrupt controllers that it may have; the first one, unless the device tree says otherwise.
    pub gics: &'static [Facts],
    /// UART of console and shell.
    pub uart: Uart,
    /// Line of the virtual timer, private to each CPU.
    pub timer: Irq,
    /// Addresses of devices: start and bytes, multiples of 4 KiB; mapped at boot.
    pub devices: &'static [(usize, usize)],
    /// First address of RAM.
    pub ram: usize,
    /// What it does in a way of its own.
    pub own: Own,
}
