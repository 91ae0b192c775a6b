//! Which simulated device answers an access? Each access is a point first, and is recorded if the log is on.
use super::{
    Access, Block, Register,
    machine::{Machine, machine},
    point,
    point::own_point,
};
use crate::gic::Version;

/// Bytes of the distributor's block.
const GICD_SIZE: usize = 0x1_0000;
/// Bytes of the block of a GICv2's CPU interface.
const GICC_SIZE: usize = 0x2000;
/// Bytes of the PL011's block.
const PL011_SIZE: usize = 0x1000;

/// Reads `width` bytes at an address.
#[track_caller]
pub fn load(at: usize, width: usize) -> u64 {
    point();
    let machine = machine();
    let (here, (block, offset)) = (machine.here.get(), machine.decode(at));
    let value = match block {
        Block::Gicd => machine.change_gic(|gic| gic.read_distributor(here, offset, width)),
        Block::Gicc => machine.change_gic(|gic| gic.read_gicc(here, offset, width)).into(),
        Block::Gicr(frame) => machine.change_gic(|gic| gic.read_redistributor(frame, offset, width)),
        Block::Pl011 => machine.change_uart(|uart| uart.read(offset, width)),
        Block::Device(n) => machine.devices.borrow_mut()[n].2.read(offset),
    };
    machine.record(Register::Memory { block, offset, width }, false, value);
    value
}

/// Writes `width` bytes at an address.
#[track_caller]
pub fn store(at: usize, width: usize, value: u64) {
    point();
    let machine = machine();
    let (here, (block, offset)) = (machine.here.get(), machine.decode(at));
    machine.record(Register::Memory { block, offset, width }, true, value);
    match block {
        Block::Gicd => machine.change_gic(|gic| gic.write_distributor(here, offset, width, value)),
        Block::Gicc => machine.change_gic(|gic| gic.write_gicc(here, offset, width, value as u32)),
        Block::Gicr(frame) => machine.change_gic(|gic| gic.write_redistributor(frame, offset, width, value)),
        Block::Pl011 => machine.change_uart(|uart| uart.write(offset, width, value)),
        Block::Device(n) => machine.devices.borrow_mut()[n].2.write(offset, value),
    }
}

/// Reads a system register of this CPU by the name of its type in [`sysreg`](crate::sysreg).
#[track_caller]
pub fn mrs(name: &'static str) -> u64 {
    of_a_cpu(name);
    let machine = machine();
    let here = machine.here.get();
    let value = match name {
        "CntVct" => machine.ticks(),
        "CntFrq" => machine.config.frequency,
        "CntvCtl" => machine.timer_control(),
        "CntvCval" => machine.timer_compare(),
        "Mpidr" => {
            let affinity = u64::from(machine.cpu().affinity);
            (affinity & 0xff00_0000) << 8 | 1 << 31 | affinity & 0x00ff_ffff
        }
        // Instructions take no time here; points are the nearest thing to a count of them.
        "Pmccntr" => machine.count(),
        _ => machine.change_gic(|gic| gic.read_interface(here, name)),
    };
    machine.record(Register::System(name), false, value);
    value
}

/// Writes a system register of this CPU.
#[track_caller]
pub fn msr(name: &'static str, value: u64) {
    of_a_cpu(name);
    let machine = machine();
    let here = machine.here.get();
    machine.record(Register::System(name), true, value);
    match name {
        "CntvCtl" => machine.set_timer_control(value),
        "CntvCval" => machine.set_timer_compare(value),
        _ => machine.change_gic(|gic| gic.write_interface(here, name, value)),
    }
}

/// The point of a system register's access: what the interrupt controller does is seen by all CPUs, the rest by this one.
#[track_caller]
fn of_a_cpu(name: &str) {
    if name.starts_with("Icc") { point() } else { own_point() }
}

impl Machine {
    fn decode(&self, at: usize) -> (Block, usize) {
        let config = &self.config;
        if (config.gicd..config.gicd + GICD_SIZE).contains(&at) {
            return (Block::Gicd, at - config.gicd);
        }
        if config.gic == Version::V2 && (config.gicc..config.gicc + GICC_SIZE).contains(&at) {
            return (Block::Gicc, at - config.gicc);
        }
        if (config.uart..config.uart + PL011_SIZE).contains(&at) {
            return (Block::Pl011, at - config.uart);
        }
        match self.gic.borrow().frame_at(at) {
            Some((frame, offset)) => (Block::Gicr(frame), offset),
            None => match self.device_at(at) {
                Some((n, offset)) => (Block::Device(n), offset),
                None => panic!("no device answers at {at:#x}"),
            },
        }
    }

    fn record(&self, what: Register, write: bool, value: u64) {
        if self.log.is_on() {
            self.log.record(Access { cpu: self.here.get(), time: self.now.get(), what, write, value });
        }
    }
}
