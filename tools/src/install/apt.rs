//! How is apt run? Non-interactively, its newest line shown on a terminal, and its last words on failure.

use super::{
    plan::Action,
    policy::{self, Policy},
    privilege::Privilege,
    sources::BackportsSource,
};
use crate::{
    failure::Failure,
    process,
    say::{on_terminal, say, spinner},
};
use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Instant,
};

/// How much of apt's output is shown when it fails.
const LAST_LINES: usize = 15;
/// Another package manager may be at work, such as unattended upgrades on a machine that was just started.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

/// apt with the right to use it.
pub struct Apt {
    privilege: Privilege,
    updated: bool,
}

/// What apt knows about packages, without any right or network.
pub fn policies(packages: &[&str]) -> BTreeMap<String, Policy> {
    let mut command = Command::new("apt-cache");
    command.arg("policy").args(packages).env("LC_ALL", "C");
    policy::parse(&process::answer(&mut command).unwrap_or_default())
}

impl Apt {
    /// Finds out whether this user may install; `plan` is what to hand over if not.
    pub fn new(plan: &[Action]) -> Result<Self> {
        let privilege = Privilege::probe().ok_or_else(|| {
            let commands = super::commands(plan).join("\n  ");
            Failure::new("packages must be installed, but this user is not root and cannot use sudo")
                .hint(format!("as root, run:\n  {commands}\nthen try again"))
        })?;
        Ok(Self { privilege, updated: false })
    }

    /// Have the package lists been fetched by this process?
    pub fn updated(&self) -> bool {
        self.updated
    }

    /// Carries one action out.
    pub fn perform(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::AddSource(source) => return self.write_source(source),
            Action::Update => self.updated = true,
            Action::Install { .. } => {}
        }
        say(action.shell(if self.privilege == Privilege::Root { "" } else { "sudo " }));
        let mut command = self.privilege.command("apt-get");
        command.args(["-q", "-o", LOCK_TIMEOUT]).args(action.apt_arguments());
        follow(&mut command)
    }

    /// Takes a source away that could not be used.
    pub fn remove_source(&self, source: &BackportsSource) -> Result<()> {
        let status = self.privilege.command("rm").args(["-f", source.path()]).status();
        status.context("cannot start rm").map(|_| ())
    }

    fn write_source(&self, source: &BackportsSource) -> Result<()> {
        say(format_args!("adding {} of {} to apt's sources: {}", source.suite, source.uri, source.path()));
        if self.privilege == Privilege::Root {
            return fs::write(source.path(), source.text()).with_context(|| format!("cannot write {}", source.path()));
        }
        let mut tee = self.privilege.command("tee");
        let mut child = tee.arg(source.path()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child.stdin.take().context("tee has no input")?.write_all(source.text().as_bytes())?;
        if child.wait()?.success() {
            return Ok(());
        }
        Err(Failure::new(format!("cannot write {}", source.path())).into())
    }
}

fn with_bar_away(bar: Option<&indicatif::ProgressBar>, act: impl FnOnce()) {
    match bar {
        Some(bar) => bar.suspend(act),
        None => act(),
    }
}

/// Runs a long command: its newest line on a terminal, only its warnings elsewhere, its last lines if it fails.
fn follow(command: &mut Command) -> Result<()> {
    let started = Instant::now();
    let name = process::name(command);
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    // The command keeps the pipe's write ends: with them open here, the loop below would never end.
    *command = Command::new(&name);
    let bar = on_terminal().then(|| spinner(&name));
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        match &bar {
            // `apt-get update` calls it a success when a mirror cannot be reached: only these lines tell.
            _ if line.starts_with("W: ") => with_bar_away(bar.as_ref(), || say(&line)),
            Some(bar) => bar.set_message(line.clone()),
            None => {}
        }
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    let status = child.wait()?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if status.success() {
        say(format_args!("done in {:.0} s", started.elapsed().as_secs_f32()));
        return Ok(());
    }
    let words = Vec::from(last).join("\n         ");
    Err(Failure::new(format!("apt-get failed ({status})"))
        .hint("check the network and apt's sources, then try again; TOPHALF_NO_INSTALL=1 prints the commands")
        .cause(anyhow::anyhow!("its last words:\n         {words}"))
        .into())
}
