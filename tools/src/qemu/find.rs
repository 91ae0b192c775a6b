//! Which QEMU runs the images, and how is one installed?

use crate::{
    board::Board,
    failure::Failure,
    install::{
        self,
        apt::{self, Apt},
        plan::Action,
        policy::Policy,
        sources::{self, BackportsSource},
    },
    process,
    say::say,
    version::Version,
};
use anyhow::Result;
use std::{path::PathBuf, process::Command, sync::OnceLock};

/// A QEMU that can run the images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qemu {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

/// The oldest QEMU whose `virt` board the kernel is tested on.
pub const OLDEST: Version = Version::new(7, 2);
/// From here on `virt` has a second UART. It is what gets installed where it is to be had.
pub const WANTED: Version = Version::new(9, 2);

const PROGRAM: &str = "qemu-system-aarch64";
const PACKAGE: &str = "qemu-system-arm";

impl Qemu {
    /// The QEMU in `PATH`, whatever its version.
    pub fn find() -> Option<Self> {
        let path = install::find_program(PROGRAM)?;
        let version = Version::find(&process::answer(Command::new(&path).arg("--version"))?)?;
        Some(Self { path, version })
    }

    /// Finds a QEMU that plays this board, or installs it. Looks only once: every test trial asks.
    pub fn ensure(board: Board) -> Result<Self> {
        static FOUND: [OnceLock<Qemu>; Board::ALL.len()] = [const { OnceLock::new() }; Board::ALL.len()];
        let known = &FOUND[board as usize];
        if let Some(qemu) = known.get() {
            return Ok(qemu.clone());
        }
        let good = |qemu: &Self| qemu.version >= board.oldest_qemu();
        let qemu = match Self::find().filter(good) {
            Some(qemu) => qemu,
            None => {
                let _one_at_a_time = install::lock()?;
                // Whoever had the lock before may have installed it.
                let found = Self::find();
                if !found.as_ref().is_some_and(good) {
                    install(board, found.as_ref())?;
                }
                Self::find().filter(good).ok_or_else(|| {
                    Failure::new(format!("{PROGRAM} was installed, but it does not run or is still too old"))
                        .hint(format!("`{PROGRAM} --version` must say {} or newer", board.oldest_qemu()))
                })?
            }
        };
        Ok(known.get_or_init(|| qemu).clone())
    }
}

/// What the plan depends on.
#[derive(Clone, Debug)]
struct Facts {
    /// The oldest version that will do.
    oldest: Version,
    /// What apt knows about the package.
    policy: Policy,
    /// The backports suite of this machine's mirror, unless it has been tried.
    backports: Option<BackportsSource>,
    /// The package lists were fetched just now.
    fresh: bool,
}

impl Facts {
    fn probe(oldest: Version) -> Self {
        let backports = sources::debian_codename().and_then(|codename| sources::backports(&codename));
        Self { oldest, policy: look(), backports, fresh: false }
    }
}

fn look() -> Policy {
    apt::policies(&[PACKAGE]).remove(PACKAGE).unwrap_or_default()
}

/// What installing QEMU will probably take; nothing where there is one. For who installs by hand, and wants to do it once.
pub fn expected_plan() -> Vec<Action> {
    if Qemu::find().is_some_and(|qemu| qemu.version >= OLDEST) { Vec::new() } else { foresee(&Facts::probe(OLDEST)) }
}

/// The next action towards an installed QEMU; `None` if there is none left. An `Install` is the last one.
///
/// The backports' QEMU has to come whole from there: where another part of it (`qemu-utils`) was already installed from
/// backports, a plain install fails, because it wants that part's older version.
fn next(facts: &Facts) -> Option<Action> {
    let from = |release: Option<&str>| Action::Install {
        packages: vec![PACKAGE.to_owned()],
        release: release.map(str::to_owned),
    };
    let candidate = facts.policy.candidate;
    if candidate.is_some_and(|version| version >= WANTED) && facts.policy.backports(WANTED).is_none() {
        return Some(from(None));
    }
    if let Some(suite) = facts.policy.backports(WANTED) {
        return Some(from(Some(suite)));
    }
    match (&facts.backports, facts.fresh) {
        (_, false) if candidate.is_none() => Some(Action::Update),
        (Some(source), _) => Some(Action::AddSource(source.clone())),
        _ if candidate.is_some_and(|version| version >= facts.oldest) => Some(from(None)),
        (None, false) => Some(Action::Update),
        _ => None,
    }
}

