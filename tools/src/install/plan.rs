//! What can an installation consist of? Data, so that the same plan can be carried out or printed.

use super::sources::BackportsSource;

/// One step of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fetch the package lists.
    Update,
    /// Add a suite to apt's sources.
    AddSource(BackportsSource),
    /// Install packages, from the default release or from a named one.
    Install {
        /// What to install.
        packages: Vec<String>,
        /// The release to take them, and what they depend on, from.
        release: Option<String>,
    },
}

/// Two plans as one: the lists are fetched once, after every source is known.
pub fn merge(first: Vec<Action>, second: Vec<Action>) -> Vec<Action> {
    let mut all = first;
    all.extend(second);
    // The sort is stable: what is installed first stays first.
    all.sort_by_key(|action| match action {
        Action::AddSource(_) => 0,
        Action::Update => 1,
        Action::Install { .. } => 2,
    });
    all.dedup();
    all
}

impl Action {
    /// An installation from the default release.
    pub fn install(packages: &[&str]) -> Self {
        Self::Install { packages: packages.iter().map(|&p| p.to_owned()).collect(), release: None }
    }

    /// apt-get's arguments, for the actions that are an apt-get command.
    pub fn apt_arguments(&self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Update => vec!["update"],
            Self::AddSource(_) => vec![],
            Self::Install { packages, release } => {
                let mut words = vec!["install", "-y", "--no-install-recommends"];
                words.extend(release.iter().flat_map(|release| ["-t", release.as_str()]));
                words.extend(packages.iter().map(String::as_str));
                words
            }
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// The command that a user types for it.
    pub fn shell(&self, sudo: &str) -> String {
        match self {
            Self::AddSource(source) => {
                let text = source.text().replace('\n', "\\n");
                format!("printf '{text}' | {sudo}tee {}", source.path())
            }
            apt => format!("{sudo}apt-get {}", apt.apt_arguments().join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_plans_fetch_the_lists_once() {
        let source = BackportsSource { uri: "http://m.example".into(), suite: "s-backports".into(), signed_by: None };
        let install = |name| Action::install(&[name]);
        let merged = merge(
            vec![Action::Update, install("rustc")],
            vec![Action::AddSource(source.clone()), Action::Update, install("qemu")],
        );
        assert_eq!(merged, [Action::AddSource(source), Action::Update, install("rustc"), install("qemu")]);
    }

    #[test]
    fn what_is_printed_is_what_is_run() {
        let action = Action::Install { packages: vec!["qemu-system-arm".into()], release: Some("x-backports".into()) };
        assert_eq!(
            action.shell("sudo "),
            "sudo apt-get install -y --no-install-recommends -t x-backports qemu-system-arm"
        );
        assert_eq!(Action::Update.shell(""), "apt-get update");
        assert_eq!(Action::install(&["a", "b"]).apt_arguments().join(" "), "install -y --no-install-recommends a b");
    }
}
