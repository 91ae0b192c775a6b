//! How are other programs asked? With a message that names the program when it cannot be started.

use anyhow::{Context, Result};
use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
};

/// What a cleared environment keeps. `RUSTUP_AUTO_INSTALL` belongs here: without it a child would make rustup
/// download a toolchain that the user forbade. Nothing of the outer cargo (RUSTUP_TOOLCHAIN, CARGO, RUSTC_…) does.
const KEPT: &[&str] = &[
    "HOME",
    "USER",
    "TERM",
    "TMPDIR",
    "LANG",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_AUTO_INSTALL",
    "DEFMT_LOG",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY",
    "CARGO_NET_OFFLINE",
];

/// A command whose environment holds only what a child may know, and a `PATH`.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in KEPT.iter().chain(&["PATH"]) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command without input and collects what it prints.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", name(command)))
}

/// Standard output of a command that succeeds; `None` if it cannot be started or fails.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = output(command).ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The file name of a command's program, for messages.
pub fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
