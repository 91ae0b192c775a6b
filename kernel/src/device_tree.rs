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
    let mut free = Free::new();
    let parts = Parts::of(&root, &mut |node| memory::add(&mut free, &root, node));
    memory::take_reserved(&mut free, tree, parts.reserved());
    memory::take(&mut free, address, address + size);
    let (cpus, listed) = cpus(parts.0[CPUS].as_ref(), hw::cpu::affinity());
    let bootargs = parts.0[CHOSEN].as_ref().and_then(|chosen| chosen.text("bootargs")).unwrap_or("");
    let (method, gic) = (psci(parts.0[PSCI].as_ref()), interrupt_controller(&parts));
    Some(Machine { free, cpus, listed, method, gic, bootargs })
}

/// The nodes in the root that boot asks for, the first of each name. Found in one walk: there are many others.
pub(crate) struct Parts<'a>([Option<Node<'a>>; NAMES.len()]);

/// What they are called, and which is which. An interrupt controller is called what the specification recommends (2.2.2), or what
/// QEMU does.
static NAMES: [&str; 7] = ["chosen", "cpus", "psci", "interrupt-controller", "intc", "soc", "reserved-memory"];
const CHOSEN: usize = 0;
const CPUS: usize = 1;
const PSCI: usize = 2;
const CONTROLLER: usize = 3;
const INTC: usize = 4;
const SOC: usize = 5;
const RESERVED: usize = 6;

impl<'a> Parts<'a> {
    /// Those of a root; `memory` is called for each node that says where RAM is.
    #[inline(never)]
    pub fn of(root: &Node<'a>, memory: &mut dyn FnMut(&Node<'a>)) -> Self {
        let mut parts = [const { None }; NAMES.len()];
        for node in root.children() {
            let name = node.name();
            if name == b"memory" {
                memory(&node);
            }
            // A loop that is not unrolled: each round of it would be as large.
            if let Some(n) = core::hint::black_box(&NAMES).iter().position(|known| known.as_bytes() == name) {
                parts[n].get_or_insert(node);
            }
        }
        Self(parts)
    }
    /// Memory in use.
    pub fn reserved(&self) -> Option<&Node<'a>> {
        self.0[RESERVED].as_ref()
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
        let starts = |method| cpu.lists("enable-method", method);
        let release = match () {
            () if starts("psci") => Some(0),
            // One that lies at 0 is none.
            () if starts("spin-table") => cpu
                .property("cpu-release-addr")
                .and_then(number)
                .map(|at| at as usize)
                .filter(|&at| at != 0 && at < memory::LAST),
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
    let version = |node: &Node<'_>| {
        let is = |kind| node.lists("compatible", kind);
        match () {
            () if is("arm,gic-400") || is("arm,cortex-a15-gic") => Some(Version::V2),
            () if is("arm,gic-v3") => Some(Version::V3),
            () => None,
        }
    };
    let in_root = parts.0[INTC].as_ref().or(parts.0[CONTROLLER].as_ref());
    // A chip may have others beside it, which are for something else.
    let on_chip = parts.0[SOC].as_ref().into_iter().flat_map(Node::children);
    let mut on_chip = on_chip.filter(|node| node.name() == NAMES[CONTROLLER].as_bytes());
    in_root.and_then(version).or_else(|| on_chip.find_map(|node| version(&node)))
}

#[cfg(test)]
pub(crate) mod tests;
