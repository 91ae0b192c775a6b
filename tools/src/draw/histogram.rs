//! How do counts look beside each other? A picture with a histogram for each, all to the same scale, values and
//! counts on logarithmic axes.

use super::svg::Page;

/// How often which value was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// What it is of.
    pub title: String,
    /// A line below the title.
    pub note: String,
    /// Width of a step.
    pub step: u64,
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
    /// Where the axis of values begins, 1 or more; what is less is at its beginning.
    pub from: u64,
    /// Powers of ten on that axis.
    pub decades: u32,
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
/// Bars of a power of ten; steps that belong to one are put together.
const BARS: u32 = 12;
/// Room for the bar of what was too large, behind the others.
const BEYOND: f64 = 14.0;

impl Scale<'_> {
    /// Which bar a value belongs to.
    fn bar(&self, value: f64) -> usize {
        let decades = (value / self.from as f64).log10();
        let last = (self.decades * BARS).saturating_sub(1);
        // Below the first and beyond the last one: as good as there.
        (decades * f64::from(BARS)).clamp(0.0, f64::from(last)) as usize
    }
    /// Where a bar begins.
    fn edge(&self, bar: usize) -> u64 {
        (self.from as f64 * 10f64.powf(bar as f64 / f64::from(BARS))).round() as u64
    }
    fn bars(&self, histogram: &Histogram) -> Vec<u64> {
        let mut bars = vec![0; (self.decades * BARS) as usize];
        for (step, &count) in histogram.counts.iter().enumerate() {
            let middle = (step as f64 + 0.5) * histogram.step as f64;
            if let Some(bar) = bars.get_mut(self.bar(middle)) {
                *bar += count;
            }
        }
        bars
    }
}

/// The histograms side by side as an SVG file.
pub fn render(scale: &Scale<'_>, histograms: &[Histogram]) -> String {
    let all: Vec<Vec<u64>> = histograms.iter().map(|histogram| scale.bars(histogram)).collect();
    let most = all.iter().flatten().chain(histograms.iter().map(|h| &h.overflows)).max().copied().unwrap_or(0).max(10);
    // The axis of counts ends at a power of ten.
    let powers = most.ilog10() + u32::from(!is_power_of_ten(most));
    let width = LEFT + (PANEL + GAP) * histograms.len().max(2) as f64 + GAP;
    let mut page = Page::new(width as u64);
    page.text("title", (12.0, 28.0), scale.title);
    page.text("note", (12.0, 46.0), scale.note);
    let bottom = TOP + HEIGHT;
    let y = |count: u64| bottom - HEIGHT * height(count, powers);
    for power in 0..=powers {
        let count = 10u64.saturating_pow(power);
        page.line("grid", (LEFT, y(count)), (width - GAP, y(count)));
        page.text("small end", (LEFT - 6.0, y(count) + 3.0), &count.to_string());
    }
    for (n, (histogram, bars)) in histograms.iter().zip(&all).enumerate() {
        let left = LEFT + (PANEL + GAP) * n as f64;
        let room = PANEL - BEYOND;
        let each = room / f64::from(scale.decades * BARS).max(1.0);
        page.text("name", (left, TOP - 26.0), &histogram.title);
        page.text("small", (left, TOP - 12.0), &histogram.note);
        for (bar, &count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
            let [from, to] = [bar, bar + 1].map(|bar| (scale.number)(scale.edge(bar)));
            let about = format!("{count} from {from} to {to} {}", scale.unit);
            page.rect("plain runs", [left + each * bar as f64, y(count), each - 0.4, bottom - y(count)], &about);
        }
        if histogram.overflows > 0 {
            let (count, limit) = (histogram.overflows, histogram.step * histogram.counts.len() as u64);
            let about = format!("{count} of {} {} or more", (scale.number)(limit), scale.unit);
            page.rect("boost runs", [left + room + 4.0, y(count), BEYOND - 6.0, bottom - y(count)], &about);
        }
        page.line("tick", (left, bottom), (left + PANEL, bottom));
        for decade in 0..=scale.decades {
            let x = left + each * f64::from(decade * BARS);
            page.line("tick", (x, bottom), (x, bottom + 4.0));
            page.text("small mid", (x, bottom + 16.0), &(scale.number)(scale.edge((decade * BARS) as usize)));
        }
    }
    page.text("small end", (LEFT - 14.0, bottom + 16.0), scale.unit);
    page.rect("plain runs", [LEFT, bottom + 30.0, 14.0, 10.0], "");
    page.text("small", (LEFT + 20.0, bottom + 39.0), "how often, logarithmic");
    page.rect("boost runs", [LEFT + 160.0, bottom + 30.0, 14.0, 10.0], "");
    page.text("small", (LEFT + 180.0, bottom + 39.0), "longer than its histogram");
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

    const SCALE: Scale<'_> =
        Scale { title: "Late <all>", note: "a note", from: 100, decades: 2, unit: "us", number: us };

    fn histogram(title: &str, step: u64, counts: &[u64], overflows: u64) -> Histogram {
        Histogram { title: title.into(), note: "max".into(), step, counts: counts.to_vec(), overflows }
    }

    #[test]
    fn bars_beside_each_other() {
        // In the middle of their steps: 100, 300, 500 ns; and 1,000.
        let svg = render(&SCALE, &[histogram("rt", 200, &[0, 1000, 1], 0), histogram("none", 2_000, &[10], 7)]);
        elements(&svg);
        // 1,000 is the end of the axis: its bar has the whole height; that of 10 a third of it, and the foot.
        assert!(svg.contains("height=\"240\"><title>1000 from 0.261 to 0.316 us</title>"), "{svg}");
        assert!(svg.contains("height=\"84.8\"><title>10 from 1 to 1.212 us</title>"), "{svg}");
        assert!(svg.contains("height=\"7.2\"><title>1 from 0.464 to 0.562 us</title>"), "{svg}");
        assert_eq!(svg.matches("<title>7 of 2 us or more</title>").count(), 1, "{svg}");
        assert!(svg.contains(">rt</text>") && svg.contains(">none</text>"));
    }

    #[test]
    fn steps_are_put_together_and_none_is_lost() {
        let bars = SCALE.bars(&histogram("rt", 20, &[1; 1000], 0));
        assert_eq!((bars.len(), bars.iter().sum::<u64>()), (24, 1000));
        // 0 to 121 ns, and all from 8.254 us on.
        assert_eq!((bars[0], bars[23]), (6, 1000 - 413));
    }

    #[test]
    fn nothing() {
        let huge = histogram("huge", u64::MAX, &[u64::MAX], u64::MAX);
        for histograms in [&[][..], &[histogram("empty", 1, &[], 0)], &[huge]] {
            elements(&render(&SCALE, histograms));
        }
    }
}
