//! How does the tool listen to a board? Over a serial line that may go and come back, with the same eyes as in QEMU.
//!
//! [`port`] opens a port, [`ports`] lists them, [`line`] keeps one open, [`monitor`] shows what it brings, on a [`screen`].

pub mod line;
pub mod monitor;
pub mod port;
pub mod ports;
pub mod screen;
