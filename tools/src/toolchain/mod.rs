//! Which toolchain builds the images? The first of these that the machine has or may get:
//!
//! 1. a rustc whose sysroot has the bare-metal target;
//! 2. that target added by rustup, unless `RUSTUP_AUTO_INSTALL=0` forbids downloads;
//! 3. a rustc with the library's source (Debian's, or rustup's `rust-src`), which builds `core` itself;
//! 4. Debian's newer toolchain, installed with apt.
//!
//! [`probe`] gathers the facts, [`decide`] chooses among them, [`obtain`] does what was chosen.

pub mod decide;
pub mod obtain;
pub mod probe;

pub use obtain::{Need, ensure};

use crate::{process, project};
use anyhow::Result;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The least urgent log records that are built in. `loglevel=` chooses among them at boot.
const DEFAULT_LOG: &str = "debug";

/// A toolchain that can build an image. Everything is called by path: a proxy in `PATH` might choose, or download,
/// another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The directory that `rustc --print sysroot` names.
    pub sysroot: PathBuf,
    /// The linker, where `core` is built from source by a rustc that brings none.
    pub linker: Option<PathBuf>,
    /// Whether `core` and `alloc` have to be built from source.
    pub build_std: bool,
}

impl Toolchain {
    /// The compiler.
    pub fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin/rustc")
    }

    /// Says which toolchain this is.
    pub fn describe(&self) -> String {
        let how = if self.build_std { "core built from its source" } else { "with the bare-metal target" };
        format!("{} ({how})", self.rustc().display())
    }

    /// `cargo build` for the target, in a clean environment.
    pub fn build(&self) -> Result<Command> {
        self.cargo("cargo", "build")
    }

    /// `cargo clippy` for the target, in a clean environment.
    pub fn clippy(&self) -> Result<Command> {
        self.cargo("cargo-clippy", "clippy")
    }

    fn cargo(&self, program: &str, subcommand: &str) -> Result<Command> {
        let bin = self.sysroot.join("bin");
        let mut command = process::clean(bin.join(program));
        command.current_dir(project::root()?);
        command.env("CARGO", bin.join("cargo")).env("RUSTC", self.rustc()).env("PATH", path_after(&bin));
        command.env("RUSTFLAGS", self.rustflags());
        // core's own warnings for later editions are nothing that a user of this kernel can act on.
        command.env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never");
        command.args([
            subcommand,
            "--locked",
            "--profile",
            project::PROFILE,
            "--target",
            project::TARGET,
            "--target-dir",
        ]);
        command.arg(project::image_target_dir()?);
        if std::env::var_os("DEFMT_LOG").is_none() {
            command.env("DEFMT_LOG", DEFAULT_LOG);
        }
        if self.build_std {
            // build-std is a nightly option; this variable lets a stable compiler build the library it was shipped with.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core,alloc,compiler_builtins");
        }
        Ok(command)
    }

    /// Backtraces need frame pointers. What is worth being compiled into its caller says so itself (`inline`); the compiler's own
    /// choice, with its usual threshold of 225, makes the image a thirtieth larger and no row of the bench faster by more than a few
    /// instructions. Everything else a link needs comes from the image's build script: changed flags would rebuild `core`.
    fn rustflags(&self) -> String {
        let mut flags = "-Cforce-frame-pointers=yes -Cllvm-args=-inline-threshold=50".to_owned();
        if let Some(linker) = &self.linker {
            flags.push_str(&format!(" -Clinker={} -Clinker-flavor=ld.lld", linker.display()));
        }
        flags
    }
}

/// `PATH` with one directory before everything else.
fn path_after(first: &Path) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(all).unwrap_or(rest)
}
