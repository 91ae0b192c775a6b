//! Which toolchain follows from the facts? A pure function, so that every machine can be tried on any other.

use super::{
    Toolchain,
    probe::{Facts, Rustc, Rustup},
};
use crate::{project, version::Version};

/// The oldest compiler that knows everything the kernel uses; the workspace's `rust-version`.
pub const OLDEST: Version = Version::new(1, 95);

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Build with this one.
    Use(Toolchain),
    /// Ask rustup for the target, then look again.
    AddTarget,
    /// Install packages with apt, then look again.
    Apt {
        /// Debian's whole toolchain is missing, not only the linker.
        toolchain: bool,
        /// An LLVM linker is missing.
        linker: bool,
    },
    /// There is no way on this machine; why.
    Impossible(&'static str),
}

/// Chooses. `clippy` asks for a toolchain that can also lint.
pub fn decide(facts: &Facts, clippy: bool) -> Step {
    let fit = |rustc: &&Rustc| rustc.version >= OLDEST && rustc.has_cargo && (rustc.has_clippy || !clippy);
    let known = || facts.compilers.iter().filter(fit);
    if let Some(rustc) = known().find(|rustc| rustc.has_target) {
        return Step::Use(Toolchain { sysroot: rustc.sysroot.clone(), linker: None, build_std: false });
    }
    let from_source = known().find(|rustc| rustc.has_source);
    // Whoever wants to install by hand is better served by what is there than by a command.
    let rather_not = facts.no_install && from_source.is_some() && facts.linker.is_some();
    if facts.rustup == Rustup::Allowed && !rather_not {
        return Step::AddTarget;
    }
    match (from_source, &facts.linker) {
        (Some(rustc), Some(linker)) => {
            Step::Use(Toolchain { sysroot: rustc.sysroot.clone(), linker: Some(linker.clone()), build_std: true })
        }
        (rustc, linker) if facts.apt => Step::Apt { toolchain: rustc.is_none(), linker: linker.is_none() },
        _ => Step::Impossible(match facts.rustup {
            Rustup::Absent => "there is neither rustup nor apt on this machine",
            Rustup::Forbidden => "RUSTUP_AUTO_INSTALL=0 forbids rustup to download, and there is no apt",
            Rustup::Failed | Rustup::Allowed => "rustup could not add the target, and there is no apt",
        }),
    }
}

/// The command that adds the target to the active toolchain.
pub fn rustup_command() -> [&'static str; 4] {
    ["rustup", "target", "add", project::TARGET]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn rustc(sysroot: &str) -> Rustc {
        let version = Version::new(1, 96);
        let sysroot = PathBuf::from(sysroot);
        Rustc { sysroot, version, has_target: false, has_source: false, has_cargo: true, has_clippy: true }
    }

    fn with_source() -> Rustc {
        Rustc { has_source: true, ..rustc("/usr") }
    }

    fn facts() -> Facts {
        Facts {
            compilers: vec![rustc("/rustup/stable")],
            rustup: Rustup::Allowed,
            linker: Some("/usr/bin/ld.lld-19".into()),
            apt: true,
            no_install: false,
        }
    }

    /// The same machine with one more compiler.
    fn and(other: Rustc, facts: Facts) -> Facts {
        Facts { compilers: [facts.compilers, vec![other]].concat(), ..facts }
    }

    fn from_source() -> Step {
        let linker = Some("/usr/bin/ld.lld-19".into());
        Step::Use(Toolchain { sysroot: "/usr".into(), linker, build_std: true })
    }

    fn with_target(sysroot: &str) -> Step {
        Step::Use(Toolchain { sysroot: sysroot.into(), linker: None, build_std: false })
    }

    #[test]
    fn an_installed_target_comes_first_whatever_else_is_there() {
        let active = Rustc { has_target: true, ..rustc("/rustup/stable") };
        for rustup in [Rustup::Absent, Rustup::Forbidden, Rustup::Failed, Rustup::Allowed] {
            for no_install in [false, true] {
                let compilers = vec![active.clone(), with_source()];
                let facts = Facts { compilers, rustup, no_install, ..facts() };
                assert_eq!(decide(&facts, false), with_target("/rustup/stable"));
            }
        }
        let system = Rustc { has_target: true, ..rustc("/usr") };
        assert_eq!(decide(&and(system, facts()), false), with_target("/usr"));
    }

    #[test]
    fn rustup_is_asked_before_source_and_apt_when_it_may() {
        assert_eq!(decide(&facts(), false), Step::AddTarget);
        assert_eq!(decide(&and(with_source(), facts()), false), Step::AddTarget);
    }

    #[test]
    fn rustup_is_never_asked_where_it_may_not() {
        for rustup in [Rustup::Absent, Rustup::Forbidden, Rustup::Failed] {
            let facts = Facts { rustup, ..facts() };
            assert_eq!(decide(&and(with_source(), facts.clone()), false), from_source());
            assert_eq!(decide(&facts, false), Step::Apt { toolchain: true, linker: false });
            assert_eq!(
                decide(&Facts { linker: None, ..facts.clone() }, false),
                Step::Apt { toolchain: true, linker: true }
            );
            assert!(matches!(decide(&Facts { apt: false, ..facts }, false), Step::Impossible(_)));
        }
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let facts = Facts { rustup: Rustup::Forbidden, linker: None, ..and(with_source(), facts()) };
        assert_eq!(decide(&facts, false), Step::Apt { toolchain: false, linker: true });
    }

    #[test]
    fn who_installs_by_hand_gets_what_works_before_a_command() {
        let facts = Facts { no_install: true, ..facts() };
        assert_eq!(decide(&facts, false), Step::AddTarget);
        assert_eq!(decide(&and(with_source(), facts), false), from_source());
    }

    #[test]
    fn too_old_or_incomplete_is_as_good_as_missing() {
        let base = Facts { rustup: Rustup::Absent, ..facts() };
        let missing = Step::Apt { toolchain: true, linker: false };
        for system in [
            Rustc { version: Version::new(1, 85), ..with_source() },
            Rustc { has_cargo: false, ..with_source() },
            Rustc { version: Version::new(1, 94), has_target: true, ..rustc("/usr") },
        ] {
            assert_eq!(decide(&and(system, base.clone()), false), missing);
        }
        let facts = and(Rustc { has_clippy: false, ..with_source() }, base);
        assert_eq!(decide(&facts, false), from_source());
        assert_eq!(decide(&facts, true), missing, "linting needs clippy");
    }

    #[test]
    fn a_rustup_toolchain_with_source_serves_too() {
        let compilers = vec![Rustc { has_source: true, ..rustc("/rustup/stable") }];
        let facts = Facts { compilers, rustup: Rustup::Forbidden, ..facts() };
        assert!(matches!(decide(&facts, false), Step::Use(t) if t.build_std && t.sysroot.ends_with("stable")));
    }
}
