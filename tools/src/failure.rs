//! How does a failure reach the user? As `error:`, its causes, and a `hint:` with the next step; never as a backtrace.

use std::fmt;

/// A failure that the user can do something about.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    status: u8,
    cause: Option<anyhow::Error>,
}

/// Exit status of a plain failure.
pub const FAILED: u8 = 1;
/// Exit status of a command line that makes no sense, or that asks for what does not exist yet.
pub const USAGE: u8 = 2;
/// Exit status of a run that the watchdog ended, as `timeout(1)` has it.
pub const TIMED_OUT: u8 = 124;

/// Exit status of a run that a signal ended, as a shell reports it.
pub fn by_signal(signal: i32) -> u8 {
    128_u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}

impl Failure {
    /// A failure with exit status 1 and no hint yet.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, status: FAILED, cause: None }
    }

    /// Says what the user can do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit status.
    pub fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// Says what went wrong underneath.
    pub fn cause(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| -> &(dyn std::error::Error + 'static) { cause.as_ref() })
    }
}

/// Did it fail because nobody reads standard output any more, as in `… | head`? That needs no words.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |layer: &std::io::Error| layer.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|layer| layer.downcast_ref()).any(broken)
}

/// The text for standard error, without a last newline, and the exit status.
pub fn explain(error: &anyhow::Error) -> (String, u8) {
    let mut lines = Vec::new();
    let mut hint = None;
    let mut status = None;
    for (depth, layer) in error.chain().enumerate() {
        lines.push(format!("{}: {layer}", if depth == 0 { "error" } else { "  cause" }));
        if let Some(failure) = layer.downcast_ref::<Failure>() {
            hint = hint.or(failure.hint.as_deref());
            status = status.or(Some(failure.status));
        }
    }
    lines.extend(hint.map(|hint| format!("hint: {}", hint.replace('\n', "\n      "))));
    (lines.join("\n"), status.unwrap_or(FAILED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_hint_and_status_come_through_context() {
        let inner = Failure::new("no linker").hint("install one").status(USAGE).cause(std::io::Error::other("gone"));
        let error = Err::<(), _>(anyhow::Error::from(inner)).context("cannot build").unwrap_err();
        let (text, status) = explain(&error);
        assert_eq!(text, "error: cannot build\n  cause: no linker\n  cause: gone\nhint: install one");
        assert_eq!(status, USAGE);
    }

    #[test]
    fn a_reader_that_left_is_recognised() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(gone).context("cannot print")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }

    #[test]
    fn unknown_errors_are_plain_failures_without_a_backtrace() {
        let (text, status) = explain(&anyhow::anyhow!("broken"));
        assert_eq!((text.as_str(), status), ("error: broken", FAILED));
    }
}
