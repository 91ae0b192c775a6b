//! Which bytes are text, which are log frames? `FF 00 … 00` is a frame: UTF-8 never contains FF, and the frame's
//! encoding never contains 00.

use std::io;

/// A run of bytes of one kind.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text; a run may be cut anywhere.
    Text(&'a [u8]),
    /// A whole frame's encoded bytes, without its marks.
    Frame(&'a [u8]),
}

/// First byte of a frame's mark.
pub const MARK: u8 = 0xFF;
/// Second byte of the mark, and the end of a frame.
pub const END: u8 = 0;
/// No record is longer. After a lost end mark (a serial line may lose bytes) the rest is taken for text again.
const LONGEST: usize = 16 * 1024;

/// Separates text and frames, a byte at a time: text is never held back.
#[derive(Debug, Default)]
pub struct Demux {
    state: State,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Marked,
    Frame,
}

impl Demux {
    /// Takes the next bytes and gives pieces in order.
    pub fn feed(&mut self, bytes: &[u8], give: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut text_from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match (self.state, byte) {
                (State::Text, MARK) => {
                    give_text(&bytes[text_from..at], give)?;
                    self.state = State::Marked;
                }
                (State::Text, _) => {}
                (State::Marked, END) => self.state = State::Frame,
                // A stray FF, such as noise on a serial line.
                (State::Marked, MARK) => give_text(&[MARK], give)?,
                (State::Marked, _) => {
                    give_text(&[MARK], give)?;
                    self.state = State::Text;
                    text_from = at;
                }
                // An encoder may begin a frame with an end mark of its own.
                (State::Frame, END) if self.frame.is_empty() => {}
                (State::Frame, END) => {
                    give(Piece::Frame(&self.frame))?;
                    self.frame.clear();
                    self.state = State::Text;
                    text_from = at + 1;
                }
                (State::Frame, _) => {
                    self.frame.push(byte);
                    if self.frame.len() > LONGEST {
                        give_text(&self.frame, give)?;
                        self.frame.clear();
                        self.state = State::Text;
                        text_from = at + 1;
                    }
                }
            }
        }
        if self.state == State::Text { give_text(&bytes[text_from..], give) } else { Ok(()) }
    }

    /// The stream has ended: how many bytes belonged to a frame that has no end.
    pub fn finish(&mut self) -> usize {
        let lost = self.frame.len() + usize::from(self.state == State::Marked);
        *self = Self::default();
        lost
    }
}

fn give_text(text: &[u8], give: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<()> {
    if text.is_empty() { Ok(()) } else { give(Piece::Text(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Everything a stream carries: its text in one piece, and its frames with the length of the text before them.
    fn read(demux: &mut Demux, parts: &[&[u8]]) -> (Vec<u8>, Vec<(usize, Vec<u8>)>) {
        let (mut text, mut frames) = (Vec::new(), Vec::new());
        for part in parts {
            let mut give = |piece: Piece<'_>| {
                match piece {
                    Piece::Text(bytes) => text.extend_from_slice(bytes),
                    Piece::Frame(bytes) => frames.push((text.len(), bytes.to_vec())),
                }
                Ok(())
            };
            demux.feed(part, &mut give).unwrap();
        }
        (text, frames)
    }

    #[test]
    fn text_around_a_frame() {
        for stream in [b"ab\xFF\0\x07\x08\0cd".as_slice(), b"ab\xFF\0\0\x07\x08\0cd"] {
            let (text, frames) = read(&mut Demux::default(), &[stream]);
            assert_eq!((text.as_slice(), frames), (&b"abcd"[..], vec![(2, vec![7, 8])]));
        }
    }

    #[test]
    fn stray_marks_are_text() {
        let (text, frames) = read(&mut Demux::default(), &[b"a\xFFb\xFF\xFF\0x\0"]);
        assert_eq!((text.as_slice(), frames), (&b"a\xFFb\xFF"[..], vec![(4, b"x".to_vec())]));
    }

    #[test]
    fn text_is_given_before_the_next_byte_comes() {
        let mut demux = Demux::default();
        for byte in "typed".bytes() {
            assert_eq!(read(&mut demux, &[&[byte]]).0, [byte]);
        }
    }

    #[test]
    fn a_lost_end_mark_does_not_swallow_the_text_for_ever() {
        let mut stream = b"\xFF\0".to_vec();
        stream.extend(vec![b'x'; 2 * LONGEST]);
        let mut demux = Demux::default();
        assert_eq!(read(&mut demux, &[&stream]).0.len(), 2 * LONGEST);
        assert_eq!(demux.finish(), 0);
        read(&mut demux, &[b"\xFF\0cut"]);
        assert_eq!(demux.finish(), 3);
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            parts in vec((".{0,8}", proptest::option::of(vec(1..=255u8, 1..8))), 0..8),
            cuts in vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let (mut stream, mut text, mut frames) = (Vec::new(), Vec::new(), Vec::new());
            for (words, frame) in &parts {
                stream.extend(words.bytes());
                text.extend(words.bytes());
                if let Some(frame) = frame {
                    stream.extend([MARK, END]);
                    stream.extend(frame);
                    stream.push(END);
                    frames.push((text.len(), frame.clone()));
                }
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect();
            let mut demux = Demux::default();
            prop_assert_eq!(read(&mut demux, &parts), (text, frames));
            prop_assert_eq!(demux.finish(), 0);
        }

        #[test]
        fn no_stream_breaks_it(stream in vec(prop_oneof![Just(MARK), Just(END), any::<u8>()], 0..200)) {
            read(&mut Demux::default(), &[&stream]);
        }
    }
}
