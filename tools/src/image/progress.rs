//! How is a nested cargo shown? As a progress bar while it compiles, where there is a terminal for it, not at all when there is
//! nothing to do, and its warnings and errors as they are.

use crate::{failure::Failure, process, say::say};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

/// What a line of cargo's output is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// `Building [==> ] 3/20: core, …`
    Progress { done: u64, total: u64, names: &'a str },
    /// A unit starts: `Compiling core v0.0.0`.
    Unit,
    /// Says nothing that the user needs.
    Noise,
    /// A diagnostic.
    Words,
}

/// Runs cargo on a package, `fancy` with a bar and colours; an error says that it failed, after cargo has said why.
pub fn run(cargo: &mut Command, package: &str, fancy: bool) -> Result<()> {
    // A fixed width, because cargo cannot see the terminal through the pipe.
    cargo.env("CARGO_TERM_PROGRESS_WHEN", if fancy { "always" } else { "never" });
    cargo.env("CARGO_TERM_PROGRESS_WIDTH", "100").env("CARGO_TERM_COLOR", if fancy { "always" } else { "never" });
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", process::name(cargo)))?;
    let stderr = child.stderr.take().context("cargo has no standard error")?;
    let offline = show(BufReader::new(stderr), package, fancy)?;
    if child.wait()?.success() {
        return Ok(());
    }
    let failure = Failure::new(format!("`{package}` did not build"));
    Err(match offline {
        true => {
            failure.hint("the first build downloads crates: connect to the network once; later builds work offline")
        }
        false => failure,
    }
    .into())
}

/// Shows cargo's output. Returns whether it could not reach the registry.
fn show(mut output: impl BufRead, package: &str, fancy: bool) -> Result<bool> {
    let mut bar: Option<ProgressBar> = None;
    let mut announced = false;
    let mut offline = false;
    let mut line = Vec::new();
    while read_piece(&mut output, &mut line)? {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        match classify(&plain(text)) {
            Line::Progress { done, total, names } if announced => {
                let bar = bar.get_or_insert_with(|| progress_bar(package));
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(names.to_owned());
            }
            Line::Unit if !announced => {
                announced = true;
                say(format_args!("building `{package}`"));
            }
            Line::Progress { .. } | Line::Unit | Line::Noise => {}
            Line::Words => {
                offline |= ["failed to download", "failed to fetch", "Could not resolve host", "could not connect"]
                    .iter()
                    .any(|words| text.contains(words));
                match &bar {
                    Some(bar) => bar.suspend(|| eprintln!("{text}")),
                    None => eprintln!("{text}"),
                }
            }
        }
        line.clear();
    }
    if let Some(bar) = bar.filter(|_| fancy) {
        bar.finish_and_clear();
    }
    Ok(offline)
}

/// Reads up to a line feed or a carriage return, which ends a piece of progress.
fn read_piece(input: &mut impl BufRead, piece: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(!piece.is_empty());
        }
        let end = available.iter().position(|&byte| byte == b'\n' || byte == b'\r');
        let used = end.map_or(available.len(), |at| at + 1);
        piece.extend_from_slice(&available[..used]);
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The text without terminal escapes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("\x1b[");
    out.extend(parts.next());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        out.push_str(&part[end..]);
    }
    out
}

fn classify(text: &str) -> Line<'_> {
    let words = text.trim_start();
    let Some((first, rest)) = words.split_once(' ') else {
        return if words.is_empty() { Line::Noise } else { Line::Words };
    };
    // cargo's status words are set to the right in twelve columns; a diagnostic starts at the left or with a number.
    if text.len() == words.len() {
        return if first == "Building" { progress(rest).unwrap_or(Line::Words) } else { Line::Words };
    }
    match first {
        "Building" => progress(rest).unwrap_or(Line::Words),
        "Compiling" | "Checking" => Line::Unit,
        "Finished" | "Blocking" | "Downloading" | "Downloaded" | "Updating" | "Locking" | "Adding" | "Fresh" => {
            Line::Noise
        }
        _ => Line::Words,
    }
}

fn progress(rest: &str) -> Option<Line<'_>> {
    let (_bar, rest) = rest.split_once("] ")?;
    let (counts, names) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = counts.trim().split_once('/')?;
    Some(Line::Progress { done: done.parse().ok()?, total: total.parse().ok()?, names: names.trim() })
}

fn progress_bar(package: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(package.to_owned());
    match ProgressStyle::with_template("{prefix} [{elapsed}] {bar:24} {pos}/{len} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo() {
        let progress = Line::Progress { done: 3, total: 20, names: "core, logic" };
        assert_eq!(classify("    Building [==>      ] 3/20: core, logic"), progress);
        assert_eq!(classify("   Compiling core v0.0.0 (/usr/lib)"), Line::Unit);
        assert_eq!(classify("    Finished `image` profile [optimized] target(s) in 0.05s"), Line::Noise);
        assert_eq!(classify("    Blocking waiting for file lock on build directory"), Line::Noise);
        assert_eq!(classify("error[E0308]: mismatched types"), Line::Words);
        assert_eq!(classify("warning: unused variable"), Line::Words);
        assert_eq!(classify(" --> kernel/src/lib.rs:1:1"), Line::Words);
        assert_eq!(classify("4 |     Building [x"), Line::Words);
        assert_eq!(classify(""), Line::Noise);
    }

    #[test]
    fn colours_do_not_hide_what_a_line_is() {
        assert_eq!(plain("\x1b[1m\x1b[32m   Compiling\x1b[0m core v0.0.0"), "   Compiling core v0.0.0");
        assert_eq!(plain("\x1b[K\x1b[36m    Building\x1b[0m [=> ] 1/2: a"), "    Building [=> ] 1/2: a");
    }

    #[test]
    fn pieces_end_at_either_kind_of_line_end() {
        let mut input = &b"a\rb\nc"[..];
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        while read_piece(&mut input, &mut piece).unwrap() {
            pieces.push(String::from_utf8(std::mem::take(&mut piece)).unwrap());
        }
        assert_eq!(pieces, ["a\r", "b\n", "c"]);
    }
}
