//! Which system registers does shared code use, and what are their fields?
//!
//! Each is a unit type: one `mrs`/`msr` on the target, a call to the simulated CPU on a host. Boot, MMU and exception code
//! uses the aarch64-cpu crate instead; these are here because that crate's accesses do not order memory, do nothing
//! off ARM and would run the real instruction on an ARM host.
#[expect(missing_docs, reason = "the macro documents nothing")]
mod fields {
    use tock_registers::register_bitfields;
    register_bitfields! { u64,
    /// `ICC_SRE_EL1` (GIC architecture specification 12.2.20).
    pub ICC_SRE [ SRE OFFSET(0) NUMBITS(1) [], DFB OFFSET(1) NUMBITS(1) [], DIB OFFSET(2) NUMBITS(1) [] ],
    /// `ICC_CTLR_EL1` (12.2.6).
    pub ICC_CTLR [
        EOI_MODE OFFSET(1) NUMBITS(1) [],
        PRI_BITS OFFSET(8) NUMBITS(3) [],
        RSS OFFSET(18) NUMBITS(1) []
    ],
    /// `CNTV_CTL_EL0` (Arm ARM D24.10.20).
    pub CNTV_CTL [ ENABLE OFFSET(0) NUMBITS(1) [], IMASK OFFSET(1) NUMBITS(1) [], ISTATUS OFFSET(2) NUMBITS(1) [] ]
    }
}
pub use fields::{CNTV_CTL, ICC_CTLR, ICC_SRE};

macro_rules! sysregs {
    ($($(#[$doc:meta])* $name:ident = $encoding:literal $(, $fields:ty)?;)*) => { $(
        $(#[$doc])*
        pub struct $name;
        impl tock_registers::interfaces::Readable for $name {
            type T = u64;
            type R = sysregs!(@fields $($fields)?);
            #[inline(always)]
            fn get(&self) -> u64 {
                #[cfg(target_os = "none")]
                {
                    let value: u64;
                    // SAFETY: reading this register has no effect on memory that Rust owns. No `nomem`: reading
                    // ICC_IAR1 acknowledges an interrupt and must stay where it is written.
                    unsafe { core::arch::asm!(concat!("mrs {}, ", $encoding), out(reg) value, options(nostack, preserves_flags)) };
                    return value;
                }
                #[cfg(not(target_os = "none"))]
                return $crate::sim::bus::mrs(stringify!($name));
            }
        }
        impl tock_registers::interfaces::Writeable for $name {
            type T = u64;
            type R = sysregs!(@fields $($fields)?);
            #[inline(always)]
            fn set(&self, value: u64) {
                #[cfg(target_os = "none")]
                // SAFETY: as above; the callers, the drivers of this crate, own what the registers control.
                unsafe { core::arch::asm!(concat!("msr ", $encoding, ", {}"), in(reg) value, options(nostack, preserves_flags)) }
                #[cfg(not(target_os = "none"))]
                $crate::sim::bus::msr(stringify!($name), value)
            }
        }
    )* };
    (@fields) => { () };
    (@fields $fields:ty) => { $fields };
}

sysregs! {
    /// Acknowledge: INTID of the highest-priority pending group-1 interrupt, 1023 if none (12.2.14).
    IccIar1 = "S3_0_C12_C12_0";
    /// Priority drop; with EOI mode 0 also deactivation (12.2.10).
    IccEoir1 = "S3_0_C12_C12_1";
    /// Deactivate, EOI mode 1 (12.2.8).
    IccDir = "S3_0_C12_C11_1";
    /// INTID of the highest-priority pending group-1 interrupt, which the priority mask does not hide (12.2.12).
    IccHppir1 = "S3_0_C12_C12_2";
    /// Running priority, 0xFF when idle (12.2.19).
    IccRpr = "S3_0_C12_C11_3";
    /// Priority mask: only strictly more urgent interrupts are signalled (12.2.18).
    IccPmr = "S3_0_C4_C6_0";
    /// Binary point of group 1 (12.2.5).
    IccBpr1 = "S3_0_C12_C12_3";
    /// Control (12.2.6).
    IccCtlr = "S3_0_C12_C12_4", ICC_CTLR::Register;
    /// System register enable (12.2.20).
    IccSre = "S3_0_C12_C12_5", ICC_SRE::Register;
    /// Group 1 enable (12.2.16).
    IccIgrpen1 = "S3_0_C12_C12_7";
    /// Active priorities of group 1, bank 0 (12.2.2).
    IccAp1r0 = "S3_0_C12_C9_0";
    /// Active priorities of group 1, bank 1: with 6 or more priority bits.
    IccAp1r1 = "S3_0_C12_C9_1";
    /// Active priorities of group 1, bank 2: with 7 priority bits.
    IccAp1r2 = "S3_0_C12_C9_2";
    /// Active priorities of group 1, bank 3: with 7 priority bits.
    IccAp1r3 = "S3_0_C12_C9_3";
    /// Generate an SGI of group 1 (12.2.21).
    IccSgi1r = "S3_0_C12_C11_5";
    /// Frequency of the system counter in Hz, as firmware left it (Arm ARM D24.10.5).
    CntFrq = "CNTFRQ_EL0";
    /// Virtual count (D24.10.24).
    CntVct = "CNTVCT_EL0";
    /// Control of the virtual timer (D24.10.20).
    CntvCtl = "CNTV_CTL_EL0", CNTV_CTL::Register;
    /// Compare value of the virtual timer (D24.10.21).
    CntvCval = "CNTV_CVAL_EL0";
    /// Multiprocessor affinity of this CPU (D24.2.119).
    Mpidr = "MPIDR_EL1";
    /// PMU cycle counter; counts instructions under QEMU's `-icount shift=0` (D24.5.2).
    Pmccntr = "PMCCNTR_EL0";
}
