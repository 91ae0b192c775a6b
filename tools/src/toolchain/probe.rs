//! What does this machine have? Facts only; nothing is installed and no proxy is asked for a download.

use crate::{install, process, project, version::Version};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// A rustc on this machine and what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rustc {
    /// What `rustc --print sysroot` names.
    pub sysroot: PathBuf,
    /// The compiler's version.
    pub version: Version,
    /// The bare-metal target's `core` is installed.
    pub has_target: bool,
    /// The library's source is installed.
    pub has_source: bool,
    /// `cargo` lies beside it.
    pub has_cargo: bool,
    /// `cargo clippy` lies beside it.
    pub has_clippy: bool,
}

/// May rustup be asked to add the target?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rustup {
    /// There is no rustup, or the active rustc is not one of its toolchains.
    Absent,
    /// `RUSTUP_AUTO_INSTALL=0`: the user forbids downloads.
    Forbidden,
    /// It was asked and could not.
    Failed,
    /// Yes.
    Allowed,
}

/// Everything the choice depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The compilers in `PATH`; the first is the one that the user's cargo uses in this repository.
    pub compilers: Vec<Rustc>,
    /// Whether rustup can help.
    pub rustup: Rustup,
    /// An LLVM linker that a rustc without its own can use.
    pub linker: Option<PathBuf>,
    /// apt-get is there.
    pub apt: bool,
    /// The user wants to install by hand: `TOPHALF_NO_INSTALL=1`.
    pub no_install: bool,
}

impl Facts {
    /// Looks at the machine.
    pub fn probe() -> Self {
        let compilers = compilers();
        Self {
            linker: find_linker(&compilers),
            rustup: rustup(compilers.first()),
            compilers,
            apt: install::find_program("apt-get").is_some(),
            no_install: install::no_install(),
        }
    }
}

impl Rustc {
    /// The compiler of a sysroot, if it has one that runs.
    pub fn at(sysroot: &Path) -> Option<Self> {
        let rustc = sysroot.join("bin/rustc");
        let rustlib = sysroot.join("lib/rustlib");
        Some(Self {
            version: Version::find(&process::answer(Command::new(&rustc).arg("--version"))?)?,
            has_target: rustlib.join(project::TARGET).join("lib").is_dir(),
            has_source: rustlib.join("src/rust/library/core").is_dir(),
            has_cargo: sysroot.join("bin/cargo").is_file(),
            has_clippy: sysroot.join("bin/cargo-clippy").is_file() && sysroot.join("bin/clippy-driver").is_file(),
            sysroot: sysroot.to_owned(),
        })
    }
}

/// Every compiler that a `rustc` in `PATH` stands for: rustup's is a proxy for one, a distribution's lies behind it.
fn compilers() -> Vec<Rustc> {
    let mut seen = BTreeSet::new();
    let mut new = move |path: &Path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    let programs: Vec<PathBuf> = which::which_all("rustc").into_iter().flatten().filter(|path| new(path)).collect();
    let mut sysroots: Vec<PathBuf> = Vec::new();
    for sysroot in programs.iter().filter_map(|program| sysroot(program)) {
        if !sysroots.contains(&sysroot) {
            sysroots.push(sysroot);
        }
    }
    sysroots.iter().filter_map(|sysroot| Rustc::at(sysroot)).collect()
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let mut rustc = with_outer_toolchain(process::clean(rustc));
    rustc.args(["--print", "sysroot"]).current_dir(project::root().ok()?);
    Some(PathBuf::from(process::answer(&mut rustc)?.trim()))
}

/// Lets rustup choose the toolchain of the cargo that runs this tool.
pub fn with_outer_toolchain(mut command: Command) -> Command {
    if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    command
}

fn rustup(active: Option<&Rustc>) -> Rustup {
    let managed = active.is_some_and(|rustc| rustc.sysroot.parent().is_some_and(|dir| dir.ends_with("toolchains")));
    match std::env::var("RUSTUP_AUTO_INSTALL") {
        _ if !managed || install::find_program("rustup").is_none() => Rustup::Absent,
        Ok(value) if value == "0" => Rustup::Forbidden,
        _ => Rustup::Allowed,
    }
}

/// LLVM's linker under any of its names: Debian's carry a version, rustup's is called `rust-lld`.
fn find_linker(compilers: &[Rustc]) -> Option<PathBuf> {
    const VERSIONED: std::ops::RangeInclusive<u32> = 16..=30;
    let versioned = VERSIONED.rev().filter_map(|n| install::find_program(&format!("ld.lld-{n}")));
    let rustups = compilers.iter().filter_map(|rustc| {
        let hosts = std::fs::read_dir(rustc.sysroot.join("lib/rustlib")).ok()?;
        hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|lld| lld.is_file())
    });
    install::find_program("ld.lld").into_iter().chain(versioned).chain(rustups).next()
}
