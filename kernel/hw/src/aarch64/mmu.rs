//! Which memory may be read, written and executed? An identity map of 4 KiB pages, W^X, device memory nGnRE.
//!
//! Early boot maps the image and the device tree and turns MMU and caches on, before any atomic operation: exclusive
//! accesses need cacheable memory on real hardware. The kernel adds RAM and devices afterwards. Entries only ever go
//! from invalid to valid, so no TLB maintenance is needed (Arm ARM D8.16.1). Tables come from a fixed pool.
use aarch64_cpu::{
    asm::barrier,
    registers::{MAIR_EL1, ReadWriteable, SCTLR_EL1, TCR_EL1, TTBR0_EL1, Writeable},
};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Bytes that one level-2 block maps.
pub const BLOCK: usize = 2 << 20;
const ENTRIES: usize = 512;
/// Tables: 1 root, 1 a GiB used, 1 for each 2 MiB mapped by pages (image, stacks, devices).
const TABLES: usize = 24;

/// What a piece of memory is for; decides its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Executable, read-only.
    Code,
    /// Read-only, never executed.
    Constants,
    /// Read-write, never executed.
    Data,
    /// Device memory nGnRE, read-write, never executed.
    Device,
}

// Descriptor bits (Arm ARM D8.3.1, D8.3.2).
const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 1 << 1;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// MAIR index of device memory; normal memory is index 0.
const DEVICE_INDEX: u64 = 1 << 2;

impl Kind {
    const fn bits(self) -> u64 {
        let common = VALID | ACCESSED | UXN;
        match self {
            Kind::Code => common | INNER_SHAREABLE | READ_ONLY,
            Kind::Constants => common | INNER_SHAREABLE | READ_ONLY | PXN,
            Kind::Data => common | INNER_SHAREABLE | PXN,
            Kind::Device => common | DEVICE_INDEX | PXN,
        }
    }
}

#[repr(C, align(4096))]
struct Table([AtomicU64; ENTRIES]);
static POOL: [Table; TABLES] = [const { Table([const { AtomicU64::new(0) }; ENTRIES]) }; TABLES];
/// Tables handed out; the first is the root. Only the boot CPU maps, so a plain load and store are enough.
static USED: AtomicUsize = AtomicUsize::new(1);

/// The table that entry `i` of `table` leads to, made when there is none.
fn descend(table: &'static Table, i: usize) -> &'static Table {
    let entry = table.0[i].load(Relaxed);
    if entry & VALID == 0 {
        let n = USED.load(Relaxed);
        USED.store(n + 1, Relaxed);
        let fresh = &POOL[n];
        table.0[i].store(fresh as *const Table as u64 | TABLE_OR_PAGE | VALID, Relaxed);
        return fresh;
    }
    let n = ((entry & ADDRESS) as usize - POOL.as_ptr() as usize) / size_of::<Table>();
    &POOL[n]
}

/// Maps `len` bytes at `start`, both multiples of [`PAGE`]; with 2 MiB blocks where it can.
///
/// # Safety
/// What is mapped is what `kind` says, was not mapped before, and nobody relies on its being unmapped. Boot CPU only.
pub unsafe fn map(start: usize, len: usize, kind: Kind) {
    let (mut at, end) = (start, start + len);
    while at < end {
        let level2 = descend(&POOL[0], at >> 30);
        let i = at >> 21 & (ENTRIES - 1);
        if at % BLOCK == 0 && end - at >= BLOCK {
            level2.0[i].store(at as u64 | kind.bits(), Relaxed);
            at += BLOCK;
        } else {
            let level3 = descend(level2, i);
            level3.0[at >> 12 & (ENTRIES - 1)].store(at as u64 | kind.bits() | TABLE_OR_PAGE, Relaxed);
            at += PAGE;
        }
    }
    // The walker sees the entries before anything behind this uses them.
    crate::barrier::dsb();
    crate::barrier::isb();
}

unsafe extern "C" {
    static __text_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __irq_stack_guard: u8;
    static __irq_stack_bottom: u8;
    static __boot_stack_guard: u8;
    static __boot_stack_bottom: u8;
    static __image_end: u8;
}
fn address(symbol: *const u8) -> usize {
    symbol as usize
}
/// First address behind the image, stacks included.
pub fn image_end() -> usize {
    address(&raw const __image_end)
}
/// Bottom and top of the boot CPU's interrupt stack.
pub fn interrupt_stack() -> (usize, usize) {
    (address(&raw const __irq_stack_bottom), address(&raw const __boot_stack_guard))
}
/// Bottom and top of the stack that boot runs on.
pub fn boot_stack() -> (usize, usize) {
    (address(&raw const __boot_stack_bottom), image_end())
}
/// Whether this is an address in executable memory.
pub fn is_code(at: usize) -> bool {
    (address(&raw const __text_start)..address(&raw const __rodata_start)).contains(&at)
}

/// Called by the entry code on the boot stack, MMU off: maps image and device tree, turns MMU and caches on.
pub(super) unsafe extern "C" fn enable(device_tree: usize, device_tree_size: usize) {
    let image = [
        (address(&raw const __text_start), address(&raw const __rodata_start), Kind::Code),
        (address(&raw const __rodata_start), address(&raw const __data_start), Kind::Constants),
        (address(&raw const __data_start), address(&raw const __irq_stack_guard), Kind::Data),
        (interrupt_stack().0, interrupt_stack().1, Kind::Data),
        (boot_stack().0, boot_stack().1, Kind::Data),
    ];
    for (start, end, kind) in image {
        // SAFETY: linker symbols, page-aligned, each range once.
        unsafe { map(start, end - start, kind) };
    }
    if device_tree != 0 {
        let (start, end) = (device_tree & !(PAGE - 1), (device_tree + device_tree_size).next_multiple_of(PAGE));
        // SAFETY: the loader put the tree there, outside the image.
        unsafe { map(start, end - start, Kind::Constants) };
    }
    MAIR_EL1.write(
        MAIR_EL1::Attr0_Normal_Outer::WriteBack_NonTransient_ReadWriteAlloc
            + MAIR_EL1::Attr0_Normal_Inner::WriteBack_NonTransient_ReadWriteAlloc
            + MAIR_EL1::Attr1_Device::nonGathering_nonReordering_EarlyWriteAck,
    );
    // 39-bit addresses: the root is a level-1 table.
    TCR_EL1.write(
        TCR_EL1::T0SZ.val(25)
            + TCR_EL1::TG0::KiB_4
            + TCR_EL1::SH0::Inner
            + TCR_EL1::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable
            + TCR_EL1::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable
            + TCR_EL1::EPD1::DisableTTBR1Walks
            + TCR_EL1::IPS::Bits_40,
    );
    TTBR0_EL1.set(POOL.as_ptr() as u64);
    barrier::isb(barrier::SY);
    // SAFETY: nothing is cached yet; removes what firmware left.
    unsafe { core::arch::asm!("tlbi vmalle1", "dsb nsh", "ic iallu", "dsb nsh", "isb") };
    SCTLR_EL1.modify(SCTLR_EL1::M::Enable + SCTLR_EL1::C::Cacheable + SCTLR_EL1::I::Cacheable + SCTLR_EL1::WXN::Enable);
    barrier::isb(barrier::SY);
}
