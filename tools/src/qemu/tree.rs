//! What does a Raspberry Pi's firmware tell the kernel? A device tree in its place, for QEMU, which makes none.
//!
//! QEMU's `raspi4b` adds memory and boot arguments to the tree that it is given (`hw/arm/raspi4b.c`, `hw/arm/boot.c`). So this has
//! what is left: the CPUs and how they are started, as the firmware's `bcm2711-rpi-4-b.dtb` has them.

use crate::image::store;
use anyhow::Result;
use std::path::PathBuf;
use vm_fdt::{Error, FdtWriter};

/// Where each CPU looks for the address to go on at, 8 bytes further for each (Raspberry Pi `armstubs/armstub8.S`).
const SPIN_TABLE: u64 = 0xd8;

/// The tree of a Raspberry Pi 4 with so many CPUs, 1 to 4, in a file.
///
/// # Errors
/// The file cannot be written.
pub fn raspi4(cpus: u32) -> Result<PathBuf> {
    store::keep_bytes(&write(cpus)?, "raspi4", "dtb")
}

fn write(cpus: u32) -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_string_list("compatible", vec!["raspberrypi,4-model-b".into(), "brcm,bcm2711".into()])?;
    tree.property_string("model", "Raspberry Pi 4 Model B")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 1)?;
    let chosen = tree.begin_node("chosen")?;
    tree.end_node(chosen)?;
    let node = tree.begin_node("cpus")?;
    tree.property_u32("#address-cells", 1)?;
    tree.property_u32("#size-cells", 0)?;
    for cpu in 0..cpus {
        let node = tree.begin_node(&format!("cpu@{cpu}"))?;
        tree.property_string("device_type", "cpu")?;
        tree.property_string("compatible", "arm,cortex-a72")?;
        tree.property_u32("reg", cpu)?;
        tree.property_string("enable-method", "spin-table")?;
        tree.property_u64("cpu-release-addr", SPIN_TABLE + 8 * u64::from(cpu))?;
        tree.end_node(node)?;
    }
    tree.end_node(node)?;
    tree.end_node(root)?;
    tree.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use logic::device_tree::{Tree, number};

    /// BU-04: the CPUs that are asked for, each with its word of the spin table.
    #[test]
    fn a_cpu_for_each_that_is_asked_for() {
        for cpus in 1..=4 {
            let bytes = write(cpus).unwrap();
            let root = Tree::new(&bytes).and_then(Tree::root).unwrap();
            let nodes: Vec<_> = root.child("cpus").unwrap().children().collect();
            assert_eq!(nodes.len(), cpus as usize);
            for (n, cpu) in (0..).zip(&nodes) {
                assert_eq!((cpu.word("reg"), cpu.text("enable-method")), (Some(n), Some("spin-table")));
                let release = cpu.property("cpu-release-addr").and_then(number);
                assert_eq!(release, Some(0xd8 + 8 * u64::from(n)));
            }
        }
    }
}
