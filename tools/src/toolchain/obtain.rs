//! How is a chosen toolchain obtained? Each step is announced, done once, and followed by a new look at the machine.

use super::{
    Toolchain,
    decide::{self, OLDEST, Step},
    probe::{self, Facts, Rustup},
};
use crate::{
    failure::Failure,
    install::{
        self, apt,
        apt::Apt,
        plan::{self, Action},
        policy::Policy,
    },
    process, project,
    qemu::find,
    say::say,
};
use anyhow::Result;
use std::{collections::BTreeMap, process::Stdio};

/// What the toolchain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Building images.
    Build,
    /// Building and linting.
    Clippy,
}

/// Packages that make up a toolchain: compiler (first), cargo, library source, clippy. Debian's stable releases have
/// their own compiler and a newer one for browsers; whichever is new enough.
const TOOLCHAINS: [[&str; 4]; 2] =
    [["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"], ["rustc", "cargo", "rust-src", "rust-clippy"]];
/// Packages that have an LLVM linker, best first.
const LINKERS: [&str; 2] = ["lld-19", "lld"];

/// Finds a toolchain, or installs one.
pub fn ensure(need: Need) -> Result<Toolchain> {
    let mut facts = Facts::probe();
    let mut installed = false;
    loop {
        match decide::decide(&facts, need == Need::Clippy) {
            Step::Use(toolchain) => return Ok(toolchain),
            Step::AddTarget if facts.no_install => {
                return Err(install::by_hand(
                    "the bare-metal target is missing",
                    &[decide::rustup_command().join(" ")],
                )
                .into());
            }
            Step::AddTarget => {
                add_target(need);
                // Asked once: if the target is still not there, the next choice comes without rustup.
                facts = Facts { rustup: Rustup::Failed, ..Facts::probe() };
            }
            Step::Apt { .. } if installed => {
                return Err(Failure::new("apt installed the toolchain, but it does not work")
                    .hint("`cargo run -- setup` says what was found; `/usr/bin/rustc --version` should run")
                    .into());
            }
            Step::Apt { .. } => {
                let _one_at_a_time = install::lock()?;
                // Whoever had the lock before may have installed it.
                facts = Facts { rustup: facts.rustup, ..Facts::probe() };
                if let Step::Apt { toolchain, linker } = decide::decide(&facts, need == Need::Clippy) {
                    install_with_apt(toolchain, linker, facts.no_install)?;
                    installed = true;
                    facts = Facts { rustup: facts.rustup, ..Facts::probe() };
                }
            }
            Step::Impossible(why) => {
                return Err(Failure::new(format!("no toolchain here can build for {}: {why}", project::TARGET))
                    .hint(format!(
                        "install rustup (https://rustup.rs), then `{}`; or a rustc ≥ {OLDEST} with its library source",
                        decide::rustup_command().join(" ")
                    ))
                    .into());
            }
        }
    }
}

/// Asks rustup. Failing is not the end: there are other ways, so it is only said.
fn add_target(need: Need) {
    let mut requests = vec![decide::rustup_command().to_vec()];
    if need == Need::Clippy {
        requests.push(vec!["rustup", "component", "add", "clippy"]);
    }
    for words in requests {
        say(format_args!("{} (to build the kernel for the bare machine)", words.join(" ")));
        let mut rustup = probe::with_outer_toolchain(process::clean(words[0]));
        if let Ok(root) = project::root() {
            rustup.current_dir(root);
        }
        // Standard output belongs to the kernel: rustup's words go where the tool's go.
        let done = rustup.args(&words[1..]).stdin(Stdio::null()).stdout(std::io::stderr()).status();
        if !done.is_ok_and(|status| status.success()) {
            return say("rustup could not; trying another way");
        }
    }
}

fn install_with_apt(toolchain: bool, linker: bool, no_install: bool) -> Result<()> {
    let what = match (toolchain, linker) {
        (true, true) => "a Rust toolchain with library source and an LLVM linker are missing",
        (true, false) => "a Rust toolchain with library source is missing",
        _ => "an LLVM linker is missing",
    };
    let names: Vec<&str> = TOOLCHAINS.iter().flatten().chain(&LINKERS).copied().collect();
    let choose = || packages(&apt::policies(&names), toolchain, linker);
    // Should the lists have nothing suitable yet, these are the packages to expect after fetching them.
    let expected = || {
        let chosen = TOOLCHAINS[0].iter().filter(|_| toolchain).chain(LINKERS.first().filter(|_| linker));
        chosen.copied().collect::<Vec<_>>()
    };
    let plan = match choose() {
        Some(packages) => vec![Action::install(&packages)],
        None => vec![Action::Update, Action::install(&expected())],
    };
    if no_install {
        let plan = plan::merge(plan, find::expected_plan());
        return Err(install::by_hand(what, &install::commands(&plan)).into());
    }
    let mut apt = Apt::new(&plan)?;
    say(format_args!("{what}: installing Debian's, which builds core for {}", project::TARGET));
    if let [Action::Install { .. }] = plan[..] {
        // Old lists name files that the mirror no longer has: one more try with new ones.
        if apt.perform(&plan[0]).is_ok() {
            return Ok(());
        }
    }
    apt.perform(&Action::Update)?;
    let packages = choose().ok_or_else(|| {
        Failure::new(format!("apt offers no rustc ≥ {OLDEST} with its library source and an LLVM linker"))
            .hint("check the network and that apt's sources have the release's security suite; or install rustup (https://rustup.rs)")
    })?;
    apt.perform(&Action::install(&packages))
}

/// The packages that apt can install now and that are new enough.
fn packages(policies: &BTreeMap<String, Policy>, toolchain: bool, linker: bool) -> Option<Vec<&'static str>> {
    let candidate = |name: &str| policies.get(name).and_then(|policy| policy.candidate);
    let mut chosen: Vec<&'static str> = Vec::new();
    if toolchain {
        chosen.extend_from_slice(TOOLCHAINS.iter().find(|set| {
            candidate(set[0]).is_some_and(|version| version >= OLDEST)
                && set.iter().all(|name| candidate(name).is_some())
        })?);
    }
    if linker {
        chosen.push(LINKERS.into_iter().find(|name| candidate(name).is_some())?);
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn offering(offers: &[(&str, (u32, u32))]) -> BTreeMap<String, Policy> {
        let policy = |&(name, (major, minor)): &(&str, (u32, u32))| {
            (name.to_owned(), Policy { candidate: Some(Version::new(major, minor)), offers: vec![] })
        };
        offers.iter().map(policy).collect()
    }

    #[test]
    fn only_packages_that_are_new_enough_are_chosen() {
        let web = |minor| TOOLCHAINS[0].map(|name| (name, (1, minor)));
        let own = |minor| TOOLCHAINS[1].map(|name| (name, (1, minor)));
        let lld = [("lld-19", (19, 1))];
        assert_eq!(packages(&offering(&web(85)), true, false), None, "too old");
        assert_eq!(packages(&offering(&web(96)), true, false).unwrap(), TOOLCHAINS[0]);
        assert_eq!(packages(&offering(&[web(85), own(97)].concat()), true, false).unwrap(), TOOLCHAINS[1]);
        assert_eq!(packages(&offering(&web(96)), true, true), None, "no linker to be had");
        assert_eq!(packages(&offering(&lld), false, true).unwrap(), ["lld-19"]);
        assert_eq!(packages(&offering(&web(96)[..3]), true, false), None, "a part is missing");
    }
}
