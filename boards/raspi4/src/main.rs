//! The board's default image: the kernel and its shell. On a host it is an empty program, so that `--workspace` commands work.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
kernel::main!(raspi4::BOARD, shell::main);

#[cfg(not(target_os = "none"))]
fn main() {}
