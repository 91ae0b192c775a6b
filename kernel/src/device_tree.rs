//! What does the boot loader say about this machine? Memory, CPUs and boot arguments from the flattened device tree.
use dtoolkit::{Node, Property, fdt::Fdt};

/// What boot needs to know.
pub(crate) struct Machine {
    /// First run of RAM: start and bytes.
    pub ram: (usize, usize),
    /// Packed affinities of the CPUs listed, as many as an image can use.
    pub cpus: heapless::Vec<u64, { crate::percpu::MAX_CPUS }>,
    /// CPUs listed.
    pub listed: usize,
    /// How firmware starts CPUs.
    pub method: Option<hw::smp::Method>,
    /// Boot arguments.
    pub bootargs: &'static str,
    /// Where the tree lies.
    pub tree: (usize, usize),
}

/// Reads the tree at `address`, 0 if there is none. `None`: no tree, or not a valid one.
///
/// # Safety
/// The tree is mapped and nobody writes to it.
pub(crate) unsafe fn read(address: usize) -> Option<Machine> {
    if address == 0 {
        return None;
    }
    // SAFETY: the entry code found a header there and mapped what it says is its size.
    let size = unsafe { (address as *const u32).add(1).read() }.swap_bytes() as usize;
    // SAFETY: as above.
    let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, size) };
    let tree = Fdt::new(bytes).ok()?;
    let root = tree.root();
    let memory = root.children().find(|n| n.name_without_address() == "memory")?;
    let region = memory.reg().ok()??.next()?;
    let ram = (region.address::<u64>().ok()? as usize, region.size::<u64>().ok()? as usize);
    let cpus = root.child("cpus").map_or(1, |n| n.children().filter(|c| c.name_without_address() == "cpu").count());
    let bootargs = tree
        .find_node("/chosen")
        .and_then(|n| n.property("bootargs"))
        .and_then(|p| {
            let value = p.value();
            // SAFETY: it lies in the tree, which stays where it is.
            let value: &'static [u8] = unsafe { core::slice::from_raw_parts(value.as_ptr(), value.len()) };
            core::str::from_utf8(value).ok()
        })
        .map_or("", |s| s.trim_end_matches('\0'));
    Some(Machine {
        ram,
        cpus: heapless::Vec::new(),
        listed: cpus.max(1),
        method: None,
        bootargs,
        tree: (address, size),
    })
}
