//! What does the kernel's output mean? One stream carries text and log frames; the text may name code addresses.
//!
//! [`demux`] separates text from frames, [`logs`] decodes frames, [`annotate`] names addresses with [`symbols`];
//! [`Renderer`] is all of it, and a [`Sink`] says where text and log lines go: [`inline::Inline`] or [`split::Split`].

pub mod annotate;
pub mod demux;
pub mod inline;
pub mod logs;
pub mod split;
pub mod symbols;

use crate::image::Image;
use annotate::Annotator;
use anyhow::Result;
use demux::{Demux, Piece};
use logs::{LogDecoder, LogLine};
use std::{io, path::PathBuf};

/// Takes what a stream carried.
pub trait Sink {
    /// Text as the kernel printed it, with names after code addresses; any number of bytes.
    fn text(&mut self, text: &[u8]) -> io::Result<()>;
    /// One log record.
    fn log(&mut self, line: &LogLine) -> io::Result<()>;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        (**self).text(text)
    }
    fn log(&mut self, line: &LogLine) -> io::Result<()> {
        (**self).log(line)
    }
}

/// Understands one kernel's output.
pub struct Renderer {
    demux: Demux,
    annotator: Annotator,
    decoder: LogDecoder,
}

impl Renderer {
    /// A renderer for the output of an image.
    pub fn new(image: &Image) -> Result<Self> {
        Ok(Self { demux: Demux::default(), annotator: Annotator::new(image), decoder: LogDecoder::new(image)? })
    }

    /// A renderer for the output of an image that nobody has: text as it is, log frames as their sizes.
    pub fn plain() -> Self {
        let image = Image { elf: PathBuf::new() };
        Self { demux: Demux::default(), annotator: Annotator::new(&image), decoder: LogDecoder::default() }
    }

    /// Takes the next bytes, however they were cut.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> io::Result<()> {
        let Self { demux, annotator, decoder } = self;
        let mut text = Vec::new();
        demux.feed(bytes, &mut |piece| match piece {
            Piece::Text(raw) => {
                text.clear();
                annotator.feed(raw, &mut text);
                sink.text(&text)
            }
            Piece::Frame(frame) => {
                let mut line = decoder.decode(frame);
                line.message = annotator.annotated(&line.message);
                sink.log(&line)
            }
        })
    }

    /// The stream has ended.
    pub fn finish(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        match self.demux.finish() {
            0 => Ok(()),
            lost => sink.log(&LogLine::note(format!("the output ends within a log frame: {lost} bytes left out"))),
        }
    }
}
