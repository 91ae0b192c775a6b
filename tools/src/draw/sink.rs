//! How does the user see a picture instead of the lines that describe it? Where the last of them was printed, as text.

use super::{
    protocol::{Line, PREFIX, parse},
    text,
    timeline::{Builder, Panel},
};
use crate::{
    failure::Failure,
    stream::{Sink, logs::LogLine},
};
use std::io;

/// Takes the lines of pictures out of a stream of text.
pub struct Drawing<S> {
    sink: S,
    /// The beginning of a line that may turn out to be for this.
    held: Vec<u8>,
    /// The line is not for this.
    passing: bool,
    building: Option<Builder>,
    panels: Vec<Panel>,
    /// The first line that could not be read.
    wrong: Option<String>,
}

impl<S: Sink> Drawing<S> {
    /// Everything else goes to `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink, held: Vec::new(), passing: false, building: None, panels: Vec::new(), wrong: None }
    }
    /// The pictures, and the text that was held back.
    ///
    /// # Errors
    /// A line made no sense, or a picture is not complete.
    pub fn finish(mut self) -> anyhow::Result<Vec<Panel>> {
        if self.held.starts_with(PREFIX) || self.building.is_some() {
            self.wrong.get_or_insert("the end of the output".into());
        } else {
            self.sink.text(&self.held)?;
        }
        match self.wrong {
            None => Ok(self.panels),
            Some(line) => {
                Err(Failure::new(format!("the kernel said to be drawn what makes no sense: `{}`", line.trim_end()))
                    .hint("tools/src/draw/protocol.rs has the lines that there are")
                    .into())
            }
        }
    }

    /// Takes a line without its prefix.
    fn line(&mut self, line: &str) -> io::Result<()> {
        match self.draw(line.trim_end()) {
            Some(None) => Ok(()),
            Some(Some(panel)) => {
                self.sink.text(text::render(&panel).as_bytes())?;
                self.panels.push(panel);
                Ok(())
            }
            None => {
                self.wrong.get_or_insert_with(|| line.to_owned());
                Ok(())
            }
        }
    }
    /// `None`: it makes no sense here. The panel that is complete with it.
    fn draw(&mut self, line: &str) -> Option<Option<Panel>> {
        match parse(line)? {
            Line::Panel(_) if self.building.is_some() => return None,
            Line::Panel(title) => self.building = Some(Builder::new(title)),
            Line::Lane(thread, level, name) => self.building.as_mut()?.lane(thread, level, name)?,
            Line::At(at, what) => self.building.as_mut()?.happened(at, what)?,
            Line::Note(text) => self.building.as_mut()?.note(text),
            Line::End(at) => return Some(Some(self.building.take()?.finish(at)?)),
        }
        Some(None)
    }
}

impl<S: Sink> Sink for Drawing<S> {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (now, later) = rest.split_at(line);
            rest = later;
            let ends = now.ends_with(b"\n");
            if self.passing {
                self.sink.text(now)?;
            } else {
                self.held.extend_from_slice(now);
                let ours = self.held.starts_with(PREFIX);
                if ours && ends {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
                    self.line(line.get(PREFIX.len()..).unwrap_or_default())?;
                    continue;
                }
                if ours || !ends && PREFIX.starts_with(&self.held) {
                    continue;
                }
                self.sink.text(&std::mem::take(&mut self.held))?;
            }
            self.passing = !ends;
        }
        Ok(())
    }

    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        self.sink.log(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::split::Split;
    use proptest::prelude::*;

    const PICTURE: &str = "draw panel P\r\ndraw lane 1 10 L\r\ndraw at 5 wake 1\r\ndraw end 9\r\n";

    /// What is seen of a stream, and what is drawn.
    fn seen(parts: &[&[u8]]) -> (String, Result<Vec<Panel>, String>) {
        let (mut text, mut logs) = (Vec::new(), Vec::new());
        let mut drawing = Drawing::new(Split { text: &mut text, logs: &mut logs });
        parts.iter().for_each(|part| drawing.text(part).unwrap());
        let panels = drawing.finish().map_err(|error| error.to_string());
        (String::from_utf8(text).unwrap(), panels)
    }

    #[test]
    fn the_picture_is_where_its_last_line_was() {
        let stream = format!("before\r\nddraw panel P\r\n{PICTURE}draws\nafter");
        let (text, panels) = seen(&[stream.as_bytes()]);
        let panels = panels.unwrap();
        assert_eq!((panels.len(), panels[0].length), (1, 4));
        let behind = text.strip_prefix("before\r\nddraw panel P\r\n").unwrap();
        let picture = behind.strip_suffix("draws\nafter").unwrap();
        assert_eq!(picture, text::render(&panels[0]));
    }

    #[test]
    fn a_prompt_is_not_held_back() {
        let (mut text, mut logs) = (Vec::new(), Vec::new());
        let mut drawing = Drawing::new(Split { text: &mut text, logs: &mut logs });
        drawing.text(b"dr> ").unwrap();
        drop(drawing);
        assert_eq!(text, b"dr> ");
    }

    #[test]
    fn lines_that_make_no_sense_are_an_error() {
        for bad in [
            "draw\x20\n",
            "draw circle\n",
            "draw panel a\ndraw panel b\n",
            "draw lane 1 2 x\n",
            "draw panel a\ndraw lane 1 2 x\ndraw lane 1 2 x\n",
            "draw panel a\ndraw at 1 wake 7\n",
            "draw end 1\n",
            "draw panel a\n",
            "draw panel a",
            "draw panel \u{fffd}\ndraw lane \u{fffd}\n",
        ] {
            let (text, panels) = seen(&[bad.as_bytes()]);
            assert!(panels.unwrap_err().contains("makes no sense"), "{bad:?}");
            assert_eq!(text, "", "{bad:?}");
        }
        assert!(seen(&[b"draw lane \xff\n"]).1.unwrap_err().contains("`lane \u{fffd}`"));
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(before in "[draw \n]{0,12}", cut in any::<prop::sample::Index>()) {
            let stream = format!("{before}\n{PICTURE}text");
            let cut = cut.index(stream.len());
            let whole = seen(&[stream.as_bytes()]);
            prop_assert_eq!(seen(&[&stream.as_bytes()[..cut], &stream.as_bytes()[cut..]]), whole);
        }
        #[test]
        fn no_stream_breaks_it(stream in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut text, mut logs) = (Vec::new(), Vec::new());
            let mut drawing = Drawing::new(Split { text: &mut text, logs: &mut logs });
            drawing.text(&stream).unwrap();
            let _ = drawing.finish();
        }
    }
}
