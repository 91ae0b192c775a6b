//! How does a secondary CPU start?
//!
//! The boot CPU asks the firmware for it; the new CPU calls [`__tophalf_secondary`](crate::upcall::__tophalf_secondary).

pub use crate::machine::smp::start;

/// CPUs that an image has stacks for, the boot CPU among them.
pub const MAX_CPUS: usize = 8;

/// How a board's firmware starts CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// PSCI, called with `hvc`.
    PsciHvc,
    /// PSCI, called with `smc`.
    PsciSmc,
}

/// Why a CPU was not started (PSCI return codes, Arm DEN0022 5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The firmware has no such call.
    Unsupported,
    /// The CPU runs already, or was told to.
    AlreadyOn,
    /// The firmware's code for anything else.
    Refused(i64),
}

const AFF2_TO_AFF0: u64 = 0x00ff_ffff;
const PACKED_AFF3: u64 = 0xff00_0000;
/// Aff3 lies in bits 39:32 of MPIDR_EL1, 8 bits above its place in a packed affinity.
const AFF3_DISTANCE: u32 = 8;

/// The affinity in a value laid out as MPIDR_EL1 (Arm ARM D24.2.119), packed: Aff3.Aff2.Aff1.Aff0, a byte each.
pub const fn packed(mpidr: u64) -> u64 {
    mpidr >> AFF3_DISTANCE & PACKED_AFF3 | mpidr & AFF2_TO_AFF0
}

/// A packed affinity laid out as in MPIDR_EL1, which is how firmware names a CPU (DEN0022 5.1.4).
pub const fn mpidr(affinity: u64) -> u64 {
    (affinity & PACKED_AFF3) << AFF3_DISTANCE | affinity & AFF2_TO_AFF0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities_are_packed_and_laid_out_again() {
        // Bits 31 (RES1), 30 (U) and 24 (MT) are not affinity.
        assert_eq!(packed(0x0000_00a4_c103_0201), 0xa403_0201);
        assert_eq!(mpidr(0xa403_0201), 0x0000_00a4_0003_0201);
    }
}
