//! `lint`: is everything that is built for the bare machine free of clippy's warnings?

use crate::{
    failure::FAILED,
    say::say,
    toolchain::{self, Need},
};
use anyhow::{Context, Result};

/// What is compiled for the target. The host's clippy sees the same packages with the simulated machine.
const PACKAGES: [&str; 8] = ["kernel", "hw", "logic", "bcm2711", "virt", "raspi4", "on-target", "labs"];

/// Carries the command out.
pub fn execute() -> Result<u8> {
    let toolchain = toolchain::ensure(Need::Clippy)?;
    let mut clippy = toolchain.clippy()?;
    clippy.args(PACKAGES.iter().flat_map(|package| ["--package", package])).args(["--", "-D", "warnings"]);
    say(format_args!("clippy for the bare machine: {}", PACKAGES.join(", ")));
    let status = clippy.status().context("cannot start cargo clippy")?;
    Ok(if status.success() { 0 } else { FAILED })
}
