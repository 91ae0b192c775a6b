//! Which memory is free? What the device tree says is RAM, without what it or somebody else says is in use.
//!
//! A Raspberry Pi 4 has up to four runs of it: the VideoCore's share lies behind the first, the peripherals' addresses behind the
//! second, and where the root has one cell for sizes, what is above 4 GiB is said in pieces.
use logic::{
    device_tree::{Node, Tree, number},
    ranges::Ranges,
};

/// Bytes of a page.
const PAGE: usize = 4096;
/// What lies beyond is not used: there are no tables to map it (`hw::aarch64::mmu`).
pub(crate) const LAST: usize = 16 << 30;
/// Bytes of a cell.
const CELL: usize = 4;

/// Free memory, in whole pages.
pub(crate) type Free = Ranges<16>;

/// What a node in the root says is RAM is free.
pub(crate) fn add(free: &mut Free, root: &Node<'_>, memory: &Node<'_>) {
    each(root, memory, &mut |start, end| free.add(start.next_multiple_of(PAGE), end & !(PAGE - 1)));
}

/// What the tree says is in use is not: in its header, and in the node for it.
pub(crate) fn take_reserved(free: &mut Free, tree: Tree<'_>, node: Option<&Node<'_>>) {
    for (start, bytes) in tree.reservations() {
        let (start, end) = bounds(start, bytes);
        take(free, start, end);
    }
    if let Some(reserved) = node {
        for node in reserved.children() {
            each(reserved, &node, &mut |start, end| take(free, start, end));
        }
    }
}

/// Memory from `start` on, up to `end`, is in use, and so is the rest of its pages.
#[inline(never)]
pub(crate) fn take(free: &mut Free, start: usize, end: usize) {
    free.remove(start & !(PAGE - 1), end.next_multiple_of(PAGE));
}

/// First address and the one behind the last, as far as can be used.
fn bounds(start: u64, bytes: u64) -> (usize, usize) {
    let last = |address: u64| address.min(LAST as u64) as usize;
    (last(start), last(start.saturating_add(bytes)))
}

/// Calls `f` with the bounds of each range in the property `reg` of a node inside `parent`, which says how many cells they have
/// (Devicetree Specification 2.3.5; what a parent says that does not say it).
#[inline(never)]
fn each(parent: &Node<'_>, node: &Node<'_>, f: &mut dyn FnMut(usize, usize)) {
    let cells = |name, default| parent.word(name).unwrap_or(default) as usize;
    let (of_address, of_size) = (cells("#address-cells", 2), cells("#size-cells", 1));
    // No number has more cells; where it has none there is nothing to be said.
    if !(1..=2).contains(&of_address) || !(1..=2).contains(&of_size) {
        return;
    }
    for pair in node.property("reg").unwrap_or(&[]).chunks_exact((of_address + of_size) * CELL) {
        let (start, bytes) = pair.split_at(of_address * CELL);
        if let (Some(start), Some(bytes)) = (number(start), number(bytes)) {
            let (start, end) = bounds(start, bytes);
            f(start, end);
        }
    }
}

#[cfg(test)]
mod tests;
