//! Where does what the board says go? To the screen and, if asked for, into a file; with the time of each line, if asked for.

use crate::stream::{Sink, inline::Inline, logs::LogLine};
use std::{
    fs::File,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A screen, perhaps with a file that gets the same.
pub struct Screen<W> {
    shown: Stamped<W>,
    log: Option<Stamped<File>>,
    clock: Option<Clock>,
}

/// Says what time it is.
pub type Clock = fn() -> String;

impl<W: Write> Screen<W> {
    /// `terminal`: somebody looks at it. The file never gets the tool's own escapes. With a clock, each line begins with the time.
    pub fn new(out: W, terminal: bool, log: Option<File>, clock: Option<Clock>) -> Self {
        Self { shown: Stamped::new(out, terminal), log: log.map(|file| Stamped::new(file, false)), clock }
    }

    /// Ends a half-written line.
    pub fn end_line(&mut self) -> io::Result<()> {
        self.shown.inline.end_line()?;
        self.log.as_mut().map_or(Ok(()), |log| log.inline.end_line())
    }
}

impl<W: Write> Sink for Screen<W> {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        // Both have the same time.
        let stamp = self.clock.map(|clock| format!("[{}] ", clock()));
        self.shown.text(text, stamp.as_deref())?;
        self.log.as_mut().map_or(Ok(()), |log| log.text(text, stamp.as_deref()))
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        // Before the kernel's own time, in columns with the other records.
        let stamped = |clock: Clock| LogLine { time: format!("{} {:>11}", clock(), line.time), ..line.clone() };
        let line = self.clock.map_or_else(|| line.clone(), stamped);
        self.shown.log(&line)?;
        self.log.as_mut().map_or(Ok(()), |log| log.log(&line))
    }
}

/// An output whose lines may begin with a stamp. Where they begin differs: a record ends a half-written line in a file, and on a
/// terminal it does not.
struct Stamped<W> {
    inline: Inline<W>,
    at_start: bool,
}

impl<W: Write> Stamped<W> {
    fn new(out: W, terminal: bool) -> Self {
        Self { inline: Inline::new(out, terminal), at_start: true }
    }

    fn text(&mut self, text: &[u8], stamp: Option<&str>) -> io::Result<()> {
        let Some(stamp) = stamp else { return self.inline.text(text) };
        let mut stamped = Vec::with_capacity(text.len());
        for &byte in text {
            // An empty line needs none, and a line end may be of two characters.
            if self.at_start && !b"\r\n".contains(&byte) {
                stamped.extend_from_slice(stamp.as_bytes());
                self.at_start = false;
            }
            stamped.push(byte);
            self.at_start |= byte == b'\n';
        }
        self.inline.text(&stamped)
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        self.inline.log(line)?;
        self.at_start |= self.inline.at_line_start();
        Ok(())
    }
}

/// The time of day, UTC.
pub fn now() -> String {
    time_of_day(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn time_of_day(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, since_1970.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(clock: Option<Clock>, terminal: bool, act: impl FnOnce(&mut dyn Sink)) -> String {
        let mut screen = Screen::new(Vec::new(), terminal, None, clock);
        act(&mut screen);
        String::from_utf8(screen.shown.inline.into_inner()).unwrap()
    }

    fn up() -> LogLine {
        LogLine { time: "0.1".into(), level: "INFO", message: "up".into() }
    }

    /// FL-11: each line has its time once, however it was cut; empty ones have none, and records have it before the kernel's.
    #[test]
    fn a_stamp_a_line() {
        let text = shown(Some(|| "12:00".into()), false, |sink| {
            for part in ["bo", "ot\r", "\n\r\ntwo\nthr"] {
                sink.text(part.as_bytes()).unwrap();
            }
            sink.log(&up()).unwrap();
        });
        assert_eq!(text, "[12:00] boot\r\n\r\n[12:00] two\n[12:00] thr\n[12:00         0.1] INFO  up\n");
    }

    /// A half-typed line comes again below a record, with its stamp.
    #[test]
    fn a_half_line_keeps_its_stamp() {
        let text = shown(Some(|| "12:00".into()), true, |sink| {
            sink.text(b"> i").unwrap();
            sink.log(&up()).unwrap();
        });
        assert!(text.ends_with("INFO  up\x1b[0m\r\n[12:00] > i"), "{text:?}");
    }

    /// FL-11: what comes behind a record that has ended a half-typed line is a line of its own, with a stamp.
    #[test]
    fn in_a_file_the_other_half_has_a_stamp() {
        let text = shown(Some(|| "12:00".into()), false, |sink| {
            sink.text(b"tophalf> ").unwrap();
            sink.log(&up()).unwrap();
            sink.text(b"ps\r\nrow\r\n").unwrap();
        });
        assert_eq!(text, "[12:00] tophalf> \n[12:00         0.1] INFO  up\n[12:00] ps\r\n[12:00] row\r\n");
    }

    #[test]
    fn without_stamps_nothing_changes() {
        assert_eq!(shown(None, false, |sink| sink.text(b"a\nb").unwrap()), "a\nb");
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of_day(Duration::ZERO), "00:00:00.000Z");
        assert_eq!(time_of_day(Duration::from_millis(86_400_000 * 3 + 45_296_789)), "12:34:56.789Z");
    }
}
