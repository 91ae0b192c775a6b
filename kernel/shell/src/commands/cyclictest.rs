//! How does a user measure latencies? `cyclictest`, with the options and the output of rt-tests' program.
use super::{Done, Fail};
use crate::{
    INTERRUPTED,
    cyclictest::{self, MAX_THREADS, MIN_INTERVAL, Options, Report, Running, Seen},
    load::{self, Kinds, Load},
};
use core::{fmt::Display, ops::RangeInclusive, slice::Iter, time::Duration};
use kernel::{
    Error, Result, ThreadCx, bootargs, console, percpu, print, println,
    time::{self, Instant},
};
use logic::words::{Unit, parse_duration, parse_u64_in};

/// Time between two updates of what somebody at the console sees.
const REFRESH: Duration = Duration::from_secs(1);
/// Longest interval, distance and histogram in microseconds.
const LONGEST_US: u64 = 1_000_000;

/// What was asked for.
struct Asked {
    options: Options,
    duration: Option<Duration>,
    quiet: bool,
    unit: Unit,
    load: Kinds,
}

pub(super) fn cyclictest<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let mut asked = read(cx, args)?;
    asked.options.unit = asked.unit.nanoseconds();
    match measure(cx, &asked) {
        Ok((report, interrupted)) => {
            if interrupted {
                println!(cx, "^C");
            }
            if asked.quiet || interrupted || !is_watched() {
                show(cx, &asked, &report.threads);
            }
            histograms(cx, &asked, &report);
            if interrupted { Err(Fail::Status(INTERRUPTED)) } else { Ok(()) }
        }
        Err(error) => {
            println!(cx, "cyclictest: {}", error.message());
            Err(Fail::Status(1))
        }
    }
}

/// Whether somebody sits at the console.
fn is_watched() -> bool {
    console::has_keys() && bootargs::text("exec").is_none()
}

/// Measures, and says whether ^C has ended it.
fn measure(cx: &mut ThreadCx, asked: &Asked) -> Result<(Report, bool)> {
    let load = if asked.load.is_empty() { None } else { Some(Load::start(cx, asked.load)?) };
    let running = cyclictest::start(cx, &asked.options);
    let report = running.and_then(|running| {
        let ended = wait(cx, asked, &running);
        let report = running.stop(cx)?;
        match ended {
            Err(Error::Interrupted) => Ok((report, true)),
            ended => ended.map(|()| (report, false)),
        }
    });
    match load.map(|load| load.stop(cx)) {
        Some(Err(error)) => report.and(Err(error)),
        _ => report,
    }
}

fn wait(cx: &mut ThreadCx, asked: &Asked, running: &Running) -> Result<()> {
    let end = asked.duration.map_or(Instant::NEVER, |d| time::now().saturating_add(d));
    let live = !asked.quiet && is_watched();
    loop {
        let next = if live { time::now().saturating_add(REFRESH).min(end) } else { end };
        let over = running.wait(cx, next)? || time::now() >= end;
        if live {
            show(cx, asked, &running.seen());
            if !over {
                // The next ones are written over these.
                print!(cx, "\x1b[{}A", asked.options.threads);
            }
        }
        if over {
            return Ok(());
        }
    }
}

fn show(cx: &mut ThreadCx, asked: &Asked, threads: &[Seen]) {
    let unit = asked.unit.nanoseconds();
    // Nanoseconds need more room.
    let width = if asked.unit == Unit::Ns { 8 } else { 5 };
    for (n, t) in threads.iter().enumerate() {
        println!(
            cx,
            "T:{n:>2} ({:>5}) P:{:>2} I:{} C:{:>7} Min:{:>7} Act:{:>width$} Avg:{:>width$} Max:{:>8}",
            t.id,
            t.priority,
            t.interval.as_micros() as u64,
            t.cycles,
            t.min / unit,
            t.last / unit,
            t.avg / unit,
            t.max / unit
        );
    }
}

/// A line that begins with `#`, a name, and a number of each thread.
fn row(cx: &mut ThreadCx, name: &str, numbers: impl Iterator<Item = u64>) {
    print!(cx, "# {name}:");
    numbers.for_each(|number| print!(cx, " {number:05}"));
    println!(cx);
}

