//! What do the devices read before any driver has started?
use super::{Checked, Fact, Own, Probe, expect};
use crate::{
    mmio::{Mmio, Reg, Ro},
    sysreg::{IccRpr, IccSre},
};
use tock_registers::interfaces::Readable;

pub(super) const FACTS: &[Fact] = &[
    ("GICD_CTLR has affinity routing on and a single security state", |p| register(p.gicd.reg(0), "GICD_CTLR", 0x50)),
    ("GICD_TYPER tells 288 lines and LPIs", |p| register(p.gicd.reg(4), "GICD_TYPER", 0x037a_0008)),
    ("distributor and redistributor are of architecture 3", |p| {
        register(p.gicd.reg(0xffe8), "GICD_PIDR2", 0x3b)?;
        register(private(p).reg(0xffe8), "GICR_PIDR2", 0x3b)
    }),
    (
        "each CPU has a sleeping redistributor, 128 KiB apart in the order of affinities; the last one says so",
        redistributors,
    ),
    ("SGIs are edge-triggered", |p| register(private(p).reg(0x1_0c00), "GICR_ICFGR0", 0xaaaa_aaaa)),
    ("the system register interface is on and fixed", |_| expect("ICC_SRE", IccSre.get(), 7u32)),
    ("nothing is active", |_| expect("ICC_RPR", IccRpr.get(), 0xffu32)),
];

/// Of a GICv2.
pub(super) const V2_FACTS: &[Fact] = &[
    ("nothing is forwarded", |p| register(p.gicd.reg(0), "GICD_CTLR", 0)),
    ("GICD_TYPER tells 288 lines, and no security extensions", |p| {
        // Also the number of CPUs, which the fact is not about.
        expect("GICD_TYPER", p.gicd.reg::<u32, (), Ro>(4).get() & !0xe0, 8u32)
    }),
    ("the distributor is of architecture 2", |p| register(p.gicd.reg(0xfe8), "GICD_PIDR2", 0x2b)),
    ("SGIs are edge-triggered", |p| register(p.gicd.reg(0xc00), "GICD_ICFGR0", 0xaaaa_aaaa)),
    ("everything is in group 0", |p| register(p.gicd.reg(0x84), "GICD_IGROUPR1", 0)),
    ("private lines go to one CPU, or there is one only", |p| {
        let several = p.gicd.reg::<u32, (), Ro>(4).get() & 0xe0 != 0;
        let targets = p.gicd.reg::<u32, (), Ro>(0x800).get();
        expect("bits of GICD_ITARGETSR0", targets.count_ones(), 4 * u32::from(several))
    }),
    ("the CPU interface lets nothing through", |p| register(private(p).reg(0), "GICC_CTLR", 0)),
    ("nothing is active", |p| expect("GICC_RPR", p.running(), 0xffu32)),
];

/// What is the CPU's own.
fn private(p: &Probe) -> Mmio {
    match p.own {
        Own::Redistributor(base) | Own::Interface(base) => base,
    }
}

fn register(register: Reg<u32, (), Ro>, name: &'static str, value: u32) -> Checked {
    expect(name, register.get(), value)
}

fn redistributors(p: &Probe) -> Checked {
    const FRAME: usize = 0x2_0000;
    const MOST: usize = 8;
    for n in 0..MOST {
        let frame = private(p).offset(n * FRAME);
        let typer = frame.reg::<u64, (), Ro>(8).get();
        expect("GICR_TYPER.Affinity", typer >> 32, crate::cpu::affinity() + n as u64)?;
        expect("GICR_TYPER.Processor_Number", typer >> 8 & 0xffff, n as u64)?;
        register(frame.reg(0x14), "GICR_WAKER", 6)?;
        if typer >> 4 & 1 != 0 {
            return Ok(());
        }
    }
    expect("GICR_TYPER.Last in any frame", 0u32, 1u32)
}
