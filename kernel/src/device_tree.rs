//! What does the boot loader say about this machine? Memory, CPUs and boot arguments from the flattened device tree.
use dtoolkit::{Node, Property, ToCellInt, fdt::Fdt};
use heapless::Vec;
use hw::smp::{MAX_CPUS, Method, packed};

/// What boot needs to know.
pub(crate) struct Machine {
    /// First run of RAM: start and bytes.
    pub ram: (usize, usize),
    /// Packed affinities of the CPUs that can be used, by their numbers: this one, then those that PSCI can start, in the
    /// tree's order, as many as there is room for.
    pub cpus: Vec<u64, MAX_CPUS>,
    /// CPUs in the tree, whether they can be used or not; at least 1.
    pub listed: usize,
    /// How PSCI is called, if the tree says that there is one.
    pub method: Option<Method>,
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
    let (cpus, listed) = cpus(&tree, hw::cpu::affinity());
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
    Some(Machine { ram, cpus, listed, method: psci(&tree), bootargs, tree: (address, size) })
}

/// What [`Machine`] says about CPUs; `me` is the packed affinity of this one.
fn cpus(tree: &Fdt<'_>, me: u64) -> (Vec<u64, MAX_CPUS>, usize) {
    let mut affinities = Vec::new();
    // There is room: nothing is in it.
    let _ = affinities.push(me);
    let Ok(node) = tree.cpus() else { return (affinities, 1) };
    let mut listed = 0;
    for cpu in node.cpus() {
        listed += 1;
        let startable = cpu.enable_method().is_some_and(|mut methods| methods.any(|m| m == "psci"));
        // `reg` is the CPU's affinity laid out as in MPIDR_EL1, in one cell or two (Linux `Documentation/devicetree/
        // bindings/arm/cpus.yaml`).
        let mpidr = cpu.ids().ok().and_then(|mut ids| ids.next()).and_then(|id| id.to_int::<u64>().ok());
        if let Some(affinity) = mpidr.map(packed).filter(|&affinity| startable && affinity != me) {
            // What there is no room for is left alone.
            let _ = affinities.push(affinity);
        }
    }
    (affinities, listed.max(1))
}

/// How PSCI is called (Linux `Documentation/devicetree/bindings/arm/psci.yaml`).
fn psci(tree: &Fdt<'_>) -> Option<Method> {
    match tree.find_node("/psci")?.property("method")?.value_as::<&str>().ok()? {
        "hvc" => Some(Method::PsciHvc),
        "smc" => Some(Method::PsciSmc),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
