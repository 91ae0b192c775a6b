//! Which boards are there, and what has the tool to know of each?

use crate::{
    failure::{Failure, USAGE},
    qemu::machine::Gic,
    version::Version,
};
use clap::ValueEnum;

/// A board that images are built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Board {
    /// QEMU's board `virt`
    #[default]
    Virt,
    /// Raspberry Pi 4; in QEMU its model `raspi4b`
    Raspi4,
}

/// The environment variable that tells the runner of on-target tests which board to build for (`tests/target.rs`).
pub const VARIABLE: &str = "TOPHALF_BOARD";

impl Board {
    /// Every board.
    pub const ALL: [Self; 2] = [Self::Virt, Self::Raspi4];

    /// What it is called on the command line; also the package of its facts and its default image (`boards/`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virt => "virt",
            Self::Raspi4 => "raspi4",
        }
    }

    /// The one that the environment names, if it names one.
    pub fn of_environment() -> Result<Option<Self>, Failure> {
        std::env::var_os(VARIABLE).map(|name| Self::named(&name.to_string_lossy())).transpose()
    }
    fn named(name: &str) -> Result<Self, Failure> {
        Self::from_str(name, false).map_err(|_| {
            Failure::new(format!("{VARIABLE} is no board: `{name}`"))
                .status(USAGE)
                .hint(format!("the boards are {}", Self::ALL.map(Self::name).join(", ")))
        })
    }

    /// The oldest QEMU that plays it.
    pub const fn oldest_qemu(self) -> Version {
        match self {
            Self::Virt => crate::qemu::find::OLDEST,
            // The first one that has `raspi4b`.
            Self::Raspi4 => Version::new(9, 0),
        }
    }

    /// The most CPUs that it has under QEMU and an image can use.
    pub const fn cpus(self) -> u32 {
        match self {
            // `MAX_CPUS` in `kernel/hw/src/smp.rs`.
            Self::Virt => 8,
            Self::Raspi4 => 4,
        }
    }

    /// Refuses more CPUs than it has, memory of another size than its own, and an interrupt controller that it does not have.
    pub fn check(self, smp: u32, memory: Option<&str>, gic: Option<Gic>) -> Result<(), Failure> {
        let wrong = |what: String, hint: &str| Err(Failure::new(what).status(USAGE).hint(hint));
        match self {
            Self::Raspi4 if smp > self.cpus() => {
                wrong(format!("a Raspberry Pi 4 has 4 CPUs, not {smp}"), "with `--smp` from 1 to 4 so many are used")
            }
            Self::Raspi4 if memory.is_some() => wrong(
                "QEMU's raspi4b always has 2 GiB of memory".to_owned(),
                "leave `--memory` out, or say `--board virt`",
            ),
            Self::Raspi4 if gic == Some(Gic::V3) => wrong(
                "a Raspberry Pi 4 has an interrupt controller of version 2, not 3".to_owned(),
                "leave `--gic` out, or say `--board virt`",
            ),
            Self::Virt | Self::Raspi4 => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_names() {
        for board in Board::ALL {
            assert_eq!(Board::from_str(board.name(), false), Ok(board));
            assert_eq!(Board::named(board.name()).ok(), Some(board));
        }
        let text = crate::failure::explain(&Board::named("pi").unwrap_err().into()).0;
        assert!(text.contains("`pi`") && text.contains("virt, raspi4"), "{text}");
        assert!(Board::from_str("raspi3", false).is_err());
    }

    #[test]
    fn what_a_board_does_not_have() {
        for gic in [None, Some(Gic::V2)] {
            assert!(Board::Virt.check(8, Some("1G"), gic).is_ok() && Board::Raspi4.check(4, None, gic).is_ok());
        }
        assert!(Board::Virt.check(1, None, Some(Gic::V3)).is_ok());
        for (smp, memory, gic) in [(5, None, None), (1, Some("2G"), None), (1, None, Some(Gic::V3))] {
            let refusal = Board::Raspi4.check(smp, memory, gic).unwrap_err();
            let (text, status) = crate::failure::explain(&refusal.into());
            assert!(text.contains("\nhint: ") && status == USAGE, "{text}");
        }
    }
}
