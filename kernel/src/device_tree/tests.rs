//! Which CPUs does a tree name, and how does it say they are started? (BU-04)
use super::{cpus, psci};
use dtoolkit::fdt::Fdt;
use hw::smp::Method;

/// Writes a flattened tree (Devicetree Specification 5).
#[derive(Default)]
struct Tree {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Tree {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
    fn node(mut self, name: &str, inside: impl FnOnce(Self) -> Self) -> Self {
        self.word(1);
        self.bytes(format!("{name}\0").as_bytes());
        let mut inner = inside(self);
        inner.word(2);
        inner
    }
    fn property(mut self, name: &str, value: &[u8]) -> Self {
        self.word(3);
        self.word(value.len() as u32);
        self.word(self.strings.len() as u32);
        self.bytes(value);
        self.strings.extend(format!("{name}\0").as_bytes());
        self
    }
    fn cells(self, name: &str, cells: &[u32]) -> Self {
        self.property(name, &cells.iter().flat_map(|cell| cell.to_be_bytes()).collect::<Vec<_>>())
    }
    fn cpu(self, method: Option<&str>, reg: &[u32]) -> Self {
        self.node("cpu@0", |cpu| {
            let cpu = cpu.cells("reg", reg);
            match method {
                Some(method) => cpu.property("enable-method", format!("{method}\0").as_bytes()),
                None => cpu,
            }
        })
    }
    fn finish(mut self) -> Vec<u8> {
        const HEADER: usize = 40;
        const RESERVATIONS: usize = 16;
        self.word(9);
        let structure = HEADER + RESERVATIONS;
        let strings = structure + self.structure.len();
        let end = strings + self.strings.len();
        let sizes = [self.strings.len(), self.structure.len()];
        let header = [0xd00d_feed, end, structure, strings, HEADER, 17, 16, 0, sizes[0], sizes[1]];
        let header = header.iter().flat_map(|&word| (word as u32).to_be_bytes());
        header.chain([0; RESERVATIONS]).chain(self.structure).chain(self.strings).collect()
    }
}

fn with_cpus(address_cells: u32, inside: impl FnOnce(Tree) -> Tree) -> Vec<u8> {
    let cells = |tree: Tree| tree.cells("#address-cells", &[address_cells]).cells("#size-cells", &[0]);
    Tree::default().node("", |root| root.node("cpus", |node| inside(cells(node)))).finish()
}
fn found(tree: &[u8], me: u64) -> (Vec<u64>, usize) {
    let (affinities, listed) = cpus(&Fdt::new(tree).unwrap(), me);
    (affinities.to_vec(), listed)
}

/// BU-04: CPU 0 is the one that boots, wherever the tree has it; the others follow in the tree's order.
#[test]
fn bu_04_cpus_are_numbered_from_the_boot_cpu_on() {
    let tree = with_cpus(1, |tree| [0x100, 0, 0x101, 1].into_iter().fold(tree, |t, reg| t.cpu(Some("psci"), &[reg])));
    assert_eq!(found(&tree, 0), (vec![0, 0x100, 0x101, 1], 4));
    assert_eq!(found(&tree, 0x101), (vec![0x101, 0x100, 0, 1], 4));
}

/// BU-04: with two cells Aff3 is in the first one.
#[test]
fn bu_04_affinities_of_two_cells() {
    let tree = with_cpus(2, |tree| tree.cpu(Some("psci"), &[0, 0]).cpu(Some("psci"), &[0x12, 0x03_0201]));
    assert_eq!(found(&tree, 0), (vec![0, 0x1203_0201], 2));
}

/// BU-04: what PSCI does not start is listed, and not used.
#[test]
fn bu_04_only_psci_starts_cpus() {
    let tree =
        with_cpus(1, |t| t.cpu(None, &[0]).cpu(Some("spin-table"), &[1]).cpu(None, &[2]).cpu(Some("psci"), &[3]));
    assert_eq!(found(&tree, 0), (vec![0, 3], 4));
}

/// BU-04: CPUs beyond those that there is room for are counted.
#[test]
fn bu_04_more_cpus_than_an_image_has_stacks_for() {
    let tree = with_cpus(1, |tree| (0..10).fold(tree, |tree, reg| tree.cpu(Some("psci"), &[reg])));
    assert_eq!(found(&tree, 9), (vec![9, 0, 1, 2, 3, 4, 5, 6], 10));
    let none = Tree::default().node("", |root| root).finish();
    assert_eq!(found(&none, 5), (vec![5], 1));
}

/// BU-04: HVC or SMC as the tree says; without a word that is known there is no PSCI.
#[test]
fn bu_04_how_psci_is_called() {
    let by = |method: &str| {
        let value = format!("{method}\0");
        let tree = Tree::default().node("", |root| root.node("psci", |psci| psci.property("method", value.as_bytes())));
        psci(&Fdt::new(&tree.finish()).unwrap())
    };
    assert_eq!((by("hvc"), by("smc"), by("svc")), (Some(Method::PsciHvc), Some(Method::PsciSmc), None));
    let none = Tree::default().node("", |root| root).finish();
    assert_eq!(psci(&Fdt::new(&none).unwrap()), None);
}
