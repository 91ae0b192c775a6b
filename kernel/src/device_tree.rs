//! What does the boot loader say about this machine? Memory, CPUs and boot arguments from the flattened device tree.
use heapless::Vec;
use hw::{
    gic::Version,
    smp::{MAX_CPUS, Method, packed},
};
use logic::device_tree::{Node, Tree, number};

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
    /// Version of the interrupt controller, if the tree has one of a kind that is known.
    pub gic: Option<Version>,
    /// Boot arguments.
    pub bootargs: &'static str,
    /// Where the tree lies.
    pub tree: (usize, usize),
}

/// Reads the tree at `address`, 0 if there is none. `None`: no tree, or not a valid one.
///
/// # Safety
/// The tree is mapped, stays where it is, and nobody writes to it.
pub(crate) unsafe fn read(address: usize) -> Option<Machine> {
    if address == 0 {
        return None;
    }
    // SAFETY: the entry code found a header there and mapped what it says is its size.
    let size = unsafe { (address as *const u32).add(1).read() }.swap_bytes() as usize;
    // SAFETY: as above, and the caller's promise.
    let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(address as *const u8, size) };
    let root = Tree::new(bytes)?.root()?;
    let ram = memory(&root)?;
    let (cpus, listed) = cpus(&root, hw::cpu::affinity());
    let bootargs = root.child("chosen").and_then(|chosen| chosen.text("bootargs")).unwrap_or("");
    let (method, gic) = (psci(&root), interrupt_controller(&root));
    Some(Machine { ram, cpus, listed, method, gic, bootargs, tree: (address, size) })
}

/// Start and bytes of the first run of RAM.
fn memory(root: &Node<'_>) -> Option<(usize, usize)> {
    let cells = |name, default| root.word(name).unwrap_or(default) as usize;
    // What a root says that does not say it (Devicetree Specification 2.3.5).
    let (of_address, of_size) = (cells("#address-cells", 2), cells("#size-cells", 1));
    let (start, rest) = root.child("memory")?.property("reg")?.split_at_checked(of_address * 4)?;
    Some((number(start)? as usize, number(rest.get(..of_size * 4)?)? as usize))
}

/// What [`Machine`] says about CPUs; `me` is the packed affinity of this one.
fn cpus(root: &Node<'_>, me: u64) -> (Vec<u64, MAX_CPUS>, usize) {
    let mut affinities = Vec::new();
    // There is room: nothing is in it.
    let _ = affinities.push(me);
    let Some(node) = root.child("cpus") else { return (affinities, 1) };
    let mut listed = 0;
    for cpu in node.children().filter(|node| node.name() == b"cpu") {
        listed += 1;
        let mut methods = cpu.property("enable-method").unwrap_or(&[]).split(|&byte| byte == 0);
        let startable = methods.any(|method| method == b"psci");
        // `reg` is the CPU's affinity laid out as in MPIDR_EL1, in one cell or two (Linux `Documentation/devicetree/
        // bindings/arm/cpus.yaml`).
        let mpidr = cpu.property("reg").and_then(number);
        if let Some(affinity) = mpidr.map(packed).filter(|&affinity| startable && affinity != me) {
            // What there is no room for is left alone.
            let _ = affinities.push(affinity);
        }
    }
    (affinities, listed.max(1))
}

/// How PSCI is called (Linux `Documentation/devicetree/bindings/arm/psci.yaml`).
fn psci(root: &Node<'_>) -> Option<Method> {
    match root.child("psci")?.text("method")? {
        "hvc" => Some(Method::PsciHvc),
        "smc" => Some(Method::PsciSmc),
        _ => None,
    }
}

/// The version of the interrupt controller, in the root or on the chip's bus, if it is of a kind that is known (Linux
/// `Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml` and `arm,gic-v3.yaml`).
fn interrupt_controller(root: &Node<'_>) -> Option<Version> {
    // What the specification recommends to call it (2.2.2), and what QEMU does.
    const NAME: &str = "interrupt-controller";
    let on_chip = || root.child("soc").and_then(|soc| soc.child(NAME));
    let node = root.child("intc").or_else(|| root.child(NAME)).or_else(on_chip)?;
    node.property("compatible")?.split(|&byte| byte == 0).find_map(|name| match name {
        b"arm,gic-400" | b"arm,cortex-a15-gic" => Some(Version::V2),
        b"arm,gic-v3" => Some(Version::V3),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
