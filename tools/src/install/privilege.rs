//! May this user install packages?

use super::find_program;
use crate::process;
use std::{
    io::IsTerminal,
    process::{Command, Stdio},
};

/// How commands get root's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The user is root.
    Root,
    /// sudo works without a password.
    Sudo,
    /// sudo may ask for the password: somebody is at a terminal.
    SudoAsks,
}

/// Is this root?
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Privilege {
    /// Finds out; `None` if there is no way.
    pub fn probe() -> Option<Self> {
        if is_root() {
            return Some(Self::Root);
        }
        find_program("sudo")?;
        if process::answer(Command::new("sudo").args(["-n", "true"])).is_some() {
            return Some(Self::Sudo);
        }
        (std::io::stdin().is_terminal() && std::io::stderr().is_terminal()).then_some(Self::SudoAsks)
    }

    /// A command that runs as root. It reads nothing from the terminal but a password.
    pub fn command(self, program: &str) -> Command {
        let mut command = match self {
            Self::Root => Command::new(program),
            Self::Sudo | Self::SudoAsks => {
                let mut sudo = Command::new("sudo");
                sudo.args(if self == Self::Sudo { &["-n"][..] } else { &[] });
                // sudo clears the environment: what apt must know goes through env(1).
                sudo.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
                sudo
            }
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    }
}
