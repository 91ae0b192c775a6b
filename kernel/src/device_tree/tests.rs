//! What does a tree say about CPUs and the interrupt controller, and how are CPUs started? (BU-04, G2-01)
use super::{Parts, cpus, interrupt_controller, psci};
use build::Builder;
use hw::{gic::Version, smp::Method};
use logic::device_tree::{Node, Tree};

#[path = "../../logic/src/device_tree/tests/build.rs"]
pub(crate) mod build;

fn cpu(tree: Builder, method: Option<&str>, reg: &[u32]) -> Builder {
    tree.node("cpu@0", |cpu| {
        let cpu = cpu.cells("reg", reg);
        match method {
            Some(method) => cpu.text("enable-method", method),
            None => cpu,
        }
    })
}
fn written(inside: impl FnOnce(Builder) -> Builder) -> Vec<u8> {
    Builder::default().node("", inside).finish()
}
fn root(tree: &[u8]) -> Node<'_> {
    Tree::new(tree).unwrap().root().unwrap()
}

fn with_cpus(address_cells: u32, inside: impl FnOnce(Builder) -> Builder) -> Vec<u8> {
    let cells = |node: Builder| node.cells("#address-cells", &[address_cells]).cells("#size-cells", &[0]);
    written(|root| root.node("cpus", |node| inside(cells(node))))
}
fn found(tree: &[u8], me: u64) -> (Vec<u64>, usize) {
    let (usable, listed) = cpus(root(tree).child("cpus").as_ref(), me);
    (usable.iter().map(|cpu| cpu.affinity).collect(), listed)
}

/// BU-04: CPU 0 is the one that boots, wherever the tree has it; the others follow in the tree's order.
#[test]
fn bu_04_cpus_are_numbered_from_the_boot_cpu_on() {
    let tree = with_cpus(1, |tree| [0x100, 0, 0x101, 1].into_iter().fold(tree, |t, reg| cpu(t, Some("psci"), &[reg])));
    assert_eq!(found(&tree, 0), (vec![0, 0x100, 0x101, 1], 4));
    assert_eq!(found(&tree, 0x101), (vec![0x101, 0x100, 0, 1], 4));
}

/// BU-04: with two cells Aff3 is in the first one.
#[test]
fn bu_04_affinities_of_two_cells() {
    let tree = with_cpus(2, |t| cpu(cpu(t, Some("psci"), &[0, 0]), Some("psci"), &[0x12, 0x03_0201]));
    assert_eq!(found(&tree, 0), (vec![0, 0x1203_0201], 2));
}

/// BU-04: what neither PSCI nor a spin table starts is listed, and not used. A spin table needs an address.
#[test]
fn bu_04_only_what_can_be_started() {
    let methods = [None, Some("spin-table"), Some("spin-table\0psci"), Some("psci"), Some("psciv")];
    let tree = with_cpus(1, |t| (0..).zip(methods).fold(t, |t, (reg, method)| cpu(t, method, &[reg])));
    assert_eq!(found(&tree, 0), (vec![0, 2, 3], 5));
}

/// BU-04: where each CPU of a spin table looks for its entry; the one that boots needs none.
#[test]
fn bu_04_where_a_spin_table_lies() {
    let one = |tree: Builder, reg: u32, release: &[u32]| {
        tree.node("cpu@0", |cpu| {
            cpu.cells("reg", &[reg]).text("enable-method", "spin-table").cells("cpu-release-addr", release)
        })
    };
    let tree = with_cpus(1, |t| {
        let t = one(one(t, 0, &[0, 0xd8]), 1, &[0, 0xe0]);
        one(one(one(t, 2, &[0xe8]), 3, &[0, 0]), 4, &[1, 2, 3])
    });
    let (usable, listed) = cpus(root(&tree).child("cpus").as_ref(), 0);
    let usable: Vec<_> = usable.iter().map(|cpu| (cpu.affinity, cpu.release)).collect();
    assert_eq!((usable, listed), (vec![(0, 0), (1, 0xe0), (2, 0xe8)], 5));
}

/// BU-04: CPUs beyond those that there is room for are counted.
#[test]
fn bu_04_more_cpus_than_an_image_has_stacks_for() {
    let tree = with_cpus(1, |tree| (0..10).fold(tree, |tree, reg| cpu(tree, Some("psci"), &[reg])));
    assert_eq!(found(&tree, 9), (vec![9, 0, 1, 2, 3, 4, 5, 6], 10));
    let none = written(|root| root);
    assert_eq!(found(&none, 5), (vec![5], 1));
}

/// BU-04: HVC or SMC as the tree says; without a word that is known there is no PSCI.
#[test]
fn bu_04_how_psci_is_called() {
    let by = |method: &str| {
        let tree = written(|root| root.node("psci", |psci| psci.text("method", method)));
        psci(root(&tree).child("psci").as_ref())
    };
    assert_eq!((by("hvc"), by("smc"), by("svc")), (Some(Method::PsciHvc), Some(Method::PsciSmc), None));
    let none = written(|root| root);
    assert_eq!(psci(root(&none).child("psci").as_ref()), None);
}

/// G2-01: which interrupt controller it is, in the root or on the chip's bus, by any of the names that it goes by.
#[test]
fn g2_01_the_interrupt_controllers_version() {
    let version = |name: &str, compatible: &str| {
        let controller = |node: Builder| node.node(name, |node| node.text("compatible", compatible));
        let in_root = written(|root| controller(root.node("memory@0", |memory| memory)));
        let on_chip = written(|root| root.node("soc", controller));
        let versions = [in_root, on_chip].map(|tree| interrupt_controller(&Parts::of(&root(&tree), &mut |_| {})));
        // QEMU's name is for the root.
        assert!(versions[0] == versions[1] || name.starts_with("intc"));
        versions[0]
    };
    assert_eq!(version("intc@8000000", "arm,cortex-a15-gic"), Some(Version::V2));
    assert_eq!(version("intc@8000000", "arm,gic-v3"), Some(Version::V3));
    assert_eq!(version("interrupt-controller@40041000", "arm,gic-400"), Some(Version::V2));
    assert_eq!(version("interrupt-controller@0", "arm,gic-600\0arm,gic-v3"), Some(Version::V3));
    assert_eq!(version("interrupt-controller@0", "arm,gic-v3x"), None);
    assert_eq!(version("pic@0", "arm,gic-400"), None);
    // A Raspberry Pi's has the first one's beside it, which is for the old core's CPUs.
    let two = written(|root| {
        root.node("soc", |soc| {
            let soc = soc.node("interrupt-controller@40000000", |node| node.text("compatible", "brcm,bcm2836-l1-intc"));
            soc.node("interrupt-controller@40041000", |node| node.text("compatible", "arm,gic-400"))
        })
    });
    assert_eq!(interrupt_controller(&Parts::of(&root(&two), &mut |_| {})), Some(Version::V2));
    let none = written(|root| root);
    assert_eq!(interrupt_controller(&Parts::of(&root(&none), &mut |_| {})), None);
}
