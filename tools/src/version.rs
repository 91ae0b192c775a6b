//! Which version does a program or a package have?

use std::fmt;

/// The first two numbers of a version: all that any requirement here looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After the dot.
    pub minor: u32,
}

impl Version {
    /// A version by its numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The first `major.minor` in a program's `--version` output.
    pub fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::leading)
    }

    /// The upstream version of a Debian package version, such as `1:10.0.2+ds-2~bpo12+1`.
    pub fn debian(text: &str) -> Option<Self> {
        Self::leading(text.split_once(':').map_or(text, |(_epoch, rest)| rest))
    }

    fn leading(word: &str) -> Option<Self> {
        let mut numbers = word.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?;
        if word.as_bytes().get(major.len()) != Some(&b'.') {
            return None;
        }
        Some(Self { major: major.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_output() {
        for (text, version) in [
            ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright (c) 2003", Some((10, 0))),
            ("QEMU emulator version 7.2.15", Some((7, 2))),
            ("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)", Some((1, 96))),
            ("rustc 1.97.0-nightly (abc 2026-01-01)", Some((1, 97))),
            ("no version here", None),
            ("", None),
        ] {
            assert_eq!(Version::find(text), version.map(|(a, b)| Version::new(a, b)), "{text}");
        }
    }

    #[test]
    fn debian_packages() {
        for (text, version) in [
            ("1:10.0.2+ds-2+deb13u1~bpo12+1", Some((10, 0))),
            ("1:7.2+dfsg-7+deb12u18+b3", Some((7, 2))),
            ("1.96.0+dfsg1-1~deb12u2", Some((1, 96))),
            ("(none)", None),
        ] {
            assert_eq!(Version::debian(text), version.map(|(a, b)| Version::new(a, b)), "{text}");
        }
    }

    #[test]
    fn order_is_numeric() {
        assert!(Version::new(1, 100) > Version::new(1, 95) && Version::new(2, 0) > Version::new(1, 99));
    }
}
