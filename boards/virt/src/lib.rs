//! QEMU virt with a GICv3 or a GICv2: facts, no logic (QEMU `hw/arm/virt.c`, `base_memmap`).
#![cfg_attr(target_os = "none", no_std)]
use hw::{
    gic::{Facts, Region, V2Facts, V3Facts},
    mmio::Mmio,
};
use kernel::{
    board::{Board, Own, Uart},
    irq::Irq,
};

#[cfg(target_os = "none")]
mod el3;

const GICD: usize = 0x0800_0000;
/// CPU interface of a GICv2.
const GICC: usize = 0x0801_0000;
const GICR: usize = 0x080a_0000;
const UART0: usize = 0x0900_0000;
/// PL031 real-time clock, line 34; PL061 GPIO, line 39; a second PL011 from QEMU 9.2 on, line 40.
pub const RTC: usize = 0x0901_0000;
/// Line of the real-time clock.
pub const RTC_IRQ: Irq = Irq::spi(2);
/// PL061 GPIO.
pub const GPIO: usize = 0x0903_0000;
/// Line of the GPIO controller.
pub const GPIO_IRQ: Irq = Irq::spi(7);
/// Lines that nothing is connected to, for tests and measurements: from 80 (behind virtio-mmio) to the last one.
pub const FREE_SPIS: core::ops::Range<u32> = 80..288;

const fn at(base: usize) -> Mmio {
    // SAFETY: the addresses of the machine's devices, which the kernel maps at boot.
    unsafe { Mmio::new(base) }
}

/// The board.
pub const BOARD: Board = Board {
    name: "QEMU virt",
    gics: &[
        Facts::V3(V3Facts { distributor: at(GICD), regions: &[Region { base: at(GICR), size: 0x10_0000, stride: 0 }] }),
        Facts::V2(V2Facts { distributor: at(GICD), cpu_interface: at(GICC) }),
    ],
    uart: Uart { base: at(UART0), irq: Irq::spi(1), clock: 24_000_000 },
    timer: Irq::ppi(11),
    devices: &[
        (GICD, 0x1_0000),
        (GICC, 0x2000),
        (GICR, 0x10_0000),
        (UART0, 0x1000),
        (RTC, 0x1000),
        (GPIO, 0x1000),
        (0x0904_0000, 0x1000),
    ],
    ram: 0x4000_0000,
    own: Own { spare: &[FREE_SPIS], ..Own::NOTHING },
};
