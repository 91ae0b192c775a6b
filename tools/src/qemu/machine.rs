//! Which machine does QEMU play? The board `virt`: Cortex-A53, one or several, GICv3, a PL011.

use super::{Bootargs, Qemu};
use crate::image::Image;
use std::{ffi::OsString, process::Command};

/// Where the kernel's words go; always QEMU's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// The PL011, which also receives what QEMU reads from standard input.
    Uart,
    /// Semihosting: the PL011 is left to the test.
    Semihosting,
}

/// One run of an image.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What to run.
    pub image: Image,
    /// The kernel's arguments.
    pub bootargs: Bootargs,
    /// Where its words go.
    pub console: Console,
    /// One instruction is one nanosecond of virtual time, and two runs are the same to the last bit.
    pub deterministic: bool,
    /// A reset ends QEMU instead of booting again.
    pub once: bool,
    /// Number of CPUs, unless `extra` says otherwise.
    pub smp: u32,
    /// Memory size, as QEMU writes it.
    pub memory: String,
    /// Wait for a debugger on this TCP port of the local host.
    pub gdb: Option<u16>,
    /// More arguments for QEMU, last.
    pub extra: Vec<OsString>,
}

/// The memory size that the tests run with.
pub const MEMORY: &str = "256M";

impl Machine {
    /// A run that is the same every time and ends with the kernel: for tests, measurements, studies.
    pub fn deterministic(image: &Image, bootargs: Bootargs, console: Console) -> Self {
        Self { deterministic: true, once: true, ..Self::interactive(image, bootargs, console) }
    }

    /// A run in real time that survives a reset.
    pub fn interactive(image: &Image, bootargs: Bootargs, console: Console) -> Self {
        let (image, memory) = (image.clone(), MEMORY.to_owned());
        Self { image, bootargs, console, deterministic: false, once: false, smp: 1, memory, gdb: None, extra: vec![] }
    }

    /// The QEMU command. Its standard input and output are the console's, its standard error has QEMU's own words.
    pub fn command(&self, qemu: &Qemu) -> Command {
        let mut command = Command::new(&qemu.path);
        // Without the network card's ROM, which is a package of its own, the board does not start unless there is no card.
        command.args(["-M", "virt,gic-version=3", "-cpu", "cortex-a53", "-nic", "none", "-m", &self.memory]);
        command.args(["-smp", &self.smp.to_string()]);
        command.args(["-display", "none", "-monitor", "none", "-chardev", "stdio,id=console,signal=off"]);
        match self.console {
            Console::Uart => {
                command.args(["-serial", "chardev:console", "-semihosting-config", "enable=on,target=native"])
            }
            Console::Semihosting => {
                command.args(["-serial", "null", "-semihosting-config", "enable=on,target=native,chardev=console"])
            }
        };
        if self.deterministic {
            command.args(["-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2025-01-01,clock=vm"]);
        }
        if self.once {
            command.arg("-no-reboot");
        }
        if let Some(port) = self.gdb {
            command.arg("-S").args(["-gdb", &format!("tcp:127.0.0.1:{port}")]);
        }
        command.arg("-kernel").arg(&self.image.elf).arg("-append").arg(self.bootargs.to_string());
        command.args(&self.extra);
        command
    }
}
