//! How does a CPU talk to its own GICv3 interface? By system registers.
use super::{End, GicError};
use crate::{
    barrier,
    sysreg::{
        ICC_CTLR, ICC_SRE, IccAp1r0, IccAp1r1, IccAp1r2, IccAp1r3, IccBpr1, IccCtlr, IccDir, IccEoir1, IccIar1,
        IccIgrpen1, IccPmr, IccRpr, IccSre,
    },
};
use tock_registers::interfaces::{Readable, Writeable};

/// Admits every priority but the least urgent one, 0xF8 with five bits implemented.
const ADMIT: u64 = 0xf0;

/// Starts the interface of the CPU that calls: system registers on, nothing active, group 1 on.
///
/// # Errors
/// [`GicError::Unsupported`]: SRE does not stick, a higher exception level keeps the interface memory-mapped.
pub(super) fn start(end: End) -> Result<(), GicError> {
    IccSre.write(ICC_SRE::SRE::SET + ICC_SRE::DFB::SET + ICC_SRE::DIB::SET);
    barrier::isb();
    if !IccSre.is_set(ICC_SRE::SRE) {
        return Err(GicError::Unsupported);
    }
    IccPmr.set(ADMIT);
    IccBpr1.set(0); // the smallest that the hardware has
    IccCtlr.write(match end {
        End::Split => ICC_CTLR::EOI_MODE::SET,
        End::Combined => ICC_CTLR::EOI_MODE::CLEAR,
    });
    // PRIbits counts from 0; a bank holds 32 preemption levels (12.2.2). 7 bits have four banks, 6 two, fewer one.
    let priority_bits = IccCtlr.read(ICC_CTLR::PRI_BITS) + 1;
    IccAp1r0.set(0);
    if priority_bits >= 6 {
        IccAp1r1.set(0);
    }
    if priority_bits >= 7 {
        IccAp1r2.set(0);
        IccAp1r3.set(0);
    }
    barrier::isb();
    IccIgrpen1.set(1);
    barrier::isb();
    Ok(())
}

#[inline(always)]
pub(super) fn acknowledge() -> u32 {
    IccIar1.get() as u32
}
#[inline(always)]
pub(super) fn drop_priority(intid: u32) {
    IccEoir1.set(u64::from(intid));
    // The acknowledge and the drop are in effect before the handler touches the device (4.1.1).
    barrier::isb();
}
#[inline(always)]
pub(super) fn deactivate(intid: u32) {
    IccDir.set(u64::from(intid));
}
pub(super) fn running_priority() -> u8 {
    IccRpr.get() as u8
}
