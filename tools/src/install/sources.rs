//! From which mirror does apt take Debian, and what would its backports suite be called?
//!
//! The mirror is read from apt's own sources: on many machines the well-known ones cannot be reached.

use std::{collections::BTreeMap, fs, path::Path};

/// A backports suite on the mirror that the machine already uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackportsSource {
    /// The mirror.
    pub uri: String,
    /// Such as `bookworm-backports`.
    pub suite: String,
    /// The key, where the base suite names one.
    pub signed_by: Option<String>,
}

impl BackportsSource {
    /// The file that this source is written to.
    pub fn path(&self) -> &'static str {
        "/etc/apt/sources.list.d/tophalf-backports.sources"
    }

    /// The file's content, in deb822 format.
    pub fn text(&self) -> String {
        let mut text = format!("Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n", self.uri, self.suite);
        text.extend(self.signed_by.iter().map(|key| format!("Signed-By: {key}\n")));
        text
    }
}

/// The code name of this Debian release; `None` on anything else.
pub fn debian_codename() -> Option<String> {
    codename(&fs::read_to_string("/etc/os-release").ok()?)
}

fn codename(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    value("ID").filter(|id| id == "debian").and_then(|_| value("VERSION_CODENAME"))
}

/// The backports suite of this machine's mirror.
pub fn backports(codename: &str) -> Option<BackportsSource> {
    let dir = Path::new("/etc/apt");
    let mut files: Vec<_> = fs::read_dir(dir.join("sources.list.d")).ok().into_iter().flatten().flatten().collect();
    files.sort_by_key(|entry| entry.file_name());
    let paths = std::iter::once(dir.join("sources.list")).chain(files.into_iter().map(|entry| entry.path()));
    let found = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        match path.extension()?.to_str()? {
            "sources" => in_deb822(&text, codename),
            "list" => in_one_line(&text, codename),
            _ => None,
        }
    };
    paths.into_iter().find_map(found)
}

/// Looks for the base suite in the deb822 format: stanzas of `Key: value`.
fn in_deb822(text: &str, codename: &str) -> Option<BackportsSource> {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    text.split("\n\n").find_map(|stanza| {
        let fields: BTreeMap<String, &str> = stanza
            .lines()
            .filter(|line| !line.starts_with(char::is_whitespace))
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.to_ascii_lowercase(), value.trim()))
            .collect();
        let has = |key: &str, word: &str| fields.get(key).is_some_and(|v| v.split_whitespace().any(|w| w == word));
        let enabled = fields.get("enabled").is_none_or(|value| *value != "no");
        let uri = fields.get("uris")?.split_whitespace().next()?;
        // A key that is written out in the file spans lines; its field is then empty on the first.
        let key = fields.get("signed-by").filter(|key| !key.is_empty());
        (enabled && has("types", "deb") && has("suites", codename))
            .then(|| source(uri, codename, key.map(|key| (*key).to_owned())))
    })
}

/// Looks for the base suite in the one-line format: `deb [options] uri suite components…`.
fn in_one_line(text: &str, codename: &str) -> Option<BackportsSource> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let key = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        (suite == codename).then(|| source(uri, codename, key.map(str::to_owned)))
    })
}

fn source(uri: &str, codename: &str, signed_by: Option<String>) -> BackportsSource {
    BackportsSource { uri: uri.to_owned(), suite: format!("{codename}-backports"), signed_by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deb822() {
        let text = "Types: deb\n# a comment\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\n\n\
            Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
            Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        let found = in_deb822(text, "bookworm").unwrap();
        let key = Some("/usr/share/keyrings/debian-archive-keyring.gpg".to_owned());
        assert_eq!(found, source("http://mirror.example/debian", "bookworm", key));
        assert_eq!(in_deb822(&found.text(), "bookworm-backports").unwrap().uri, found.uri, "apt can read it back");
        assert_eq!(in_deb822(text, "trixie"), None);
    }

    #[test]
    fn one_line() {
        let text = "# deb http://comment.example/debian bookworm main\n\
            deb-src http://mirror.example/src bookworm main\n\
            deb http://security.example/debian-security bookworm-security main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n";
        let found = in_one_line(text, "bookworm");
        assert_eq!(found, Some(source("http://mirror.example/debian", "bookworm", Some("/k.gpg".into()))));
        let plain = in_one_line("deb http://mirror.example/debian/ bookworm main", "bookworm");
        assert_eq!(plain, Some(source("http://mirror.example/debian/", "bookworm", None)));
    }

    #[test]
    fn only_debian_has_debian_backports() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(codename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
    }
}
