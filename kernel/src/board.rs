//! What is a board? Addresses, interrupt numbers and how its CPUs start; no logic.
use crate::irq::Irq;
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
}
