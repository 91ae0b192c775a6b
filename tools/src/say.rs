//! How does the tool speak? On standard error, so that standard output stays what the kernel said or was asked for.

use indicatif::{ProgressBar, ProgressStyle};
use std::{io::IsTerminal, time::Duration};

/// Says one line, marked as the tool's.
pub fn say(line: impl std::fmt::Display) {
    eprintln!("tophalf: {line}");
}

/// Prints a result: text for standard output, which a script may read, or stop reading.
pub fn print(text: impl std::fmt::Display) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}")
}

/// Is there somebody at a terminal who sees a moving line?
pub fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar for a known number of steps; invisible unless standard error is a terminal.
pub fn bar(what: &str, steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64).with_prefix(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{wide_bar}] {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// A spinner with the newest line of a long job; invisible unless standard error is a terminal.
pub fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
