//! Which code is at the addresses in a report? `[<0x0000000040081234>]` gets the function and line behind it.
//!
//! Bytes pass at once; the name is put in when the closing bracket has passed. An address on a line whose first word is
//! `pc` is exact; any other that stands behind a call is a return address, and the call is looked up.

use super::symbols::Symbols;
use crate::image::Image;

const OPENING: &[u8] = b"[<0x";
const CLOSING: &[u8] = b">]";
const MOST_DIGITS: usize = 16;

/// Puts names behind addresses.
pub struct Annotator {
    symbols: Symbols,
    state: State,
    first_word: FirstWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of the opening have passed.
    Opening(usize),
    Digits {
        value: u64,
        count: usize,
    },
    /// The first byte of the closing has passed.
    Closing {
        value: u64,
    },
}

const OUTSIDE: State = State::Opening(0);

/// How much of `pc` a line has begun with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstWord {
    Blank,
    P,
    Pc,
    IsPc,
    Other,
}

impl Annotator {
    /// An annotator that reads the image's symbols when it meets the first address.
    pub fn new(image: &Image) -> Self {
        Self { symbols: Symbols::of(image), state: OUTSIDE, first_word: FirstWord::Blank }
    }

    /// Appends the text, with names, to `out`.
    pub fn feed(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            out.push(byte);
            self.first_word = self.first_word.after(byte);
            self.state = match self.state {
                State::Opening(passed) if byte == OPENING[passed] && passed + 1 == OPENING.len() => {
                    State::Digits { value: 0, count: 0 }
                }
                State::Opening(passed) if byte == OPENING[passed] => State::Opening(passed + 1),
                State::Digits { value, count } => match (byte as char).to_digit(16) {
                    Some(digit) if count < MOST_DIGITS => {
                        State::Digits { value: value << 4 | u64::from(digit), count: count + 1 }
                    }
                    None if byte == CLOSING[0] && count > 0 => State::Closing { value },
                    _ => OUTSIDE,
                },
                State::Closing { value } if byte == CLOSING[1] => {
                    let exact = self.first_word == FirstWord::IsPc;
                    if let Some(name) = self.symbols.describe(value, exact) {
                        out.extend_from_slice(format!(" {name}").as_bytes());
                    }
                    OUTSIDE
                }
                _ if byte == OPENING[0] => State::Opening(1),
                _ => OUTSIDE,
            };
        }
    }

    /// A whole text with names, such as a log record's.
    pub fn annotated(&mut self, text: &str) -> String {
        let before = (std::mem::replace(&mut self.state, OUTSIDE), self.first_word);
        let mut out = Vec::new();
        self.feed(text.as_bytes(), &mut out);
        (self.state, self.first_word) = before;
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl FirstWord {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (_, b'\n' | b'\r') => Self::Blank,
            (Self::Blank, b' ' | b'\t') => Self::Blank,
            (Self::Blank, b'p' | b'P') => Self::P,
            (Self::P, b'c' | b'C') => Self::Pc,
            (Self::Pc, byte) if !byte.is_ascii_alphanumeric() => Self::IsPc,
            (Self::IsPc, _) => Self::IsPc,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::symbols::tests::own_function;

    /// The annotator of this test program, an address in it, and what stands behind that address.
    fn here() -> (Annotator, u64, String) {
        let (image, address, _) = own_function();
        let name = Symbols::of(&image).describe(address, true).unwrap();
        (Annotator::new(&image), address, name)
    }

    fn run(annotator: &mut Annotator, parts: &[&str]) -> String {
        let mut out = Vec::new();
        parts.iter().for_each(|part| annotator.feed(part.as_bytes(), &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_are_named_wherever_the_stream_is_cut() {
        let (mut annotator, address, name) = here();
        let text = format!("pc : [<{address:#018x}>] and on\n");
        let named = format!("pc : [<{address:#018x}>] {name} and on\n");
        for cut in 0..text.len() {
            assert_eq!(run(&mut annotator, &[&text[..cut], &text[cut..]]), named);
        }
    }

    #[test]
    fn a_return_address_is_looked_up_one_before() {
        let (mut annotator, address, _) = here();
        let exact = run(&mut annotator, &[&format!("  pc [<{address:#x}>]\n")]);
        let back = run(&mut annotator, &[&format!("  #1 [<{address:#x}>]\n")]);
        assert!(exact.contains("own_function+0x0/"), "{exact}");
        assert!(!back.contains("own_function+0x0/"), "{back}");
    }

    #[test]
    fn everything_else_passes_unchanged() {
        let mut annotator = here().0;
        for text in ["[<0x>]", "[<0x12", "[[<0xzz>]", "[<0x1>)", "[<0x00000000000000001>]", "[<0x1>] nowhere", "pc ü"]
        {
            assert_eq!(run(&mut annotator, &[text, "\n"]), format!("{text}\n"));
        }
    }
}
