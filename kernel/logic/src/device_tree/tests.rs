use super::*;
use build::Builder;
use dtoolkit::{Node as _, Property as _, fdt::Fdt};
use proptest::prelude::*;

mod build;

/// A node with what is inside.
#[derive(Clone, Debug)]
struct Made {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    inside: Vec<Made>,
}

impl Made {
    fn write(&self, tree: Builder) -> Builder {
        let properties =
            |tree| self.properties.iter().fold(tree, |tree: Builder, (name, value)| tree.property(name, value));
        tree.node(&self.name, |tree| self.inside.iter().fold(properties(tree), |tree, node| node.write(tree)))
    }
}

/// Names that a tree may have, some the beginnings of others.
fn name() -> impl Strategy<Value = String> {
    "(cpu|cpus|memory|reg|re)(@[0-9a-f]{1,8})?"
}
fn made() -> impl Strategy<Value = Made> {
    let properties =
        || prop::collection::vec(("(reg|re|bootargs|#size-cells)", prop::collection::vec(any::<u8>(), 0..12)), 0..4);
    let leaf = (name(), properties()).prop_map(|(name, properties)| Made { name, properties, inside: vec![] });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (name(), properties(), prop::collection::vec(inner, 0..4)).prop_map(|(name, properties, inside)| Made {
            name,
            properties,
            inside,
        })
    })
}

/// Everything below a node, as `dtoolkit` reads it and as it is read here.
fn same(node: &Node<'_>, other: dtoolkit::fdt::FdtNode<'_>) {
    assert_eq!(node.name(), other.name_without_address().as_bytes());
    for name in ["reg", "re", "bootargs", "#size-cells", "cells"] {
        let theirs = other.property(name);
        assert_eq!(node.property(name), theirs.as_ref().map(|property| property.value()), "{name}");
    }
    assert_eq!(node.children().count(), other.children().count());
    node.children().zip(other.children()).for_each(|(node, other)| same(&node, other));
}

/// Goes wherever there is a way.
fn walk(node: &Node<'_>, depth: usize) {
    let _ = (node.property("reg"), node.word("#size-cells"), node.text("bootargs"), node.child("memory").is_some());
    if depth > 0 {
        node.children().for_each(|child| walk(&child, depth - 1));
    }
}

proptest! {
    /// What another reader finds in a tree.
    #[test]
    fn reads_what_dtoolkit_reads(mut root in made()) {
        root.name.clear();
        let tree = root.write(Builder::default()).finish();
        same(&Tree::new(&tree).unwrap().root().unwrap(), Fdt::new(&tree).unwrap().root());
    }

    /// A damaged tree says something else, and that is all.
    #[test]
    fn nothing_is_taken_on_trust(root in made(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>()) {
        let mut tree = root.write(Builder::default()).finish();
        damage.iter().for_each(|(at, byte)| *at.get_mut(&mut tree) = *byte);
        for bytes in [&tree[..], &tree[..cut.index(tree.len())]] {
            let _ = Tree::new(bytes).map(|tree| tree.reservations().count());
            if let Some(root) = Tree::new(bytes).and_then(Tree::root) {
                walk(&root, 5);
            }
        }
    }
}

#[test]
fn words_and_texts() {
    let tree = Builder::default().node("", |root| {
        root.cells("one", &[7])
            .cells("two", &[1, 2])
            .text("text", "a b")
            .property("zeroes", b"\0\0")
            .property("no", &[0xff])
    });
    let tree = tree.finish();
    let root = Tree::new(&tree).unwrap().root().unwrap();
    assert_eq!((root.word("one"), root.word("two"), root.word("none")), (Some(7), None, None));
    assert_eq!(root.property("two").and_then(number), Some(1 << 32 | 2));
    assert_eq!((root.text("text"), root.text("zeroes"), root.text("no")), (Some("a b"), Some(""), None));
    assert_eq!((number(&[]), number(&[0; 3]), number(&[0; 12])), (None, None, None));
    let list = Builder::default().node("", |root| root.property("list", b"arm,a\0arm,ab\0"));
    let list = list.finish();
    let root = Tree::new(&list).unwrap().root().unwrap();
    assert_eq!(["arm,a", "arm,ab", "arm", "b"].map(|item| root.lists("list", item)), [true, true, false, false]);
    assert!(!root.lists("none", "arm,a"));
}

/// Pairs of an address and a number of bytes, up to one of zeroes.
#[test]
fn memory_in_use() {
    let tree = Builder::default().reserve(0, 4096).reserve(1 << 32, 2).node("", |root| root).finish();
    assert_eq!(Tree::new(&tree).unwrap().reservations().collect::<Vec<_>>(), [(0, 4096), (1 << 32, 2)]);
    let none = Builder::default().node("", |root| root).finish();
    assert_eq!(Tree::new(&none).unwrap().reservations().count(), 0);
}

/// A header that is none, of another version, or of more than there is.
#[test]
fn trees_that_are_none() {
    let good = Builder::default().node("", |root| root).finish();
    assert!(Tree::new(&good).is_some_and(|tree| tree.root().is_some()));
    for (word, value) in [(0, 0), (1, u32::MAX), (2, 4096), (3, 4096), (5, 16), (6, 18), (8, 4096), (9, 4096)] {
        let mut bad = good.clone();
        bad[word * WORD..][..WORD].copy_from_slice(&u32::to_be_bytes(value));
        assert!(Tree::new(&bad).is_none(), "word {word}");
    }
    assert!(Tree::new(&good[..good.len() - 1]).is_none() && Tree::new(&[]).is_none());
}
