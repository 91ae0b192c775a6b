//! What is left to do where no firmware ran before? On each CPU that is entered at EL3, before it goes on to EL1.
//!
//! On a board the firmware's stub has done all of it (Raspberry Pi `tools/armstubs/armstub8.S`), unless config.txt names another
//! stub; an ELF file that QEMU loads is entered without one.
use core::arch::global_asm;

global_asm!(
    ".section .text.el3, \"ax\"",
    ".global __bcm2711_el3",
    "__bcm2711_el3:",
    // The generic timer counts at 54 MHz, a crystal's; its prescaler divides by 2^31 / 2^31 (BCM2711 ARM Peripherals 6.5.2).
    "ldr x0, =0xff800000",
    "str wzr, [x0]",
    "mov w1, #0x80000000",
    "str w1, [x0, #8]",
    // What QEMU's machine says stays; the register is not reset (Arm ARM D24.10.5).
    "mrs x1, cntfrq_el0",
    "cbnz x1, 1f",
    "ldr x1, =54000000",
    "msr cntfrq_el0, x1",
    // CPUECTLR_EL1.SMPEN: without it, caches do not keep up with those of other CPUs (Cortex-A72 TRM 4.3.67).
    "1: mrs x1, S3_1_C15_C2_1",
    "orr x1, x1, #0x40",
    "msr S3_1_C15_C2_1, x1",
    "isb",
    // Every interrupt in group 1, which is the one that is not secure; the first word of the distributor's is this CPU's own
    // (GIC architecture 2.0, 4.3.4). Any priority may reach this CPU, also set from where only the lower half can be (4.4.2).
    "ldr x0, =0xff841080",
    "mov w1, #-1",
    "mov w2, #8",
    "2: str w1, [x0], #4",
    "subs w2, w2, #1",
    "b.ne 2b",
    "ldr x0, =0xff842004",
    "mov w1, #0xff",
    "str w1, [x0]",
    "dsb sy",
    "ret",
    ".ltorg",
    ".text",
);
