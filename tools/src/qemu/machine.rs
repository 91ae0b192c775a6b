//! Which machine does QEMU play? The board `virt`: Cortex-A53, one or several, GICv3 or GICv2, a PL011. Or a Raspberry Pi 4.

use super::{Bootargs, Qemu, tree};
use crate::{
    board::Board,
    failure::{Failure, USAGE},
    image::{Image, flat},
};
use anyhow::Result;
use clap::ValueEnum;
use std::{ffi::OsString, path::PathBuf, process::Command};

/// Where the kernel's words go; always QEMU's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// The PL011, which also receives what QEMU reads from standard input.
    Uart,
    /// Semihosting: the PL011 is left to the test.
    Semihosting,
}

/// The interrupt controller that the machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Gic {
    /// GICv2: CPU interfaces in memory, eight CPUs at most
    #[value(name = "2")]
    V2,
    /// GICv3: CPU interfaces in system registers
    #[default]
    #[value(name = "3")]
    V3,
}

/// The environment variable that tells the runner of on-target tests which controller the machine has (`tests/target.rs`).
pub const GIC_VARIABLE: &str = "TOPHALF_GIC";

impl Gic {
    /// What it is called on the command line and in QEMU's machine options.
    pub const fn version(self) -> &'static str {
        match self {
            Self::V2 => "2",
            Self::V3 => "3",
        }
    }
    /// The one that the environment names, if it names one.
    pub fn of_environment() -> Result<Option<Self>, Failure> {
        std::env::var_os(GIC_VARIABLE).map(|version| Self::named(&version.to_string_lossy())).transpose()
    }
    fn named(version: &str) -> Result<Self, Failure> {
        Self::from_str(version, false).map_err(|_| {
            Failure::new(format!("{GIC_VARIABLE} is no version of the interrupt controller: `{version}`"))
                .status(USAGE)
                .hint("the versions are 2 and 3")
        })
    }
}

/// The device tree that a machine boots with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// The one that QEMU makes, or this tool where QEMU makes none.
    #[default]
    Made,
    /// This one.
    File(PathBuf),
    /// None but what QEMU makes.
    None,
}

/// One run of an image.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What to run.
    pub image: Image,
    /// What it was built for.
    pub board: Board,
    /// Which device tree it boots with.
    pub tree: Tree,
    /// The kernel's arguments.
    pub bootargs: Bootargs,
    /// Where its words go.
    pub console: Console,
    /// One instruction is one nanosecond of virtual time, and two runs are the same to the last bit.
    pub deterministic: bool,
    /// A reset ends QEMU instead of booting again.
    pub once: bool,
    /// Its interrupt controller, unless `extra` says otherwise.
    pub gic: Gic,
    /// Number of CPUs, unless `extra` says otherwise.
    pub smp: u32,
    /// Memory size, as QEMU writes it; the Raspberry Pi has always the same.
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
        let gic = Gic::default();
        Self {
            image,
            board: Board::Virt,
            tree: Tree::Made,
            bootargs,
            console,
            deterministic: false,
            once: false,
            gic,
            smp: 1,
            memory,
            gdb: None,
            extra: vec![],
        }
    }

    /// The QEMU command. Its standard input and output are the console's, its standard error has QEMU's own words.
    ///
    /// # Errors
    /// What the board loads besides the image cannot be written.
    pub fn command(&self, qemu: &Qemu) -> Result<Command> {
        let mut command = Command::new(&qemu.path);
        // Without the network card's ROM, which is a package of its own, the board does not start unless there is no card.
        command.args(["-nic", "none"]);
        match self.board {
            Board::Virt => {
                let machine = format!("virt,gic-version={}", self.gic.version());
                command.args(["-M", &machine, "-cpu", "cortex-a53", "-m", &self.memory]);
                command.args(["-smp", &self.smp.to_string()]).arg("-kernel").arg(&self.image.elf);
            }
            Board::Raspi4 => {
                // As the firmware loads it: the flat image. An ELF file would be entered at EL3, on four CPUs at once.
                command.args(["-M", "raspi4b", "-kernel"]).arg(flat::kernel8_file(&self.image)?);
            }
        }
        match (&self.tree, self.board) {
            (Tree::File(tree), _) => {
                command.arg("-dtb").arg(tree);
            }
            // QEMU makes no tree for this board. Without one it hands no arguments over, and has always four CPUs.
            (Tree::Made, Board::Raspi4) => {
                command.arg("-dtb").arg(tree::raspi4(self.smp)?);
            }
            (Tree::Made, Board::Virt) | (Tree::None, _) => {}
        }
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
        command.arg("-append").arg(self.bootargs.to_string());
        command.args(&self.extra);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_environment_have_the_versions() {
        for gic in [Gic::V2, Gic::V3] {
            assert_eq!(Gic::from_str(gic.version(), false), Ok(gic));
            assert_eq!(Gic::named(gic.version()).ok(), Some(gic));
        }
        let text = crate::failure::explain(&Gic::named("v2").unwrap_err().into()).0;
        assert!(text.contains("`v2`") && text.contains("2 and 3"), "{text}");
    }
}
