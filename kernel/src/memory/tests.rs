//! Which memory is free after what trees? Those of a Raspberry Pi 4, and those that are wrong.
use super::{Free, add, take_reserved};
use crate::device_tree::{Parts, tests::build::Builder};
use logic::device_tree::Tree;
use proptest::prelude::*;

const GIB: usize = 1 << 30;

fn found(tree: Builder) -> Vec<(usize, usize)> {
    let tree = tree.finish();
    let tree = Tree::new(&tree).unwrap();
    let root = tree.root().unwrap();
    let mut free = Free::new();
    let parts = Parts::of(&root, &mut |node| add(&mut free, &root, node));
    take_reserved(&mut free, tree, parts.reserved());
    let mut all: Vec<_> = free.iter().collect();
    all.sort_unstable();
    all
}
fn cells(node: Builder, address: u32, size: u32) -> Builder {
    node.cells("#address-cells", &[address]).cells("#size-cells", &[size])
}
fn memory(node: Builder, reg: &[u32]) -> Builder {
    node.node("memory@0", |memory| memory.text("device_type", "memory").cells("reg", reg))
}
/// A tree as a Raspberry Pi's firmware leaves it: two cells for addresses, one for sizes, page 0 in use.
fn pi(reg: &[u32]) -> Builder {
    Builder::default().reserve(0, 0x1000).node("", |root| memory(cells(root, 2, 1), reg))
}

/// BU-05: 1, 2, 4 and 8 GiB: behind the first run is the VideoCore's share, behind the second the peripherals, and what is above
/// 4 GiB comes in pieces.
#[test]
fn bu_05_memory_of_each_size_of_a_pi() {
    let low = (0x1000, 0x3b40_0000);
    let [first, second] = [[0, 0, 0x3b40_0000], [0, 0x4000_0000, 0x4000_0000]];
    assert_eq!(found(pi(&first)), [low]);
    assert_eq!(found(pi(&[first, second].concat())), [low, (GIB, 2 * GIB)]);
    let second = [0, 0x4000_0000, 0xbc00_0000];
    assert_eq!(found(pi(&[first, second].concat())), [low, (GIB, 0xfc00_0000)]);
    let above = [[1, 0, 0x8000_0000], [1, 0x8000_0000, 0x8000_0000]].concat();
    let eight = [&[first, second].concat()[..], &above].concat();
    assert_eq!(found(pi(&eight)), [low, (GIB, 0xfc00_0000), (4 * GIB, 6 * GIB), (6 * GIB, 8 * GIB)]);
}

/// BU-05: runs may be said in nodes of their own, in as many cells as the root says.
#[test]
fn bu_05_memory_in_several_nodes() {
    let tree = Builder::default().node("", |root| {
        let root = memory(cells(root, 2, 2), &[0, 0x4000_0000, 0, 0x1000_0000]);
        memory(root.node("cpus", |cpus| cpus), &[1, 0, 1, 0])
    });
    assert_eq!(found(tree), [(GIB, 0x5000_0000), (4 * GIB, 8 * GIB)]);
}

/// BU-05: what the tree says is in use is not free, and neither is the rest of its pages.
#[test]
fn bu_05_memory_that_is_in_use() {
    let tree = Builder::default().reserve(0, 0x8_0000).reserve(0x10_0fff, 2).node("", |root| {
        memory(cells(root, 2, 1), &[0, 0, 0x100_0000]).node("reserved-memory", |reserved| {
            let reserved = cells(reserved, 1, 1).node("nvram@0", |node| node.cells("reg", &[0x20_0000, 0x1000]));
            // To be placed by whoever reads the tree: in use are no addresses.
            reserved.node("linux,cma", |node| node.cells("size", &[0x40_0000]))
        })
    });
    assert_eq!(found(tree), [(0x8_0000, 0x10_0000), (0x10_2000, 0x20_0000), (0x20_1000, 0x100_0000)]);
}

/// BU-05: a tree that makes no sense gives no memory that there is not, and none twice.
#[test]
fn bu_05_bad_trees() {
    let with =
        |address, size, reg: &[u32]| found(Builder::default().node("", |r| memory(cells(r, address, size), reg)));
    assert_eq!(with(2, 1, &[0, 0x1000]), [], "no size");
    assert_eq!(with(2, 1, &[0, 0x1000, 0]), [], "of no size");
    assert_eq!(with(2, 1, &[0, 0x1800, 0x1000]), [], "no whole page");
    assert_eq!(with(2, 1, &[0, 0x1000, 0x2000, 0, 0x2000, 0x2000]), [(0x1000, 0x2000), (0x2000, 0x4000)], "twice");
    assert_eq!(with(2, 2, &[!0, !0, !0, !0]), [], "beyond everything");
    assert_eq!(with(2, 2, &[3, 0, !0, !0]), [(12 * GIB, 16 * GIB)], "more than can be mapped");
    for (address, size) in [(0, 0), (3, 1), (!0, !0), (0, 1), (2, 3)] {
        assert_eq!(with(address, size, &[0, 0x1000, 0x1000, 0x1000]), [], "cells {address} {size}");
    }
    assert_eq!(found(Builder::default().node("", |root| root)), [], "no memory");
}

proptest! {
    /// Whatever a tree says: whole pages, none twice, none beyond the last.
    #[test]
    fn bu_05_no_memory_is_free_twice(
        reg in prop::collection::vec(0..0x2_0000_u32, 0..40),
        reserved in prop::collection::vec((0..0x2_0000_u64, 0..0x1_0000_u64), 0..4),
    ) {
        let tree = reserved.iter().fold(Builder::default(), |tree, &(start, bytes)| tree.reserve(start, bytes));
        let found = found(tree.node("", |root| memory(cells(root, 1, 1), &reg)));
        prop_assert!(found.iter().all(|&(start, end)| start < end && start % 4096 == 0 && end % 4096 == 0));
        prop_assert!(found.is_sorted_by(|a, b| a.1 <= b.0));
        for (start, bytes) in reserved.into_iter().filter(|&(_, bytes)| bytes > 0) {
            let (start, end) = (start as usize, (start + bytes) as usize);
            prop_assert!(found.iter().all(|range| range.1 <= start || end <= range.0));
        }
    }
}
