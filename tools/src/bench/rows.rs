//! What did the kernel count? It prints `row <id> <median> <max> <unit>`, among other text.

use crate::{failure::Failure, stream::Sink, stream::logs::LogLine};
use anyhow::Result;
use std::io;

/// One measured row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which path.
    pub id: String,
    /// The median.
    pub value: u64,
    /// The maximum.
    pub max: u64,
    /// What is counted: `instructions` or `bytes`.
    pub unit: String,
}

/// Reads the rows of a whole output.
pub fn parse(text: &str) -> Result<Vec<Row>> {
    let lines = text.lines().map(str::trim).filter(|line| line.split(' ').next() == Some("row"));
    let rows = lines.map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["row", id, value, max, unit] => match (value.parse(), max.parse()) {
            (Ok(value), Ok(max)) => Ok(Row { id: id.into(), value, max, unit: unit.into() }),
            _ => Err(unreadable(line)),
        },
        _ => Err(unreadable(line)),
    });
    Ok(rows.collect::<Result<Vec<_>, _>>()?)
}

fn unreadable(line: &str) -> Failure {
    Failure::new(format!("the kernel printed a row that cannot be read: `{line}`"))
        .hint("a row is `row <id> <median> <max> <unit>`")
}

/// Keeps the text; log lines go to standard error, as everywhere in a run for scripts.
#[derive(Default)]
pub struct Capture {
    /// The text so far.
    pub text: Vec<u8>,
}

impl Sink for Capture {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.text.extend_from_slice(text);
        Ok(())
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        eprintln!("{line}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_among_other_text() {
        let text = "bench: 1000 rounds\r\nrow pend-handler 45 47 instructions\r\n  row boot 700000 700000 instructions\nrows of trees\n";
        let rows = parse(text).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], Row { id: "pend-handler".into(), value: 45, max: 47, unit: "instructions".into() });
    }

    #[test]
    fn half_rows_are_errors() {
        for text in ["row yield 70", "row yield x 70 instructions", "row yield 70 -1 instructions", "row a 1 2 u extra"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_rows() {
        assert!(parse("nothing\nhere").unwrap().is_empty());
    }
}
