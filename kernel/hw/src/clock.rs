//! How do the counter and the event timer of this CPU read and arm? The generic timer's virtual half (PPI 27).
use crate::sysreg::{CNTV_CTL, CntFrq, CntVct, CntvCtl, CntvCval, Pmccntr};
use tock_registers::interfaces::{Readable, Writeable};

/// Frequency of the counter in Hz; 0 if firmware did not set it.
pub fn frequency() -> u64 {
    CntFrq.get()
}
/// The counter, in ticks. An `isb` keeps the read from being taken early (Arm ARM D12.1.2).
#[inline(always)]
pub fn ticks() -> u64 {
    crate::barrier::isb();
    CntVct.get()
}
/// Arms the event timer: its interrupt is asserted from the moment that the counter is `at` ticks or more.
#[inline(always)]
pub fn arm(at: u64) {
    CntvCval.set(at);
    CntvCtl.write(CNTV_CTL::ENABLE::SET);
}
/// Disarms the event timer: its interrupt line falls.
#[inline(always)]
pub fn disarm() {
    CntvCtl.write(CNTV_CTL::ENABLE::SET + CNTV_CTL::IMASK::SET);
}
/// The PMU's cycle counter: CPU cycles on hardware, instructions under QEMU's `-icount shift=0`.
#[inline(always)]
pub fn cycles() -> u64 {
    Pmccntr.get()
}
