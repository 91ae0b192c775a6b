//! What is left to do where no firmware ran before? With `secure=on` the image is entered at EL3.
//!
//! A GICv3 has become one of a single security state by then. A GICv2 keeps two: every interrupt goes to group 1, the one that
//! is not secure; each CPU has the first word of the groups for itself (Arm IHI 0048B 4.3.4). Its priority mask is opened:
//! from where it is not secure it can be set once it is in the lower half only (4.4.2).
use core::arch::global_asm;

global_asm!(
    ".section .text.el3, \"ax\"",
    ".global __virt_el3",
    "__virt_el3:",
    "ldr x0, ={gicd}",
    "ldr w1, [x0, #0xfe8]", // GICD_PIDR2; reserved in a GICv3
    "ubfx w1, w1, #4, #4",
    "cmp w1, #2",
    "b.ne 2f",
    "add x0, x0, #0x80",
    "mov w1, #-1",
    "mov w2, #32",
    "1: str w1, [x0], #4",
    "subs w2, w2, #1",
    "b.ne 1b",
    "ldr x0, ={gicc}",
    "mov w1, #0xff",
    "str w1, [x0, #4]", // GICC_PMR
    "dsb sy",
    "2: ret",
    ".ltorg",
    ".text",
    gicd = const super::GICD,
    gicc = const super::GICC,
);
