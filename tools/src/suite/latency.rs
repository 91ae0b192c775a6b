//! How long did the kernel keep interrupts off in a test, and is that within the budget?
//!
//! The test image prints `latency KIND LENGTH UNIT CPU START END` for the longest section of each kind, when a test ends and
//! when a report stops the machine.

use crate::{
    bench::budget::{self, IRQS_OFF},
    failure::Failure,
};
use anyhow::Result;
use std::fmt;

/// Lengths are counted so in a deterministic run; nothing else can be compared with the budget.
const UNIT: &str = "instructions";

/// The longest section of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which sections.
    pub kind: Kind,
    /// Instructions.
    pub length: u64,
    /// File and line where it began.
    pub start: String,
    /// File and line where it ended.
    pub end: String,
}

/// Kinds of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Interrupts masked.
    IrqsOff,
    /// Preemption disabled.
    PreemptOff,
    /// Either.
    Both,
}

impl Kind {
    const ALL: [Self; 3] = [Self::IrqsOff, Self::PreemptOff, Self::Both];

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "irqsoff" => Self::IrqsOff,
            "preemptoff" => Self::PreemptOff,
            "preemptirqsoff" => Self::Both,
            _ => return None,
        })
    }
    fn words(self) -> &'static str {
        match self {
            Self::IrqsOff => "interrupts off",
            Self::PreemptOff => "preemption off",
            Self::Both => "either off",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} {UNIT}, from {} to {}", self.kind.words(), self.length, self.start, self.end)
    }
}

/// Reads the sections from a test's text.
pub fn parse(text: &str) -> Result<Vec<Section>> {
    let lines = text.lines().map(str::trim).filter(|line| line.split(' ').next() == Some("latency"));
    let sections = lines.map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["latency", kind, length, UNIT, _cpu, start, end] => match (Kind::of(kind), length.parse()) {
            (Some(kind), Ok(length)) => Ok(Section { kind, length, start: start.into(), end: end.into() }),
            _ => Err(unreadable(line)),
        },
        _ => Err(unreadable(line)),
    });
    Ok(sections.collect::<Result<Vec<_>, _>>()?)
}

/// What the kernel said of a section, or of where one began.
pub(super) fn unreadable(line: &str) -> Failure {
    Failure::new(format!("the kernel printed a section that cannot be read: `{line}`"))
        .hint("it is `latency <kind> <length> instructions <cpu> <start> <end>`, or `place <file>:<line>`")
}

/// The section that is beyond the budget, if there is one.
pub fn too_long(found: &[Section]) -> Option<String> {
    let gate = budget::of(IRQS_OFF)?.gate;
    let section = found.iter().find(|section| section.kind == Kind::IrqsOff && section.length > gate)?;
    Some(format!("it kept {section}: more than the budget of {gate}"))
}

/// The longest sections of all tests, and where they were.
#[derive(Clone, Debug, Default)]
pub struct Longest([Option<(String, Section)>; Kind::ALL.len()]);

impl Longest {
    /// What one test found.
    pub fn add(&mut self, test: &str, found: &[Section]) {
        for section in found {
            let longest = &mut self.0[section.kind as usize];
            if longest.as_ref().is_none_or(|(_, other)| section.length > other.length) {
                *longest = Some((test.into(), section.clone()));
            }
        }
    }
    /// The longest section of this kind.
    pub fn of(&self, kind: Kind) -> Option<&Section> {
        self.0[kind as usize].as_ref().map(|(_, section)| section)
    }
}

/// A line for each kind but the union; nothing if no test found anything.
impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in [Kind::IrqsOff, Kind::PreemptOff] {
            if let Some((test, section)) = &self.0[kind as usize] {
                writeln!(f, "longest: {section}, in {test}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "test x\r\nlatency irqsoff 843 instructions 0 kernel/a.rs:1 kernel/b.rs:22\r\n\
                        latency preemptoff 20 instructions 0 kernel/c.rs:3 kernel/c.rs:3\nlatencylike words\n";

    fn section(kind: Kind, length: u64) -> Section {
        Section { kind, length, start: "a:1".into(), end: "b:2".into() }
    }

    #[test]
    fn sections_among_other_text() {
        let found = parse(TEXT).unwrap();
        assert_eq!(found.len(), 2);
        let first =
            Section { kind: Kind::IrqsOff, length: 843, start: "kernel/a.rs:1".into(), end: "kernel/b.rs:22".into() };
        assert_eq!(found[0], first);
        assert!(parse("nothing").unwrap().is_empty());
        for bad in ["latency irqsoff 1 cycles 0 a b", "latency x 1 instructions 0 a b", "latency irqsoff"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    /// Only interrupts-off sections have a budget.
    #[test]
    fn the_gate_is_the_last_length_that_passes() {
        let gate = budget::of(IRQS_OFF).unwrap().gate;
        assert_eq!(too_long(&[section(Kind::IrqsOff, gate), section(Kind::PreemptOff, 2 * gate)]), None);
        let wrong = too_long(&[section(Kind::IrqsOff, gate + 1)]).unwrap();
        assert!(wrong.contains("interrupts off for 1001 instructions, from a:1 to b:2"), "{wrong}");
    }

    #[test]
    fn the_longest_of_several_tests() {
        let mut longest = Longest::default();
        assert_eq!(longest.to_string(), "");
        longest.add("one", &[section(Kind::IrqsOff, 5), section(Kind::Both, 9)]);
        longest.add("two", &[section(Kind::IrqsOff, 7)]);
        longest.add("three", &[section(Kind::IrqsOff, 7)]);
        assert_eq!(longest.to_string(), "longest: interrupts off for 7 instructions, from a:1 to b:2, in two\n");
        assert_eq!(longest.of(Kind::IrqsOff).map(|section| section.length), Some(7));
    }
}
