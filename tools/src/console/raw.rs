//! How does every key reach the kernel? The terminal stops treating keys itself, until the guard is dropped.

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Stdin, stdin};

/// The terminal in raw mode. Dropping it, also while a panic unwinds, restores what was before.
pub struct RawTerminal {
    terminal: Stdin,
    before: Termios,
}

impl RawTerminal {
    /// Puts standard input into raw mode, if it is a terminal.
    pub fn enter() -> Option<Self> {
        let terminal = stdin();
        let before = terminal.is_terminal().then(|| tcgetattr(&terminal).ok())??;
        let mut raw = before.clone();
        raw.make_raw();
        // Output stays as it was, so that a line feed of the tool's own words still starts a line at the left.
        raw.output_modes |= before.output_modes & (OutputModes::OPOST | OutputModes::ONLCR);
        tcsetattr(&terminal, OptionalActions::Now, &raw).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
