//! How does a timeline look as a picture? Panels below each other, all to the same scale, and a legend.

use super::{
    axis::{ticks, us},
    svg::Page,
    timeline::{Panel, Span, State},
};

const WIDTH: f64 = 1000.0;
/// Where the lanes begin, behind their names, and end.
const LEFT: f64 = 110.0;
const RIGHT: f64 = WIDTH - 20.0;
/// Lanes of a panel that have room for words.
const ROOMY: usize = 12;
/// A bar that is less high has no frame.
const THIN: f64 = 10.0;
/// Width of a letter of the small texts, about.
const LETTER: f64 = 5.2;

/// Heights of a lane and of the bar in it, and whether there are words above the bar.
struct Measure {
    lane: f64,
    bar: f64,
    words: bool,
}

/// Timelines as an SVG file.
pub fn render(title: &str, panels: &[Panel]) -> String {
    let mut page = Page::new(WIDTH as u64);
    let length = panels.iter().map(|panel| panel.length).max().unwrap_or(0).max(1);
    let x = |at: u64| LEFT + (RIGHT - LEFT) * at as f64 / length as f64;
    let mut y = 10.0;
    for panel in panels {
        y = show(&mut page, panel, length, y, &x);
    }
    y = legend(&mut page, y);
    page.finish(y, title)
}

/// Draws a panel from `y` down; where it ends.
fn show(page: &mut Page, panel: &Panel, length: u64, mut y: f64, x: &dyn Fn(u64) -> f64) -> f64 {
    y += 18.0;
    page.text("title", (12.0, y), &panel.title);
    for note in &panel.notes {
        y += 16.0;
        page.text("note", (12.0, y), note);
    }
    y += 10.0;
    let roomy = panel.lanes.len() <= ROOMY;
    let measure = if roomy {
        Measure { lane: 40.0, bar: 20.0, words: true }
    } else {
        Measure { lane: 9.0, bar: 7.0, words: false }
    };
    let (top, bottom) = (y, y + measure.lane * panel.lanes.len() as f64);
    for tick in ticks(length, 10) {
        page.line("grid", (x(tick), top), (x(tick), bottom));
        page.line("tick", (x(tick), bottom), (x(tick), bottom + 4.0));
        page.text("small mid", (x(tick), bottom + 16.0), &us(tick));
    }
    page.text("small end", (LEFT - 8.0, bottom + 16.0), "us");
    for (n, lane) in panel.lanes.iter().enumerate() {
        let below = top + measure.lane * (n + 1) as f64;
        let class = if roomy { "end" } else { "small end" };
        let label = if roomy { format!("{} ({})", lane.name, lane.level) } else { lane.name.clone() };
        page.text(class, (LEFT - 8.0, below - 1.0 - measure.bar / 4.0), &label);
        for span in &lane.spans {
            bar(page, span, &lane.name, (x(span.from), x(span.to)), below - 1.0, measure.bar);
        }
    }
    if measure.words {
        words(page, panel, top, &measure, x);
    }
    bottom + 34.0
}

fn word(state: State) -> (&'static str, &'static str) {
    match state {
        State::Runs => ("runs", "runs"),
        State::Ready => ("ready", "is ready"),
        State::Waits => ("waits", "waits for a lock"),
    }
}

/// A bar that stands on `below`.
fn bar(page: &mut Page, span: &Span, name: &str, (from, to): (f64, f64), below: f64, height: f64) {
    let (class, what) = word(span.state);
    let color = if span.boosted { "boost" } else { "plain" };
    let height_of = if span.state == State::Ready { height / 2.0 } else { height };
    let about = format!(
        "{name} {what}{}{}, {} to {} us",
        if span.boosted { ", boosted" } else { "" },
        if span.holds { ", owns a lock" } else { "" },
        us(span.from),
        us(span.to)
    );
    // A dashed frame in a lane without words would be all frame.
    let thin = if span.state == State::Waits && height < THIN { " thin" } else { "" };
    page.rect(&format!("{color} {class}{thin}"), [from, below - height_of, to - from, height_of], &about);
    if span.holds {
        let strip = height / 5.0;
        page.rect("lock", [from, below - strip, to - from, strip], &about);
    }
}

/// What happened, above the bars, where there is room.
fn words(page: &mut Page, panel: &Panel, top: f64, measure: &Measure, x: &dyn Fn(u64) -> f64) {
    let mut taken = vec![0.0f64; panel.lanes.len()];
    for mark in &panel.marks {
        let Some(taken) = taken.get_mut(mark.lane) else { continue };
        let below = top + measure.lane * (mark.lane + 1) as f64 - 1.0 - measure.bar;
        page.line("tick", (x(mark.at), below - 3.0), (x(mark.at), below));
        let width = mark.text.chars().count() as f64 * LETTER;
        let at = x(mark.at).min(RIGHT - width);
        if at >= *taken {
            page.text("small", (at, below - 5.0), &mark.text);
            *taken = at + width + LETTER;
        }
    }
}

/// Draws what the bars mean; where that ends.
fn legend(page: &mut Page, y: f64) -> f64 {
    const ENTRY: f64 = 140.0;
    let span = |state, boosted, holds| Span { from: 0, to: 0, state, boosted, holds };
    let entries = [
        (span(State::Runs, false, false), "runs"),
        (span(State::Ready, false, false), "ready"),
        (span(State::Waits, false, false), "waits for a lock"),
        (span(State::Runs, false, true), "owns a lock"),
        (span(State::Runs, true, false), "boosted"),
    ];
    for (n, (span, what)) in entries.iter().enumerate() {
        let x = LEFT + ENTRY * n as f64;
        bar(page, span, "legend", (x, x + 24.0), y + 14.0, 14.0);
        page.text("note", (x + 30.0, y + 12.0), what);
    }
    y + 26.0
}

#[cfg(test)]
mod tests {
    use super::{
        super::{svg::tests::elements, timeline::tests::story},
        *,
    };

    #[test]
    fn a_story() {
        let mut short = story();
        short.title = "the other one".into();
        short.length = 500;
        let svg = render("both", &[story(), short]);
        elements(&svg);
        assert!(svg.contains("A &lt;story&gt;") && svg.contains("the other one") && svg.contains("with &amp; without"));
        // From 400 to 600 of 1,000 ns: a fifth of the 870 points behind 110.
        let boosted = "<rect class=\"boost runs\" x=\"458\" y=\"";
        assert!(svg.contains(boosted) && svg.contains("L runs, boosted, owns a lock, 0.4 to 0.6 us"), "{svg}");
        assert!(svg.contains("<rect class=\"plain waits\" x=\"458\"") && svg.contains("width=\"174\""), "{svg}");
        assert!(svg.contains(">inherits 30</text>"), "{svg}");
    }

    #[test]
    fn many_lanes_have_no_words() {
        let mut panel = story();
        let lane = panel.lanes[2].clone();
        panel.lanes = vec![lane; 64];
        let svg = render("many", &[panel]);
        elements(&svg);
        assert!(!svg.contains(">inherits 30</text>"), "{svg}");
    }

    #[test]
    fn nothing() {
        elements(&render("none", &[]));
    }
}