fn install(board: Board, found: Option<&Qemu>) -> Result<()> {
    let oldest = board.oldest_qemu();
    let missing = match found {
        Some(old) => {
            let board = if board == Board::Virt { String::new() } else { format!(" for the board {}", board.name()) };
            format!("{PROGRAM} {} is too old: {oldest} is needed{board}", old.version)
        }
        None => format!("{PROGRAM} is missing"),
    };
    if install::find_program("apt-get").is_none() {
        let hint = match std::env::consts::OS {
            "macos" if found.is_some() => "brew upgrade qemu".to_owned(),
            "macos" => "brew install qemu".to_owned(),
            _ => format!(
                "install QEMU ≥ {oldest} for ARM64 with your system's package manager (https://www.qemu.org/download)"
            ),
        };
        return Err(Failure::new(missing).hint(hint).into());
    }
    let mut facts = Facts::probe(oldest);
    let plan = foresee(&facts);
    if plan.is_empty() {
        return Err(none_new_enough(missing, &facts).into());
    }
    if install::no_install() {
        return Err(install::by_hand(&missing, &install::commands(&plan)).into());
    }
    let mut apt = Apt::new(&plan)?;
    say(format_args!("{missing}: installing the package {PACKAGE}, to run the kernel without a board"));
    while let Some(action) = next(&facts) {
        match &action {
            Action::Install { release: Some(release), .. } => match apt.perform(&action) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    say(format_args!("{release} did not work ({error}); trying the release itself"));
                    facts.policy.offers.clear();
                    facts.backports = None;
                }
            },
            Action::Install { .. } if facts.fresh => return apt.perform(&action),
            Action::Install { .. } => match apt.perform(&action) {
                Ok(()) => return Ok(()),
                // Old lists name files that the mirror no longer has.
                Err(_) => {
                    apt.perform(&Action::Update)?;
                    facts = Facts { policy: look(), fresh: true, ..facts };
                }
            },
            Action::AddSource(source) => {
                say(format_args!("this release's QEMU is older than {WANTED}; {} has a newer one", source.suite));
                apt.perform(&action)?;
                let updated = apt.perform(&Action::Update);
                facts = Facts { policy: look(), backports: None, fresh: true, ..facts };
                if facts.policy.backports(WANTED).is_none() {
                    say(format_args!("{} cannot be used; leaving it out again", source.suite));
                    apt.remove_source(source)?;
                    updated.or_else(|_| apt.perform(&Action::Update))?;
                }
            }
            Action::Update => {
                apt.perform(&action)?;
                facts = Facts { policy: look(), fresh: true, ..facts };
            }
        }
    }
    Err(none_new_enough(missing, &facts).into())
}

/// Says what is left where apt has nothing that will do.
fn none_new_enough(missing: String, facts: &Facts) -> Failure {
    let oldest = facts.oldest;
    match facts.policy.candidate {
        Some(candidate) => Failure::new(format!("{missing}; apt offers {candidate}")).hint(format!(
            "take a newer release of this system, or QEMU ≥ {oldest} from https://www.qemu.org/download; if apt's lists are old,\n\
             `apt-get update` may find one"
        )),
        None => Failure::new(format!("{missing}; apt offers no {PACKAGE} ≥ {oldest}"))
            .hint("check the network and apt's sources, then try again"),
    }
}

