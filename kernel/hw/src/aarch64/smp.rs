//! How does the boot CPU have another one started? By PSCI's CPU_ON (Arm DEN0022 5.1.4).
//!
//! The new CPU begins at `__hw_secondary` in `entry`, with MMU and caches off. All it gets is its number, in a register:
//! what it needs until its MMU is on it works out from that and from the image's addresses, and it writes nothing to
//! memory. So nothing has to be cleaned from this CPU's caches for it, and nothing that this CPU may hold in them is
//! changed behind its back.
use crate::smp::{MAX_CPUS, Method, StartError, mpidr};
use smccc::{
    Hvc, Smc,
    psci::{self, error::Error},
};

unsafe extern "C" {
    /// Where `entry` has a secondary CPU begin.
    fn __hw_secondary();
}

/// Starts the CPU of this packed affinity under the number `cpu`. It may call the kernel before this returns.
///
/// # Errors
/// What the firmware says; `Refused` with INVALID_PARAMETERS if there are no stacks for that number.
///
/// # Safety
/// The firmware has PSCI by that method. No other CPU has or had that number. Memory is mapped: [`map`](super::mmu::map)
/// is not called any more. All that `__tophalf_secondary` relies on is set up.
pub unsafe fn start(cpu: usize, affinity: u64, method: Method) -> Result<(), StartError> {
    if cpu >= MAX_CPUS {
        return Err(StartError::Refused(psci::error::INVALID_PARAMETERS.into()));
    }
    let entry = __hw_secondary as *const () as u64;
    // What this CPU wrote for the other one is there before the other one runs.
    crate::barrier::dsb();
    let result = match method {
        Method::PsciHvc => psci::cpu_on::<Hvc>(mpidr(affinity), entry, cpu as u64),
        Method::PsciSmc => psci::cpu_on::<Smc>(mpidr(affinity), entry, cpu as u64),
    };
    result.map_err(|error| match error {
        Error::NotSupported => StartError::Unsupported,
        Error::AlreadyOn | Error::OnPending => StartError::AlreadyOn,
        other => StartError::Refused(other.into()),
    })
}
