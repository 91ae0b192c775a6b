//! How do counts look beside each other? A picture with a histogram for each, all to the same scale, counts on a logarithmic axis.

use super::{axis::ticks, svg::Page};

/// How often which value was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// What it is of.
    pub title: String,
    /// A line below the title.
    pub note: String,
    /// Counts of values in steps of equal width, from 0 on.
    pub counts: Vec<u64>,
    /// Values behind the last step.
    pub overflows: u64,
}

/// What all histograms of a picture have in common.
#[derive(Clone, Copy, Debug)]
pub struct Scale<'a> {
    /// The picture's title.
    pub title: &'a str,
    /// A line below it.
    pub note: &'a str,
    /// Width of a step.
    pub step: u64,
    /// What values are, as it stands on the axis.
    pub unit: &'a str,
    /// How a value is written on the axis.
    pub number: fn(u64) -> String,
}

const PANEL: f64 = 190.0;
const GAP: f64 = 12.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 96.0;
const HEIGHT: f64 = 240.0;
/// Bars of a histogram at most; steps are put together until there are no more.
const BARS: usize = 64;
/// Room for the bar of what was too large, behind the others.
const BEYOND: f64 = 14.0;

/// The histograms side by side as an SVG file.
pub fn render(scale: &Scale<'_>, histograms: &[Histogram]) -> String {
    let steps = histograms.iter().map(|h| h.counts.len()).max().unwrap_or(0).max(1);
    let together = steps.div_ceil(BARS);
    let bars: Vec<Vec<u64>> =
        histograms.iter().map(|h| h.counts.chunks(together).map(|part| part.iter().sum()).collect()).collect();
    let most = bars.iter().flatten().chain(histograms.iter().map(|h| &h.overflows)).max().copied().unwrap_or(0);
    // The axis ends at a power of ten, and at 10 at least.
    let decades = most.max(10).checked_ilog10().unwrap_or(1) + u32::from(!is_power_of_ten(most.max(10)));
    let width = LEFT + (PANEL + GAP) * histograms.len().max(1) as f64 + GAP;
    let mut page = Page::new(width.max(420.0) as u64);
    page.text("title", (12.0, 28.0), scale.title);
    page.text("note", (12.0, 46.0), scale.note);
    let bottom = TOP + HEIGHT;
    let y = |count: u64| bottom - HEIGHT * height(count, decades);
    for decade in 0..=decades {
        let count = 10u64.saturating_pow(decade);
        page.line("grid", (LEFT, y(count)), (width - GAP, y(count)));
        page.text("small end", (LEFT - 6.0, y(count) + 3.0), &count.to_string());
    }
    let all = steps.div_ceil(together) as f64;
    let limit = (steps as u64).saturating_mul(scale.step);
    for (n, (histogram, bars)) in histograms.iter().zip(&bars).enumerate() {
        let left = LEFT + (PANEL + GAP) * n as f64;
        let room = PANEL - BEYOND;
        page.text("name", (left, TOP - 26.0), &histogram.title);
        page.text("small", (left, TOP - 12.0), &histogram.note);
        for (at, &count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
            let from = (at * together) as u64 * scale.step;
            let to = from + together as u64 * scale.step;
            let about = format!("{count} from {} to {} {}", (scale.number)(from), (scale.number)(to), scale.unit);
            let x = left + room * at as f64 / all;
            page.rect("plain runs", [x, y(count), (room / all - 0.4).max(0.4), bottom - y(count)], &about);
        }
        if histogram.overflows > 0 {
            let count = histogram.overflows;
            let about = format!("{count} of {} {} or more", (scale.number)(limit), scale.unit);
            page.rect("boost runs", [left + room + 4.0, y(count), BEYOND - 6.0, bottom - y(count)], &about);
        }
        page.line("tick", (left, bottom), (left + PANEL, bottom));
        for tick in ticks(limit, 4) {
            let x = left + room * tick as f64 / limit as f64;
            page.line("tick", (x, bottom), (x, bottom + 4.0));
            page.text("small mid", (x, bottom + 16.0), &(scale.number)(tick));
        }
    }
    page.text("small end", (LEFT - 12.0, bottom + 16.0), scale.unit);
    let beyond = format!("{} {} or more", (scale.number)(limit), scale.unit);
    page.rect("plain runs", [LEFT, bottom + 30.0, 14.0, 10.0], "");
    page.text("small", (LEFT + 20.0, bottom + 39.0), "how often, logarithmic");
    page.rect("boost runs", [LEFT + 160.0, bottom + 30.0, 14.0, 10.0], "");
    page.text("small", (LEFT + 180.0, bottom + 39.0), &beyond);
    page.finish(bottom + 54.0, scale.title)
}

fn is_power_of_ten(number: u64) -> bool {
    10u64.checked_pow(number.ilog10()) == Some(number)
}

/// Part of the axis that a count takes: nothing for 0, a little for 1, all for the last power of ten.
fn height(count: u64, decades: u32) -> f64 {
    const ONE: f64 = 0.03;
    if count == 0 { 0.0 } else { ONE + (1.0 - ONE) * (count as f64).log10() / f64::from(decades) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{axis::us, svg::tests::elements},
        *,
    };

    const SCALE: Scale<'_> = Scale { title: "Late <all>", note: "a note", step: 20, unit: "us", number: us };

    fn histogram(title: &str, counts: &[u64], overflows: u64) -> Histogram {
        Histogram { title: title.into(), note: "max".into(), counts: counts.to_vec(), overflows }
    }

    #[test]
    fn bars_beside_each_other() {
        let svg = render(&SCALE, &[histogram("rt", &[0, 1000, 1], 0), histogram("none", &[10], 7)]);
        elements(&svg);
        // 1,000 is the end of the axis: its bar has the whole height; that of 10 a third of it, and the foot.
        assert!(svg.contains("y=\"96\" ") && svg.contains("height=\"240\"><title>1000 from 0.02 to 0.04 us"), "{svg}");
        assert!(svg.contains("height=\"84.8\"><title>10 from 0 to 0.02 us"), "{svg}");
        assert!(svg.contains("height=\"7.2\"><title>1 from 0.04 to 0.06 us"), "{svg}");
        assert_eq!(svg.matches("<title>7 of 0.06 us or more</title>").count(), 1, "{svg}");
        assert!(svg.contains(">rt</text>") && svg.contains(">none</text>"));
    }

    #[test]
    fn steps_are_put_together() {
        let svg = render(&SCALE, &[histogram("rt", &[1; 1000], 0)]);
        let bars = svg.matches(" from ").count();
        assert!(bars <= BARS && svg.contains("<title>16 from 0 to 0.32 us"), "{bars} {svg}");
    }

    #[test]
    fn nothing() {
        for histograms in [&[][..], &[histogram("empty", &[], 0)], &[histogram("huge", &[u64::MAX], u64::MAX)]] {
            elements(&render(&SCALE, histograms));
        }
    }
}
