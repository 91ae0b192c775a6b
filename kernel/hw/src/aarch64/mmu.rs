//! Which memory may be read, written and executed? An identity map of 4 KiB pages, W^X, device memory nGnRE.
//!
//! Early boot maps the image and the device tree and turns MMU and caches on, before any atomic operation: exclusive
//! accesses need cacheable memory on real hardware. The kernel adds RAM and devices afterwards. Entries go from invalid to
//! valid, which needs no TLB maintenance (Arm ARM D8.16.1); the way back, which does, is that of one page at a time
//! ([`unmap`]). Tables come from a fixed pool.
//!
//! All CPUs use the boot CPU's tables. They are complete before the first secondary CPU starts, but for pages in which a spin table
//! lies: only the boot CPU uses these. The walks are cacheable and inner shareable: they see what it wrote through its caches.
use super::cpu_stacks;
use aarch64_cpu::registers::{MAIR_EL1, SCTLR_EL1, TCR_EL1};
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
/// Tables handed out; the first is the root. Only the boot CPU maps, and alone: a plain load and store are enough.
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
/// What is mapped is what `kind` says, was not mapped before, and nobody relies on its being unmapped. Boot CPU only, before
/// another one is started.
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

/// The entry of the page at `at`, if there is a table for it.
fn page_entry(at: usize) -> Option<&'static AtomicU64> {
    let level2 = descend(&POOL[0], at >> 30);
    let i = at >> 21 & (ENTRIES - 1);
    let entry = level2.0[i].load(Relaxed);
    // A block has no table.
    let block = entry & (VALID | TABLE_OR_PAGE) == VALID;
    (!block).then(|| &descend(level2, i).0[at >> 12 & (ENTRIES - 1)])
}

/// Maps the page at `at` as device memory, unless something is mapped there. Whether it was mapped.
///
/// # Safety
/// As [`map`], but other CPUs may run: they do not access the page.
pub unsafe fn map_page(at: usize) -> bool {
    if page_entry(at).is_none_or(|entry| entry.load(Relaxed) & VALID != 0) {
        return false;
    }
    // SAFETY: the caller's promise.
    unsafe { map(at, PAGE, Kind::Device) };
    true
}

/// Takes a page of [`map_page`] away again, on all CPUs.
///
/// # Safety
/// Nobody uses the page any more. Boot CPU only.
pub unsafe fn unmap(at: usize) {
    if let Some(entry) = page_entry(at) {
        entry.store(0, Relaxed);
    }
    // The entry is gone for every walk before the TLBs forget it, and they have before this goes on (Arm ARM D8.16.5).
    // SAFETY: what is forgotten is walked again.
    unsafe {
        core::arch::asm!("dsb ishst", "tlbi vaae1is, {}", "dsb ish", "isb", in(reg) at >> 12, options(nostack, preserves_flags))
    };
}

unsafe extern "C" {
    static __text_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __data_end: u8;
    static __image_end: u8;
}
fn address(symbol: *const u8) -> usize {
    symbol as usize
}
/// First address of the image.
pub fn image_start() -> usize {
    address(&raw const __text_start)
}
/// First address behind the image, stacks included.
pub fn image_end() -> usize {
    address(&raw const __image_end)
}
/// Whether this is an address in executable memory.
pub fn is_code(at: usize) -> bool {
    (address(&raw const __text_start)..address(&raw const __rodata_start)).contains(&at)
}

// What the CPUs' registers are set to. Memory attributes by index:
const MAIR: u64 = MAIR_EL1::Attr0_Normal_Outer::WriteBack_NonTransient_ReadWriteAlloc.value
    | MAIR_EL1::Attr0_Normal_Inner::WriteBack_NonTransient_ReadWriteAlloc.value
    | MAIR_EL1::Attr1_Device::nonGathering_nonReordering_EarlyWriteAck.value;
/// 39-bit addresses: the root is a level-1 table.
const TCR: u64 = TCR_EL1::T0SZ.val(25).value
    | TCR_EL1::TG0::KiB_4.value
    | TCR_EL1::SH0::Inner.value
    | TCR_EL1::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::EPD1::DisableTTBR1Walks.value
    | TCR_EL1::IPS::Bits_40.value;
/// MMU and caches on; what can be written is never executed.
const SCTLR_SET: u64 = SCTLR_EL1::M::Enable.value
    | SCTLR_EL1::C::Cacheable.value
    | SCTLR_EL1::I::Cacheable.value
    | SCTLR_EL1::WXN::Enable.value;

/// Called by the entry code on the boot CPU, on its boot stack, MMU off: maps image and device tree, turns MMU and caches on.
pub(super) unsafe extern "C" fn enable(device_tree: usize, device_tree_size: usize) {
    let image = [
        (address(&raw const __text_start), address(&raw const __rodata_start), Kind::Code),
        (address(&raw const __rodata_start), address(&raw const __data_start), Kind::Constants),
        (address(&raw const __data_start), address(&raw const __data_end), Kind::Data),
    ];
    let stacks = cpu_stacks::all().map(|(bottom, top)| (bottom, top, Kind::Data));
    for (start, end, kind) in image.into_iter().chain(stacks) {
        // SAFETY: page-aligned, each range once.
        unsafe { map(start, end - start, kind) };
    }
    if device_tree != 0 {
        let (start, end) = (device_tree & !(PAGE - 1), (device_tree + device_tree_size).next_multiple_of(PAGE));
        // SAFETY: the loader put the tree there, outside the image.
        unsafe { map(start, end - start, Kind::Constants) };
    }
    // SAFETY: the tables map what this CPU executes and uses.
    unsafe { use_tables() };
}

/// Turns MMU and caches on, on the CPU that calls it. Touches no memory: what a CPU writes past its caches, it may not find
/// through them.
///
/// # Safety
/// The tables map all that the caller executes and uses.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn use_tables() {
    core::arch::naked_asm!(
        "ldr x0, ={mair}",
        "msr mair_el1, x0",
        "ldr x0, ={tcr}",
        "msr tcr_el1, x0",
        "adrp x0, {root}", // aligned: no low bits
        "msr ttbr0_el1, x0",
        "isb",
        // Nothing of ours is cached yet: this removes what firmware left.
        "tlbi vmalle1",
        "dsb nsh",
        "ic iallu",
        "dsb nsh",
        "isb",
        "mrs x0, sctlr_el1",
        "ldr x1, ={sctlr_set}",
        "orr x0, x0, x1",
        "msr sctlr_el1, x0",
        "isb",
        "ret",
        mair = const MAIR,
        tcr = const TCR,
        sctlr_set = const SCTLR_SET,
        root = sym POOL,
    )
}
