//! How does a timeline look on a terminal? A row of characters a thread, and what happened below.

use super::{
    axis::{ticks, us},
    timeline::{Lane, Panel, Span, State},
};
use std::fmt::Write;

/// Characters of a lane.
const WIDTH: u64 = 96;
/// Lanes, or things that happened, that are shown; the ones in the middle of more are left out.
const MOST: usize = 16;

/// What a thread does, as a character.
fn glyph(span: &Span) -> char {
    match (span.state, span.holds, span.boosted) {
        (State::Runs, false, false) => '=',
        (State::Runs, true, false) => '#',
        (State::Runs, false, true) => '+',
        (State::Runs, true, true) => '%',
        (State::Ready, _, false) => '.',
        (State::Ready, _, true) => ':',
        (State::Waits, _, false) => 'w',
        (State::Waits, _, true) => 'W',
    }
}

/// What the characters mean.
const LEGEND: [(char, &str); 8] = [
    ('=', "runs"),
    ('#', "runs with the lock"),
    ('+', "runs, boosted"),
    ('%', "runs with the lock, boosted"),
    ('.', "ready"),
    (':', "ready, boosted"),
    ('w', "waits for a lock"),
    ('W', "waits for a lock, boosted"),
];

/// A timeline as lines of text.
pub fn render(panel: &Panel) -> String {
    let mut out = format!("{}\n", panel.title);
    for note in &panel.notes {
        out.push_str(&format!("{note}\n"));
    }
    out.push('\n');
    let name = panel.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0);
    let mut seen = String::new();
    abridged(&mut out, &panel.lanes, "lanes", |lane| {
        let row = row(lane, panel.length);
        seen.push_str(&row);
        format!("  {:<name$} {:>3} {row}", lane.name, lane.level)
    });
    out.push_str(&format!("  {:name$}     {}\n", "", axis(panel.length)));
    let legend: Vec<String> =
        LEGEND.iter().filter(|(c, _)| seen.contains(*c)).map(|(c, what)| format!("{c} {what}")).collect();
    out.push_str(&format!("  {}\n\n", legend.join("   ")));
    abridged(&mut out, &panel.marks, "events", |mark| {
        let lane = panel.lanes.get(mark.lane).map_or("?", |lane| lane.name.as_str());
        format!("  {:>10} us  {lane} {}", us(mark.at), mark.text)
    });
    out.push('\n');
    out
}

/// A line for each item; those in the middle of too many are left out.
fn abridged<T>(out: &mut String, items: &[T], what: &str, mut line: impl FnMut(&T) -> String) {
    let left_out = if items.len() > MOST { MOST / 2..items.len() - MOST / 2 } else { 0..0 };
    for (n, item) in items.iter().enumerate() {
        let text = line(item);
        if !left_out.contains(&n) {
            out.push_str(text.trim_end());
            out.push('\n');
        } else if n == left_out.start {
            // Writing to a string does not fail.
            let _ = writeln!(out, "  … {} more {what}", left_out.len());
        }
    }
}

/// A character for each piece of time: what took most of it, sleep being a blank.
fn row(lane: &Lane, length: u64) -> String {
    let edge = |column: u64| (u128::from(length) * u128::from(column) / u128::from(WIDTH)) as u64;
    let column = |n: u64| {
        let (from, to) = (edge(n), edge(n + 1));
        let mut parts: Vec<(char, u64)> = vec![(' ', to - from)];
        for span in &lane.spans {
            let part = span.to.min(to).saturating_sub(span.from.max(from));
            parts[0].1 -= part;
            match parts[1..].iter_mut().find(|(c, _)| *c == glyph(span)) {
                Some((_, sum)) => *sum += part,
                None => parts.push((glyph(span), part)),
            }
        }
        // The first of equals.
        parts.iter().rev().max_by_key(|(_, sum)| *sum).map_or(' ', |(c, _)| *c)
    };
    (0..WIDTH).map(column).collect()
}

/// Numbers below the lanes, each at its place.
fn axis(length: u64) -> String {
    let mut out = String::new();
    for tick in ticks(length, 8) {
        let place = (u128::from(tick) * u128::from(WIDTH) / u128::from(length.max(1))) as usize;
        let text = us(tick);
        if out.is_empty() || place > out.len() {
            out.push_str(&" ".repeat(place - out.len()));
            out.push_str(&text);
        }
    }
    out + " us"
}

#[cfg(test)]
mod tests {
    use super::{super::timeline::tests::story, *};

    #[test]
    fn a_story() {
        let lines = |from: &str| render(&story()).lines().filter(|l| l.starts_with(from)).count();
        let text = render(&story());
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows[..3], ["A <story>", "with & without", ""]);
        // 10 % of 96 columns are 9 or 10.
        let counts = |row: &str, c: char| row.chars().filter(|x| *x == c).count();
        let (h, m, l) = (rows[3], rows[4], rows[5]);
        assert!(h.starts_with("  H  30 ") && m.starts_with("  M  20 ") && l.starts_with("  L  10 "), "{text}");
        assert!((18..=20).contains(&counts(h, 'w')) && (9..=10).contains(&counts(h, '#')), "{h}");
        assert!((28..=30).contains(&counts(m, '.')) && (9..=10).contains(&counts(m, '=')), "{m}");
        assert!((18..=20).contains(&counts(l, '%')) && (28..=30).contains(&counts(l, '#')), "{l}");
        assert!(rows[6].trim_start().starts_with("0 ") && rows[6].ends_with(" us"), "{text}");
        assert!(rows[7].contains("% runs with the lock, boosted") && !rows[7].contains("W waits"), "{text}");
        assert!(text.contains("         0.4 us  L inherits 30\n"), "{text}");
        assert_eq!(lines("  …"), 0);
    }

    #[test]
    fn too_many_lanes() {
        let mut panel = story();
        let lane = panel.lanes[0].clone();
        panel.lanes = (0..64).map(|n| Lane { name: format!("lane {n}"), ..lane.clone() }).collect();
        let text = render(&panel);
        assert!(text.contains("\n  … 48 more lanes\n"), "{text}");
        assert_eq!(text.lines().filter(|l| l.starts_with("  lane ")).count(), MOST);
        assert!(text.contains("  lane 7 ") && !text.contains("  lane 8 ") && text.contains("  lane 63"), "{text}");
    }

    #[test]
    fn nothing_at_all() {
        let panel = Panel { title: "t".into(), notes: vec![], lanes: vec![], marks: vec![], length: 0 };
        assert!(render(&panel).starts_with("t\n\n"));
        let lane = Lane { name: "a".into(), level: 1, spans: vec![] };
        assert!(render(&Panel { lanes: vec![lane], ..panel }).contains("\n  a   1\n"));
    }
}
