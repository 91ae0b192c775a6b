//! `setup`: is everything there? What is missing is installed now, so that all else works offline.

use crate::{
    board::Board,
    qemu::{Qemu, find::WANTED},
    say::say,
    toolchain::{self, Need},
};
use anyhow::Result;

/// Carries the command out.
pub fn execute() -> Result<u8> {
    let toolchain = toolchain::ensure(Need::Clippy)?;
    say(format_args!("toolchain: {}", toolchain.describe()));
    if let Some(linker) = &toolchain.linker {
        say(format_args!("linker:    {}", linker.display()));
    }
    let qemu = Qemu::ensure(Board::Virt)?;
    let uarts = if qemu.version >= WANTED { "" } else { " (one UART only; newer ones have a second)" };
    say(format_args!("QEMU:      {} {}{uarts}", qemu.path.display(), qemu.version));
    let oldest = Board::Raspi4.oldest_qemu();
    if qemu.version < oldest {
        say(format_args!("           `--board raspi4` needs {oldest} or newer"));
    }
    Ok(0)
}
