//! How does a secondary CPU start?
#[cfg(not(target_os = "none"))]
pub use crate::machine::smp::start;

/// CPUs that an image has room for.
pub const MAX_CPUS: usize = 8;

/// How a board's firmware starts CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// PSCI (Arm DEN0022) by HVC.
    PsciHvc,
    /// PSCI by SMC.
    PsciSmc,
}

/// Why a CPU was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// Firmware cannot start CPUs.
    Unsupported,
    /// It runs, or is about to.
    AlreadyOn,
    /// Firmware said no, with this code.
    Refused(i64),
}
