//! Which board is tested, and what does it lack that tests need? A test names the lack, and is skipped for this reason there.
use core::ops::Range;
#[cfg(feature = "raspi4")]
use core::time::Duration;
use kernel::{ThreadCx, irq::Irq};
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
/// What has the machine enter at EL2.
pub const EL2: &str = if RASPI4 { "" } else { "virtualization=on" };

/// What the detector says of the PL011's line.
pub const NOBODY_CARED: &str = if RASPI4 {
    "irq 153: nobody cared\nhandler: somebody-else\ndisabling irq 153"
} else {
    "irq 33: nobody cared\nhandler: somebody-else\ndisabling irq 33"
};
/// The thread of the PL011's line.
pub const UART_THREAD: &str = if RASPI4 { "irq/153-uart-pl011" } else { "irq/33-uart-pl011" };

#[cfg(feature = "raspi4")]
const FREE: &[Range<u32>] = &FREE_SPIS;
#[cfg(not(feature = "raspi4"))]
const FREE: &[Range<u32>] = &[FREE_SPIS];

/// The `n`th line that no device drives.
pub const fn spare(mut n: u32) -> Irq {
    let mut rest = FREE;
    while let [first, others @ ..] = rest {
        let lines = first.end - first.start;
        if n < lines {
            return Irq::new(first.start + n);
        }
        (n, rest) = (n - lines, others);
    }
    panic!("so many free lines are not there");
}

/// Where only one CPU is to run, the others do not take its turns: they sleep for good instead of spinning in the firmware's loop.
/// The machine has always four.
#[cfg(feature = "raspi4")]
pub fn park_others(cx: &mut ThreadCx) {
    const LONG_ENOUGH: Duration = Duration::from_millis(1);
    for (cpu, other) in (1..).zip(BOARD.own.cpus) {
        // SAFETY: it waits there; the kernel, which does not expect it, has it sleep.
        assert!(unsafe { hw::aarch64::spin_table::release(cpu, other.release) });
    }
    kernel::time::sleep(cx, LONG_ENOUGH).expect("nobody interrupts a test");
}
/// There are no others.
#[cfg(not(feature = "raspi4"))]
pub fn park_others(_: &mut ThreadCx) {}

const RASPI4: bool = cfg!(feature = "raspi4");
/// QEMU's own board.
pub const VIRT: bool = !RASPI4;

/// What a Raspberry Pi lacks; other boards have everything.
const fn lack(reason: &'static str) -> &'static str {
    if RASPI4 { reason } else { "" }
}
