//! How do log lines and text share one output? Each log line stands on a line of its own; a half-written line, such as a
//! prompt with half a command, is printed again below it.

use super::{Sink, logs::LogLine};
use std::io::{self, Write};

/// A longer line than this is not printed again.
const LONGEST_LINE: usize = 1024;

/// Text and logs on one output.
pub struct Inline<W> {
    out: W,
    terminal: bool,
    /// What was printed since the last line end.
    line: Vec<u8>,
    too_long: bool,
}

impl<W: Write> Inline<W> {
    /// `terminal`: somebody looks at it, so escapes may be used.
    pub fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, line: Vec::new(), too_long: false }
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Does what comes next begin a line?
    pub fn at_line_start(&self) -> bool {
        self.line.is_empty() && !self.too_long
    }

    /// Ends a half-written line, so that the next program's words start at the left.
    pub fn end_line(&mut self) -> io::Result<()> {
        if !self.at_line_start() {
            self.line.clear();
            self.too_long = false;
            self.out.write_all(b"\r\n")?;
        }
        self.out.flush()
    }

    fn remember(&mut self, text: &[u8]) {
        let rest = match text.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => {
                self.line.clear();
                self.too_long = false;
                &text[end + 1..]
            }
            None => text,
        };
        if self.line.len() + rest.len() > LONGEST_LINE {
            self.line.clear();
            self.too_long = true;
        }
        if !self.too_long {
            self.line.extend_from_slice(rest);
        }
    }
}

impl<W: Write> Sink for Inline<W> {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.remember(text);
        self.out.write_all(text)?;
        self.out.flush()
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        let half = !self.at_line_start();
        if !self.terminal {
            if half {
                self.line.clear();
                self.too_long = false;
                self.out.write_all(b"\n")?;
            }
            writeln!(self.out, "{line}")?;
            return self.out.flush();
        }
        match (half, self.too_long) {
            (_, true) => self.end_line()?,
            // Back to the left, and clear what stands there: it is printed again below.
            (true, false) => self.out.write_all(b"\r\x1b[K")?,
            (false, false) => {}
        }
        write!(self.out, "\x1b[2m{line}\x1b[0m\r\n")?;
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(terminal: bool, act: impl FnOnce(&mut Inline<Vec<u8>>)) -> String {
        let mut inline = Inline::new(Vec::new(), terminal);
        act(&mut inline);
        String::from_utf8(inline.into_inner()).unwrap()
    }

    fn up() -> LogLine {
        LogLine { time: "0.1".into(), level: "INFO", message: "up".into() }
    }

    #[test]
    fn a_log_line_at_a_line_start_is_just_printed() {
        let text = show(false, |out| {
            out.text(b"boot\r\n").unwrap();
            out.log(&up()).unwrap();
        });
        assert_eq!(text, "boot\r\n[        0.1] INFO  up\n");
    }

    #[test]
    fn a_half_typed_line_comes_again_below() {
        let text = show(true, |out| {
            out.text(b"x\r\n> i").unwrap();
            out.text(b"rq").unwrap();
            out.log(&up()).unwrap();
        });
        assert_eq!(text, "x\r\n> irq\r\x1b[K\x1b[2m[        0.1] INFO  up\x1b[0m\r\n> irq");
    }

    #[test]
    fn in_a_file_a_half_line_is_ended() {
        let text = show(false, |out| {
            out.text(b"> irq").unwrap();
            out.log(&up()).unwrap();
            out.text(b"\r\n").unwrap();
        });
        assert_eq!(text, "> irq\n[        0.1] INFO  up\n\r\n");
    }

    #[test]
    fn an_endless_line_is_not_repeated() {
        let text = show(true, |out| {
            out.text(&[b'x'; 2 * LONGEST_LINE]).unwrap();
            out.log(&up()).unwrap();
        });
        assert!(text.ends_with("x\r\n\x1b[2m[        0.1] INFO  up\x1b[0m\r\n"));
    }
}