fn histograms(cx: &mut ThreadCx, asked: &Asked, report: &Report) {
    let all = &report.histograms;
    let Some(first) = all.first() else { return };
    let unit = asked.unit.nanoseconds();
    println!(cx, "# Histogram");
    for step in 0..first.counts().len() {
        print!(cx, "{:06} ", step as u64 * first.width());
        for (n, counted) in all.iter().enumerate() {
            let tab = if n == 0 { "" } else { "\t" };
            print!(cx, "{tab}{:06}", counted.counts().get(step).unwrap_or(&0));
        }
        println!(cx);
    }
    row(cx, "Total", all.iter().map(|counted| counted.total()));
    row(cx, "Min Latencies", report.threads.iter().map(|t| t.min / unit));
    row(cx, "Avg Latencies", report.threads.iter().map(|t| t.avg / unit));
    row(cx, "Max Latencies", report.threads.iter().map(|t| t.max / unit));
    row(cx, "Histogram Overflows", all.iter().map(|counted| counted.overflows().into()));
}

/// What is wrong with an option's value.
fn wrong<'a>(cx: &mut ThreadCx, option: &str, what: &dyn Display) -> Fail<'a> {
    println!(cx, "cyclictest: {option}: {what}");
    Fail::Status(1)
}

fn number<'a>(
    cx: &mut ThreadCx,
    option: &str,
    value: &str,
    range: RangeInclusive<u64>,
) -> core::result::Result<u64, Fail<'a>> {
    parse_u64_in(value, range).map_err(|error| wrong(cx, option, &error))
}

/// The value of an option: the rest of its word, or the next word.
fn value<'a>(attached: &'a str, words: &mut Iter<'_, &'a str>) -> core::result::Result<&'a str, Fail<'a>> {
    if attached.is_empty() { words.next().copied().ok_or(Fail::Usage) } else { Ok(attached) }
}

fn read<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> core::result::Result<Asked, Fail<'a>> {
    let mut asked =
        Asked { options: Options::default(), duration: None, quiet: false, unit: Unit::Us, load: Kinds::empty() };
    let us = Duration::from_micros;
    let mut words = args.iter();
    while let Some(&word) = words.next() {
        if let Some(list) = word.strip_prefix("--load") {
            asked.load = kinds(cx, list)?;
            continue;
        }
        let Some((option, attached)) = word.split_at_checked(2) else { return Err(Fail::Usage) };
        match (option, attached) {
            ("-q", "") => asked.quiet = true,
            ("-N", "") => asked.unit = Unit::Ns,
            ("-t", "") if words.as_slice().first().is_none_or(|next| next.starts_with('-')) => {
                asked.options.threads = percpu::online().count();
            }
            ("-t" | "-p" | "-i" | "-d" | "-l" | "-h" | "-D", _) => {
                let value = value(attached, &mut words)?;
                let mut number = |range| number(cx, option, value, range);
                match option {
                    "-t" => asked.options.threads = number(1..=MAX_THREADS as u64)? as usize,
                    "-p" => asked.options.priority = number(0..=99)? as i32,
                    "-i" => asked.options.interval = us(number(MIN_INTERVAL.as_micros() as u64..=LONGEST_US)?),
                    "-d" => asked.options.distance = us(number(0..=LONGEST_US)?),
                    "-l" => asked.options.cycles = number(0..=u64::from(u32::MAX))?,
                    "-h" => asked.options.histogram = number(1..=LONGEST_US)?,
                    _ => {
                        let ns = parse_duration(value, Unit::S).map_err(|error| wrong(cx, option, &error))?;
                        asked.duration = Some(Duration::from_nanos(ns));
                    }
                }
            }
            _ => return Err(Fail::Usage),
        }
    }
    Ok(asked)
}

/// `--load`, or `--load=` and names of kinds between commas.
fn kinds<'a>(cx: &mut ThreadCx, list: &str) -> core::result::Result<Kinds, Fail<'a>> {
    if list.is_empty() {
        return Ok(Kinds::USUAL);
    }
    let list = list.strip_prefix('=').ok_or(Fail::Usage)?;
    let mut kinds = Kinds::empty();
    for name in list.split(',') {
        match load::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => kinds |= *kind,
            None => return Err(wrong(cx, "--load", &format_args!("'{name}' is not hogs, locks, irqs or console"))),
        }
    }
    Ok(kinds)
}
