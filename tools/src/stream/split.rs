//! How do text and log lines stay apart? Text to standard output, for scripts; log lines to standard error.

use super::{Sink, logs::LogLine};
use std::io::{self, Write};

/// Text on one output, logs on another.
pub struct Split<T, L> {
    /// Takes the text.
    pub text: T,
    /// Takes the log lines.
    pub logs: L,
}

impl Split<io::Stdout, io::Stderr> {
    /// Standard output and standard error.
    pub fn standard() -> Self {
        Self { text: io::stdout(), logs: io::stderr() }
    }
}

impl<T: Write, L: Write> Sink for Split<T, L> {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.text.write_all(text)?;
        self.text.flush()
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        writeln!(self.logs, "{line}")
    }
}
