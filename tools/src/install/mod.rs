//! How does something missing get onto this machine? With the distribution's package manager, announced beforehand;
//! or, with `TOPHALF_NO_INSTALL=1`, by the user with the commands that are printed.

pub mod apt;
pub mod plan;
pub mod policy;
pub mod privilege;
pub mod sources;

use crate::{failure::Failure, project};
use anyhow::{Context, Result};
use plan::Action;
use std::{fs::File, path::PathBuf};

/// Does the user want to install by hand?
pub fn no_install() -> bool {
    std::env::var_os("TOPHALF_NO_INSTALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// One installation at a time, whichever thread or process begins it; held until the file is dropped.
pub fn lock() -> Result<File> {
    let folder = project::root()?.join("target");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(".install-lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// A program in `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

/// The failure that hands the commands to the user.
pub fn by_hand(missing: &str, commands: &[String]) -> Failure {
    Failure::new(format!("{missing}, and TOPHALF_NO_INSTALL=1 leaves installing to you"))
        .hint(format!("run these commands, then try again:\n  {}", commands.join("\n  ")))
}

/// The shell commands of a plan, as the current user has to type them.
pub fn commands(plan: &[Action]) -> Vec<String> {
    let sudo = if privilege::is_root() || find_program("sudo").is_none() { "" } else { "sudo " };
    plan.iter().map(|action| action.shell(sudo)).collect()
}
