//! How is a CPU's interface reached, in system registers or in memory?
use crate::{
    mmio::{Mmio, Reg, Rw},
    sysreg::{IccBpr1, IccCtlr, IccDir, IccEoir1, IccIar1, IccIgrpen1, IccPmr, IccRpr},
};
use tock_registers::interfaces::{Readable, Writeable};

/// The interface of the CPU that calls.
#[derive(Clone, Copy)]
pub(super) enum Interface {
    SystemRegisters,
    Memory(Mmio),
}

/// Control, mask, binary point, group enable.
pub(super) type State = [u64; 4];

/// EOI mode and enable in the two kinds of control registers.
const ICC_EOI_MODE: u64 = 1 << 1;
const GICC_EOI_MODE: u32 = 1 << 9;
const GICC_ENABLE: u32 = 1;

impl Interface {
    fn memory(base: Mmio, offset: usize) -> Reg<u32, (), Rw> {
        base.reg(offset)
    }
    pub fn state(self) -> State {
        match self {
            Self::SystemRegisters => [IccCtlr.get(), IccPmr.get(), IccBpr1.get(), IccIgrpen1.get()],
            Self::Memory(base) => [0x0, 0x4, 0x8, 0x0].map(|offset| Self::memory(base, offset).get().into()),
        }
    }
    pub fn restore(self, state: State) {
        let [ctlr, mask, point, enable] = state;
        self.set_mask(mask as u8);
        self.set_binary_point(point);
        match self {
            Self::SystemRegisters => {
                IccCtlr.set(ctlr);
                IccIgrpen1.set(enable);
            }
            Self::Memory(base) => Self::memory(base, 0).set(ctlr as u32),
        }
    }
    /// Lets the group that is used through; ends are split, or not.
    pub fn open(self, split: bool) {
        match self {
            Self::SystemRegisters => {
                IccCtlr.set(if split { ICC_EOI_MODE } else { 0 });
                IccIgrpen1.set(1);
            }
            Self::Memory(base) => Self::memory(base, 0).set(GICC_ENABLE | if split { GICC_EOI_MODE } else { 0 }),
        }
    }
    pub fn set_mask(self, mask: u8) {
        match self {
            Self::SystemRegisters => IccPmr.set(mask.into()),
            Self::Memory(base) => Self::memory(base, 0x4).set(mask.into()),
        }
    }
    pub fn mask(self) -> u64 {
        self.state()[1]
    }
    pub fn set_binary_point(self, point: u64) {
        match self {
            Self::SystemRegisters => IccBpr1.set(point),
            Self::Memory(base) => Self::memory(base, 0x8).set(point as u32),
        }
    }
    pub fn binary_point(self) -> u64 {
        self.state()[2]
    }
    pub fn acknowledge(self) -> u32 {
        match self {
            Self::SystemRegisters => IccIar1.get() as u32,
            Self::Memory(base) => Self::memory(base, 0xc).get(),
        }
    }
    pub fn end(self, taken: u32) {
        match self {
            Self::SystemRegisters => IccEoir1.set(taken.into()),
            Self::Memory(base) => Self::memory(base, 0x10).set(taken),
        }
    }
    pub fn deactivate(self, taken: u32) {
        match self {
            Self::SystemRegisters => IccDir.set(taken.into()),
            Self::Memory(base) => Self::memory(base, 0x1000).set(taken),
        }
    }
    pub fn running(self) -> u64 {
        match self {
            Self::SystemRegisters => IccRpr.get(),
            Self::Memory(base) => Self::memory(base, 0x14).get().into(),
        }
    }
}
