//! What does a log frame say? Its format string is in the ELF file; the frame carries an index and the arguments.

use crate::{failure::Failure, image::Image};
use anyhow::{Context, Result};
use defmt_decoder::Table;
use std::fmt;

/// One log record, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Seconds since boot, as the kernel's clock counts them; may be empty.
    pub time: String,
    /// In capitals; empty for a record without a level.
    pub level: &'static str,
    /// The words.
    pub message: String,
}

impl LogLine {
    /// A remark of the tool between the kernel's records.
    pub fn note(message: String) -> Self {
        Self { time: String::new(), level: "tool", message }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:>11}] {:<5} {}", self.time, self.level, self.message)
    }
}

/// Decodes the frames of one image; by default of none.
#[derive(Default)]
pub struct LogDecoder {
    table: Option<Table>,
}

impl LogDecoder {
    /// Reads the image's format strings. An image without any is fine: it logs nothing.
    pub fn new(image: &Image) -> Result<Self> {
        let elf = std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
        let table = Table::parse(&elf).map_err(|error| {
            Failure::new(format!("cannot read the log strings of {}", image.elf.display()))
                .hint("the image and this tool must use the same version of defmt's format; rebuild both")
                .cause(error)
        })?;
        Ok(Self { table })
    }

    /// Decodes one frame's encoded bytes.
    pub fn decode(&self, frame: &[u8]) -> LogLine {
        let undecodable = || LogLine::note(format!("a log frame of {} bytes cannot be decoded", frame.len()));
        let Some(table) = &self.table else { return undecodable() };
        let mut decoder = table.new_stream_decoder();
        decoder.received(frame);
        // The frame's end mark is also the end mark of its encoding.
        decoder.received(&[super::demux::END]);
        let Ok(record) = decoder.decode() else { return undecodable() };
        LogLine {
            time: record.display_timestamp().map(|time| time.to_string()).unwrap_or_default(),
            level: record.level().map_or("", |level| match level.as_str() {
                "trace" => "TRACE",
                "debug" => "DEBUG",
                "info" => "INFO",
                "warn" => "WARN",
                _ => "ERROR",
            }),
            message: record.display_message().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_stand_in_columns() {
        let line = LogLine { time: "0.012345".into(), level: "INFO", message: "up".into() };
        assert_eq!(line.to_string(), "[   0.012345] INFO  up");
    }

    #[test]
    fn frames_of_an_image_without_strings_are_reported_not_lost() {
        assert_eq!(LogDecoder { table: None }.decode(&[1, 2]).message, "a log frame of 2 bytes cannot be decoded");
    }
}
