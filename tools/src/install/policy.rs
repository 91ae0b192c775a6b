//! Which versions of a package does apt know, and which would it install?

use crate::version::Version;
use std::collections::BTreeMap;

/// What `apt-cache policy` says about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The version that a plain install would give.
    pub candidate: Option<Version>,
    /// Every version and the suites that offer it.
    pub offers: Vec<Offer>,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its upstream version.
    pub version: Version,
    /// The suites that have it, such as `bookworm-backports`.
    pub suites: Vec<String>,
}

impl Policy {
    /// A backports suite that offers at least this version.
    pub fn backports(&self, least: Version) -> Option<&str> {
        let new_enough = self.offers.iter().filter(|offer| offer.version >= least);
        new_enough.flat_map(|offer| &offer.suites).map(String::as_str).find(|suite| suite.ends_with("-backports"))
    }
}

/// Reads the output of `apt-cache policy PACKAGE…`; packages that apt does not know are left out.
pub fn parse(text: &str) -> BTreeMap<String, Policy> {
    let mut all = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if !line.starts_with(' ') {
            current = trimmed.strip_suffix(':').map(str::to_owned);
            if let Some(name) = &current {
                all.insert(name.clone(), Policy::default());
            }
            continue;
        }
        let Some(policy) = current.as_ref().and_then(|name| all.get_mut(name)) else { continue };
        if let Some(version) = trimmed.strip_prefix("Candidate:") {
            policy.candidate = Version::debian(version.trim());
        } else if let [priority, _uri, suite, ..] = trimmed.split_whitespace().collect::<Vec<_>>()[..]
            && priority.parse::<i32>().is_ok()
            && !trimmed.starts_with("***")
        {
            let suite = suite.split('/').next().unwrap_or(suite);
            policy.offers.last_mut().into_iter().for_each(|offer| offer.suites.push(suite.to_owned()));
        } else if let Some(version) = version_line(trimmed) {
            policy.offers.push(Offer { version, suites: Vec::new() });
        }
    }
    all
}

/// A line of the version table: `*** 1:10.0.2+ds-2 100` or `1:7.2+dfsg-7 500`.
fn version_line(trimmed: &str) -> Option<Version> {
    let words: Vec<&str> = trimmed.trim_start_matches("***").split_whitespace().collect();
    match words[..] {
        [version, priority] if priority.parse::<i32>().is_ok() => Version::debian(version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
qemu-system-arm:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:10.0.2+ds-2+deb13u1~bpo12+1 100
        100 http://mirror.example/debian bookworm-backports/main amd64 Packages
        100 /var/lib/dpkg/status
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
rustc-web:
  Installed: 1.96.0+dfsg1-1~deb12u2
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
 *** 1.96.0+dfsg1-1~deb12u2 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
        100 /var/lib/dpkg/status
     1.85.0+dfsg3-1~deb12u3 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
lld-99:
  Installed: (none)
  Candidate: (none)
  Version table:
";

    #[test]
    fn candidates_and_offers() {
        let all = parse(TEXT);
        let qemu = &all["qemu-system-arm"];
        assert_eq!(qemu.candidate, Some(Version::new(7, 2)));
        assert_eq!(qemu.backports(Version::new(9, 2)), Some("bookworm-backports"));
        assert_eq!(qemu.backports(Version::new(11, 0)), None);
        let rustc = &all["rustc-web"];
        assert_eq!(rustc.candidate, Some(Version::new(1, 96)));
        let versions: Vec<_> = rustc.offers.iter().map(|offer| offer.version).collect();
        assert_eq!(versions, [Version::new(1, 96), Version::new(1, 85)]);
        assert_eq!(rustc.offers[1].suites, ["bookworm"]);
        assert_eq!(all["lld-99"], Policy::default());
    }

    #[test]
    fn no_lists_at_all() {
        assert!(parse("").is_empty());
        assert!(parse("N: Unable to locate package x\n").is_empty());
    }
}
