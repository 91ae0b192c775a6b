//! Which board is tested, and what does it lack that tests need? A test names the lack, and is skipped for this reason there.
#[cfg(feature = "raspi4")]
pub use raspi4::*;
#[cfg(not(feature = "raspi4"))]
pub use virt::*;

/// A machine whose options a test asks for.
pub const NO_OPTIONS: &str = lack("QEMU's raspi4b has no options");
/// Firmware that is called.
pub const NO_PSCI: &str = lack("a Raspberry Pi's firmware has no PSCI");
/// A boot loader that enters at EL1.
pub const NOT_EL1: &str = lack("QEMU enters raspi4b's kernel8.img at EL2");
/// The interrupt controller that the platform facts are about.
pub const NO_GICV3: &str = lack("the facts are those of a GICv3");
/// What has the machine enter at EL2.
pub const EL2: &str = if RASPI4 { "" } else { "virtualization=on" };

const RASPI4: bool = cfg!(feature = "raspi4");

/// What a Raspberry Pi lacks; other boards have everything.
const fn lack(reason: &'static str) -> &'static str {
    if RASPI4 { reason } else { "" }
}
