//! Raspberry Pi 4 Model B, and the others with its chip: facts, and what is asked of the firmware with them ("BCM2711 ARM Peripherals", low-peripheral mode; Linux
//! `arch/arm/boot/dts/broadcom/bcm2711.dtsi`).
#![cfg_attr(target_os = "none", no_std)]
use bcm2711::{
    gpio::{Gpio, registers::to_pl011},
    mailbox::{Clock, Mailbox},
    watchdog::{self, Watchdog},
};
use hw::{
    gic::{Facts, V2Facts},
    mmio::Mmio,
};
use kernel::{
    ThreadCx,
    board::{Board, Cpu, Own, Uart},
    irq::Irq,
    log,
};

const MAILBOX: usize = 0xfe00_b880;
const POWER: usize = 0xfe10_0000;
const GPIO: usize = 0xfe20_0000;
const UART0: usize = 0xfe20_1000;
const GICD: usize = 0xff84_1000;
const GICC: usize = 0xff84_2000;
/// What the PL011 is clocked with if the firmware does not say: `init_uart_clock` of config.txt.
const UART_CLOCK: u32 = 48_000_000;
/// What the CPUs have of the first GiB if the firmware does not say: all but the VideoCore's usual 76 MiB.
const MEMORY: usize = 0x3b40_0000;
/// Lines that nothing is connected to, for tests: between the chip's blocks of them, and behind the last one (BCM2711 ARM
/// Peripherals 6.3).
pub const FREE_SPIS: [core::ops::Range<u32>; 3] = [80..96, 52..64, 217..224];

const fn at(base: usize) -> Mmio {
    // SAFETY: the addresses of the machine's devices, which the kernel maps at boot.
    unsafe { Mmio::new(base) }
}

/// The VideoCore's firmware.
pub const FIRMWARE: Mailbox = Mailbox::new(at(MAILBOX));
/// What restarts the board.
pub const WATCHDOG: Watchdog = Watchdog::new(at(POWER));
/// The pins; their lines are those of groups 0 to 27, 28 to 45, 46 to 57.
pub static PINS: Gpio = Gpio::new(at(GPIO), [Irq::spi(113), Irq::spi(114), Irq::spi(115)]);

/// The board.
pub const BOARD: Board = Board {
    name: "Raspberry Pi 4",
    gics: &[Facts::V2(V2Facts { distributor: at(GICD), cpu_interface: at(GICC) })],
    uart: Uart { base: at(UART0), irq: Irq::spi(121), clock: UART_CLOCK },
    timer: Irq::ppi(11),
    devices: &[
        (MAILBOX & !0xfff, 0x1000),
        (POWER, 0x1000),
        (GPIO, 0x1000),
        (UART0, 0x1000),
        (GICD, 0x1000),
        (GICC, 0x2000),
    ],
    ram: 0,
    own: Own {
        bootargs: &[
            watchdog::ARGUMENT,
            // The firmware's own words to Linux, which come before those of cmdline.txt.
            "coherent_pool",
            "cgroup_disable",
            "bcm2709.boardrev",
            "bcm2709.serial",
            "nvme.max_host_mem_size_mb",
            "8250.nr_uarts",
            "snd_bcm2835.enable_headphones",
            "snd_bcm2835.enable_hdmi",
            "video",
            "vc_mem.mem_base",
            "vc_mem.mem_size",
            "bcm2708_fb.fbwidth",
            "bcm2708_fb.fbheight",
            "bcm2708_fb.fbdepth",
            "bcm2708_fb.fbswap",
            "smsc95xx.macaddr",
            "numa_policy",
            "numa",
            "system_heap.max_order",
            "iommu_dma_numa_policy",
        ],
        memory: || FIRMWARE.memory().map_or(MEMORY, |(_, bytes)| bytes as usize),
        // Where the firmware's stub has each look (Raspberry Pi `tools/armstubs/armstub8.S`).
        cpus: &[
            Cpu { affinity: 1, release: 0xe0 },
            Cpu { affinity: 2, release: 0xe8 },
            Cpu { affinity: 3, release: 0xf0 },
        ],
        #[cfg(target_os = "none")]
        release: Some(hw::aarch64::spin_table::release),
        #[cfg(not(target_os = "none"))]
        release: None,
        uart: Some(uart),
        services,
        spare: &FREE_SPIS,
        restart: Some(|| WATCHDOG.restart()),
    },
};

fn uart() -> u32 {
    to_pl011(at(GPIO));
    FIRMWARE.clock(Clock::Uart).ok().filter(|&hz| hz != 0).unwrap_or(UART_CLOCK)
}

fn services(cx: &mut ThreadCx) {
    match FIRMWARE.revision() {
        Ok(revision) => log::info!("{}, revision code {:#x}", revision.model().unwrap_or("unknown board"), revision.0),
        Err(_) => log::warn!("the VideoCore's firmware does not tell the board's revision"),
    }
    WATCHDOG.start(cx);
}