/// The commands that will probably be needed, as far as can be told without fetching the lists; none where they would not help:
/// a release that has too old a QEMU does not get another one.
fn foresee(facts: &Facts) -> Vec<Action> {
    let mut facts = facts.clone();
    let mut plan = Vec::new();
    while let Some(action) = next(&facts) {
        match &action {
            Action::Install { .. } => {
                plan.push(action);
                return plan;
            }
            Action::AddSource(source) => {
                // What the suite will offer after the update.
                let offer = install::policy::Offer { version: WANTED, suites: vec![source.suite.clone()] };
                facts.policy.offers.push(offer);
                plan.extend([action, Action::Update]);
            }
            Action::Update => {
                facts.policy.candidate = facts.policy.candidate.or(Some(facts.oldest));
                facts.fresh = true;
                if facts.backports.is_none() {
                    plan.push(action);
                }
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::policy::Offer;

    fn offer(version: Version, suite: &str) -> Offer {
        Offer { version, suites: vec![suite.to_owned()] }
    }

    fn source() -> BackportsSource {
        BackportsSource {
            uri: "http://mirror.example/debian".into(),
            suite: "bookworm-backports".into(),
            signed_by: None,
        }
    }

    fn bookworm() -> Facts {
        let policy = Policy { candidate: Some(OLDEST), offers: vec![offer(OLDEST, "bookworm")] };
        Facts { backports: Some(source()), policy, ..nothing() }
    }

    fn nothing() -> Facts {
        Facts { oldest: OLDEST, policy: Policy::default(), backports: None, fresh: false }
    }

    fn install(release: Option<&str>) -> Action {
        Action::Install { packages: vec![PACKAGE.into()], release: release.map(str::to_owned) }
    }

    #[test]
    fn backports_that_apt_knows_are_used_at_once() {
        let mut facts = bookworm();
        facts.policy.offers.push(offer(Version::new(10, 0), "bookworm-backports"));
        assert_eq!(next(&facts), Some(install(Some("bookworm-backports"))));
        // They stay the right release when qemu-utils is pinned to them and the candidate is already theirs.
        facts.policy.candidate = Some(Version::new(10, 0));
        assert_eq!(next(&facts), Some(install(Some("bookworm-backports"))));
    }

    #[test]
    fn backports_are_added_where_the_release_is_older_than_wanted() {
        assert_eq!(next(&bookworm()), Some(Action::AddSource(source())));
        let plan = foresee(&bookworm());
        assert_eq!(plan, [Action::AddSource(source()), Action::Update, install(Some("bookworm-backports"))]);
    }

    #[test]
    fn the_release_itself_serves_without_backports() {
        assert_eq!(next(&Facts { backports: None, ..bookworm() }), Some(install(None)));
    }

    #[test]
    fn a_new_release_needs_no_backports() {
        let policy = Policy { candidate: Some(Version::new(10, 0)), offers: vec![] };
        assert_eq!(next(&Facts { policy, ..bookworm() }), Some(install(None)));
    }

    /// A board may need more than `virt` does: what the release offers will not do then, its backports will.
    #[test]
    fn a_board_that_needs_a_newer_one() {
        let facts = Facts { oldest: Board::Raspi4.oldest_qemu(), ..bookworm() };
        let plan = foresee(&facts);
        assert_eq!(plan, [Action::AddSource(source()), Action::Update, install(Some("bookworm-backports"))]);
        let alone = Facts { backports: None, ..facts };
        assert_eq!(next(&alone), Some(Action::Update));
        assert_eq!(next(&Facts { fresh: true, ..alone }), None);
    }

    #[test]
    fn empty_lists_are_fetched_once() {
        let empty = Facts { backports: Some(source()), ..nothing() };
        assert_eq!(next(&empty), Some(Action::Update));
        assert_eq!(next(&Facts { fresh: true, ..nothing() }), None);
        assert_eq!(foresee(&empty).last(), Some(&install(Some("bookworm-backports"))));
        assert_eq!(foresee(&nothing()), [Action::Update, install(None)]);
    }

    #[test]
    fn too_old_everywhere() {
        let policy = Policy { candidate: Some(Version::new(6, 2)), offers: vec![] };
        assert_eq!(next(&Facts { policy: policy.clone(), ..nothing() }), Some(Action::Update));
        let facts = Facts { policy, ..nothing() };
        assert_eq!(next(&Facts { fresh: true, ..facts.clone() }), None);
        assert_eq!(foresee(&facts), []);
    }

    /// BU-05: Ubuntu 24.04 has 8.2, and no backports of Debian's: no command is named that would bring that again.
    #[test]
    fn a_release_that_is_too_old_for_a_board() {
        let policy = Policy { candidate: Some(Version::new(8, 2)), offers: vec![offer(Version::new(8, 2), "noble")] };
        let facts = Facts { oldest: Board::Raspi4.oldest_qemu(), policy, ..nothing() };
        assert_eq!(foresee(&facts), []);
        let text = crate::failure::explain(&none_new_enough("8.2 is too old".into(), &facts).into()).0;
        assert!(text.contains("8.2 is too old; apt offers 8.2") && text.contains("qemu.org"), "{text}");
        assert!(!text.contains("apt-get install"), "{text}");
    }
}
