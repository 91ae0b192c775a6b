//! What does the boot loader say about this machine? Memory, CPUs and boot arguments from the flattened device tree.
use crate::{
    board::Cpu,
    memory::{self, Free},
};
use heapless::Vec;
use hw::{
    gic::Version,
    smp::{MAX_CPUS, Method, packed},
};
use logic::device_tree::{Node, Tree, number};

/// What boot needs to know.
pub(crate) struct Machine {
    /// RAM that is nobody's, as far as the tree says; none if it does not say where RAM is.
    pub free: Free,
    /// The CPUs that can be used, by their numbers: this one, then those that PSCI or a spin table can start, in the tree's
    /// order, as many as there is room for.
    pub cpus: Vec<Cpu, MAX_CPUS>,
    /// CPUs in the tree, whether they can be used or not; at least 1.
    pub listed: usize,
    /// How PSCI is called, if the tree says that there is one.
    pub method: Option<Method>,
    /// Version of the interrupt controller, if the tree has one of a kind that is known.
    pub gic: Option<Version>,
    /// Boot arguments.
    pub bootargs: &'static str,
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
    let tree = Tree::new(bytes)?;
    let root = tree.root()?;
    let parts = Parts::of(&root);
    let mut free = memory::free(tree, &root, &parts.memory, parts.reserved.as_ref());
    memory::take(&mut free, address, address + size);
    let (cpus, listed) = cpus(parts.cpus.as_ref(), hw::cpu::affinity());
    let bootargs = parts.chosen.as_ref().and_then(|chosen| chosen.text("bootargs")).unwrap_or("");
    let (method, gic) = (psci(parts.psci.as_ref()), interrupt_controller(&parts));
    Some(Machine { free, cpus, listed, method, gic, bootargs })
}

/// The nodes in the root that boot asks for, the first of each name. Found in one walk: there are many others.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// Those that say where RAM is, all of them.
    pub memory: Vec<Node<'a>, 8>,
    /// Memory in use.
    pub reserved: Option<Node<'a>>,
    chosen: Option<Node<'a>>,
    cpus: Option<Node<'a>>,
    psci: Option<Node<'a>>,
    interrupt_controller: Option<Node<'a>>,
    soc: Option<Node<'a>>,
}

impl<'a> Parts<'a> {
    /// Those of a root.
    pub fn of(root: &Node<'a>) -> Self {
        let mut parts = Self::default();
        for node in root.children() {
            let part = match node.name() {
                b"memory" => {
                    // What there is no room for is not used.
                    let _ = parts.memory.push(node);
                    continue;
                }
                b"reserved-memory" => &mut parts.reserved,
                b"chosen" => &mut parts.chosen,
                b"cpus" => &mut parts.cpus,
                b"psci" => &mut parts.psci,
                // What the specification recommends to call it (2.2.2), and what QEMU does.
                b"interrupt-controller" | b"intc" => &mut parts.interrupt_controller,
                b"soc" => &mut parts.soc,
                _ => continue,
            };
            part.get_or_insert(node);
        }
        parts
    }
}

/// What [`Machine`] says about CPUs, from the node that has them; `me` is the packed affinity of this one.
fn cpus(node: Option<&Node<'_>>, me: u64) -> (Vec<Cpu, MAX_CPUS>, usize) {
    let mut usable = Vec::new();
    // There is room: nothing is in it.
    let _ = usable.push(Cpu { affinity: me, release: 0 });
    let Some(node) = node else { return (usable, 1) };
    let mut listed = 0;
    for cpu in node.children().filter(|node| node.name() == b"cpu") {
        listed += 1;
        let methods = || cpu.property("enable-method").unwrap_or(&[]).split(|&byte| byte == 0);
        let release = match () {
            () if methods().any(|method| method == b"psci") => Some(0),
            // One that lies at 0 is none.
            () if methods().any(|method| method == b"spin-table") => {
                cpu.property("cpu-release-addr").and_then(number).map(|at| at as usize).filter(|&at| at != 0)
            }
            () => None,
        };
        // `reg` is the CPU's affinity laid out as in MPIDR_EL1, in one cell or two (Linux `Documentation/devicetree/
        // bindings/arm/cpus.yaml`).
        let mpidr = cpu.property("reg").and_then(number);
        if let (Some(affinity), Some(release)) = (mpidr.map(packed).filter(|&affinity| affinity != me), release) {
            // What there is no room for is left alone.
            let _ = usable.push(Cpu { affinity, release });
        }
    }
    (usable, listed.max(1))
}

/// How PSCI is called (Linux `Documentation/devicetree/bindings/arm/psci.yaml`).
fn psci(node: Option<&Node<'_>>) -> Option<Method> {
    match node?.text("method")? {
        "hvc" => Some(Method::PsciHvc),
        "smc" => Some(Method::PsciSmc),
        _ => None,
    }
}

/// The version of the interrupt controller, in the root or on the chip's bus, if it is of a kind that is known (Linux
/// `Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml` and `arm,gic-v3.yaml`).
fn interrupt_controller(parts: &Parts<'_>) -> Option<Version> {
    let on_chip = || parts.soc.as_ref().and_then(|soc| soc.child("interrupt-controller"));
    let node = parts.interrupt_controller.clone().or_else(on_chip)?;
    node.property("compatible")?.split(|&byte| byte == 0).find_map(|name| match name {
        b"arm,gic-400" | b"arm,cortex-a15-gic" => Some(Version::V2),
        b"arm,gic-v3" => Some(Version::V3),
        _ => None,
    })
}

#[cfg(test)]
pub(crate) mod tests;
