//! How is SVG written? Elements with attributes and text, escaped; a page with colours for a light and a dark background.
//!
//! A page is one file without scripts, fonts or links. It paints its own background, which follows the reader's preference.

use std::fmt::{Display, Write};

/// Colours and shapes that the pictures name by class. No variables: not every viewer knows them.
const STYLE: &str = "\
text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:12px}\
.title{font-size:15px;font-weight:600}.small{font-size:10px}.end{text-anchor:end}.mid{text-anchor:middle}\
.runs{stroke-width:0}.ready{fill-opacity:.3;stroke-width:0}.waits{fill-opacity:.08;stroke-dasharray:4 3}.thin{fill-opacity:.4;stroke-width:0}\
.paper{fill:#fff}text{fill:#24292f}.grid{stroke:#d0d7de}.tick{stroke:#24292f}\
.plain{fill:#2f6fd6;stroke:#2f6fd6}.boost{fill:#d9730d;stroke:#d9730d}.lock{fill:#6639ba}\
@media(prefers-color-scheme:dark){\
.paper{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.tick{stroke:#e6edf3}\
.plain{fill:#58a6ff;stroke:#58a6ff}.boost{fill:#f0883e;stroke:#f0883e}.lock{fill:#d2a8ff}}";

/// A page that grows from top to bottom.
#[derive(Debug)]
pub struct Page {
    width: u64,
    body: String,
}

/// What an attribute or a text must not contain as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML has no other control characters.
            '\t' | '\n' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

impl Page {
    /// An empty page.
    pub fn new(width: u64) -> Self {
        Self { width, body: String::new() }
    }
    fn element(&mut self, name: &str, class: &str, attributes: &[(&str, &dyn Display)], content: Option<&str>) {
        // Writing to a string does not fail.
        let _ = write!(self.body, "<{name} class=\"{class}\"");
        for (key, value) in attributes {
            let _ = write!(self.body, " {key}=\"{}\"", escaped(&value.to_string()));
        }
        let _ = match content {
            Some(content) => writeln!(self.body, ">{content}</{name}>"),
            None => writeln!(self.body, "/>"),
        };
    }
    /// A rectangle, with a text that appears when the pointer rests on it.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], about: &str) {
        let about = (!about.is_empty()).then(|| format!("<title>{}</title>", escaped(about)));
        let numbers = [x, y, width, height].map(short);
        let [x, y, width, height] = &numbers;
        self.element("rect", class, &[("x", x), ("y", y), ("width", width), ("height", height)], about.as_deref());
    }
    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let numbers = [from.0, from.1, to.0, to.1].map(short);
        let [x1, y1, x2, y2] = &numbers;
        self.element("line", class, &[("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)], None);
    }
    /// A text; its baseline begins, ends or has its middle at this point, as the class says.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.element("text", class, &[("x", &short(x)), ("y", &short(y))], Some(&escaped(text)));
    }
    /// The whole file, so high.
    pub fn finish(self, height: f64, title: &str) -> String {
        let (width, height) = (self.width, short(height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
            escaped(title),
            self.body
        )
    }
}

/// A number with two decimals at most.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The names of a file's elements, in order; panics if it is not well-formed.
    pub fn elements(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error} in\n{svg}"));
        document.descendants().filter(|n| n.is_element()).map(|n| n.tag_name().name().to_owned()).collect()
    }

    #[test]
    fn a_page() {
        let mut page = Page::new(100);
        page.rect("plain runs", [0.0, 1.5, 10.0, 0.123], "5 < 6");
        page.line("grid", (0.0, 0.0), (1.0, 1.0));
        page.text("small", (1.0, 1.0), "a & b");
        let svg = page.finish(20.0, "\"t\"");
        assert_eq!(elements(&svg), ["svg", "title", "style", "rect", "rect", "title", "line", "text"]);
        assert!(svg.contains("<rect class=\"plain runs\" x=\"0\" y=\"1.5\" width=\"10\" height=\"0.12\">"), "{svg}");
        assert!(svg.contains(">a &amp; b</text>"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
    }

    proptest! {
        #[test]
        fn any_text_is_well_formed(text in any::<String>()) {
            let mut page = Page::new(1);
            page.text("t", (0.0, 0.0), &text);
            page.rect("r", [0.0; 4], &text);
            elements(&page.finish(1.0, &text));
        }
    }
}
