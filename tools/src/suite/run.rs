//! How is one on-target test run and judged? One QEMU for each, deterministic, its output decoded and symbolised.

use super::{
    latency::{self, Section},
    places,
};
use crate::{
    board::Board,
    failure,
    image::{Image, model::Model, table::TestEntry},
    qemu::{
        Bootargs, Console, Machine,
        boot::{BACKSTOP, End, boot},
        machine::Gic,
    },
    stream::{Renderer, Sink, inline::Inline, split::Split},
};
use anyhow::Result;
use std::io;

/// What a run of a machine left behind.
pub struct Said {
    /// How it ended.
    pub end: End,
    /// The kernel's output as a user sees it: log records decoded, addresses named.
    pub output: String,
    /// Its text alone, without log records: what `run --exec` prints to standard output.
    pub text: String,
    /// QEMU's own words.
    pub qemu: String,
}

/// Runs a machine to its end.
pub fn say(machine: &Machine) -> Result<Said> {
    say_as(&machine.image, machine)
}

/// As [`say`], for a machine that boots something else made from this image.
pub fn say_as(image: &Image, machine: &Machine) -> Result<Said> {
    let outcome = boot(machine, BACKSTOP)?;
    let output = render(image, &outcome.console, Inline::new(Vec::new(), false))?.into_inner();
    let text = render(image, &outcome.console, Split { text: Vec::new(), logs: io::sink() })?.text;
    Ok(Said { end: outcome.end, output: plain(&output), text: plain(&text), qemu: outcome.qemu_words })
}

/// The machine that a test asks for.
pub fn machine(image: &Image, test: &TestEntry) -> Machine {
    let mut bootargs = Bootargs::default().with("console", "semihosting").with("test", &test.name);
    for (key, value) in test.bootargs.split_whitespace().filter_map(|argument| argument.split_once('=')) {
        bootargs = bootargs.with(key, value);
    }
    let options = (!test.machine.is_empty()).then(|| ["-M".into(), test.machine.clone().into()]);
    let machine = Machine::deterministic(image, bootargs, Console::Semihosting);
    Machine { smp: test.smp, extra: options.into_iter().flatten().collect(), ..machine }
}

/// What tests run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct On {
    /// The model that the image is built for.
    pub model: Model,
    /// The board that it is built for.
    pub board: Board,
    /// The interrupt controller, where the board may have one or another.
    pub gic: Gic,
}

/// Runs one test of an image. What its tracers found; the error is everything one needs to see: what was wrong, what the
/// kernel said, how to run it again.
pub fn run(image: &Image, on: On, test: &TestEntry) -> Result<Vec<Section>, String> {
    let On { model, board, gic } = on;
    let machine = Machine { board, gic, ..machine(image, test) };
    let Said { end, output, text, qemu } = say(&machine).map_err(|error| failure::explain(&error).0)?;
    let judged = || -> Result<Result<Vec<Section>, String>> {
        let (found, places) = (latency::parse(&text)?, places::parse(&text)?);
        // One that a report has ended has not come to naming them.
        let misplaced = (model.rt() && test.expect == 0).then(|| places::wrong(&places)).flatten();
        Ok(match latency::too_long(&found).or(misplaced) {
            None => Ok(found),
            Some(wrong) => Err(wrong),
        })
    };
    let wrong = match wrong(test, end, &output).map_or_else(judged, |wrong| Ok(Err(wrong))) {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(wrong)) => wrong,
        Err(error) => failure::explain(&error).0,
    };
    let qemu = if qemu.is_empty() { String::new() } else { format!("QEMU said:\n{qemu}\n") };
    Err(format!(
        "{wrong}\n{output}{newline}{qemu}run it again: cargo run -- test --model {model} {machine} --exact {name}",
        newline = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" },
        model = model.name(),
        machine = match board {
            Board::Virt => format!("--gic {}", gic.version()),
            other => format!("--board {}", other.name()),
        },
        name = test.name
    ))
}

/// Feeds the output to whoever shows it.
fn render<S: Sink>(image: &Image, console: &[u8], mut sink: S) -> io::Result<S> {
    let mut renderer = Renderer::new(image).map_err(io::Error::other)?;
    renderer.feed(console, &mut sink)?;
    renderer.finish(&mut sink)?;
    Ok(sink)
}

fn plain(output: &[u8]) -> String {
    String::from_utf8_lossy(output).replace('\r', "")
}

/// What a run did that the test does not allow.
fn wrong(test: &TestEntry, end: End, output: &str) -> Option<String> {
    match end {
        End::TimedOut => return Some(format!("it hung: killed after {} s", BACKSTOP.as_secs())),
        End::Killed => return Some("QEMU was killed".into()),
        End::Status(status) if u64::from(status) != test.expect => {
            return Some(format!("it ended with status {status} instead of {}", test.expect));
        }
        End::Status(_) => {}
    }
    let missing = missing(output, &test.text)?;
    Some(format!("its output does not contain `{missing}`, at least not behind the texts before it"))
}

/// The first line of `texts` that `output` does not contain behind where it contains the line before.
fn missing<'a>(output: &str, texts: &'a str) -> Option<&'a str> {
    let mut rest = output;
    texts.lines().find(|text| match rest.find(text) {
        Some(at) => {
            rest = &rest[at + text.len()..];
            false
        }
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_text_both_have_to_be_right() {
        let test = TestEntry {
            name: "t".into(),
            expect: 101,
            text: "BUG".into(),
            bootargs: String::new(),
            machine: String::new(),
            smp: 1,
            models: Model::ALL.to_vec(),
            skipped: None,
        };
        assert_eq!(wrong(&test, End::Status(101), "a BUG here"), None);
        for (end, output) in
            [(End::Status(0), "BUG"), (End::Status(101), "bug"), (End::TimedOut, "BUG"), (End::Killed, "BUG")]
        {
            assert!(wrong(&test, end, output).is_some(), "{end:?} {output}");
        }
    }
    #[test]
    fn texts_have_to_come_in_their_order() {
        for (texts, result) in
            [("", None), ("a\nb\na", None), ("a\na\nb", Some("b")), ("b\nc", Some("c")), ("aba", None)]
        {
            assert_eq!(missing("xaba", texts), result, "{texts:?}");
        }
    }
}
