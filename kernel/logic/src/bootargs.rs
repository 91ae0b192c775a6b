//! What was the kernel told at boot?
//!
//! Boot arguments are items separated by blanks: `key`, `key=value` or `key="value with blanks"`. In a value `%XX` is the
//! byte with that hexadecimal number, so that a value can hold quotes, percent signs and control characters. An item
//! that is wrong is reported with its text, and the items after it are read as if it were not there.

use crate::text::part;
use core::fmt;

/// The items of a boot command line, in order.
#[derive(Clone, Debug)]
pub struct Bootargs<'a> {
    rest: &'a str,
}

impl<'a> Bootargs<'a> {
    /// Reads the text behind `bootargs` in the device tree's `/chosen`.
    pub const fn new(text: &'a str) -> Self {
        Bootargs { rest: text }
    }
}

impl<'a> Iterator for Bootargs<'a> {
    type Item = Result<Arg<'a>, BadArg<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.trim_ascii_start();
        if text.is_empty() {
            self.rest = text;
            return None;
        }
        let mut quoted = false;
        let end = text.bytes().position(|byte| {
            quoted ^= byte == b'"';
            !quoted && byte.is_ascii_whitespace()
        });
        let (item, rest) = end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""));
        self.rest = rest;
        Some(parse(item))
    }
}

fn parse(item: &str) -> Result<Arg<'_>, BadArg<'_>> {
    let bad = |reason| BadArg { item, reason };
    let (key, value) = match item.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (item, None),
    };
    if key.is_empty() {
        return Err(bad(BadReason::NoKey));
    }
    if key.contains('"') {
        return Err(bad(BadReason::Quote));
    }
    let Some(value) = value else { return Ok(Arg { key, value: None }) };
    let raw = match value.strip_prefix('"') {
        Some(value) => value.strip_suffix('"').ok_or(bad(BadReason::Quote))?,
        None => value,
    };
    if raw.contains('"') {
        return Err(bad(BadReason::Quote));
    }
    let value = Value { raw };
    let mut bytes = value.bytes_checked();
    if let Some(escape) = bytes.find_map(Result::err) {
        return Err(bad(BadReason::Escape(escape)));
    }
    if !is_utf8(value.bytes()) {
        return Err(bad(BadReason::NotUtf8));
    }
    Ok(Arg { key, value: Some(value) })
}

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg<'a> {
    /// What stands before `=`; never empty, taken as it is.
    pub key: &'a str,
    /// What stands behind it; `None` if there is no `=`.
    pub value: Option<Value<'a>>,
}

/// An item's value, whose escapes are known to be right and to make UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    raw: &'a str,
}

impl<'a> Value<'a> {
    /// The text as it was given, without the quotes.
    pub const fn raw(self) -> &'a str {
        self.raw
    }

    /// The value's bytes, escapes resolved.
    pub fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        self.bytes_checked().filter_map(Result::ok)
    }

    /// Whether the value, escapes resolved, is this text.
    pub fn is(self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }

    /// Writes the value, escapes resolved, to the beginning of `buf`.
    pub fn unescape(self, buf: &mut [u8]) -> Result<&str, TooLong> {
        let mut len = 0;
        for byte in self.bytes() {
            if let Some(place) = buf.get_mut(len) {
                *place = byte;
            }
            len += 1;
        }
        let text = buf.get(..len).ok_or(TooLong { needed: len })?;
        // Checked when the value was made; an empty text would show a bug here rather than crash the boot.
        Ok(core::str::from_utf8(text).unwrap_or_default())
    }

    /// Each byte; the text of the first escape that is none, which is then the last item.
    fn bytes_checked(self) -> impl Iterator<Item = Result<u8, &'a str>> {
        let mut at = 0;
        core::iter::from_fn(move || self.byte(&mut at))
    }

    /// The byte at `at`, which goes on to the next one; none is left after an escape that is none.
    #[inline(never)]
    fn byte(self, at: &mut usize) -> Option<Result<u8, &'a str>> {
        /// `%` and two digits.
        const ESCAPE: usize = 3;
        let bytes = self.raw.as_bytes();
        let first = *bytes.get(*at)?;
        if first != b'%' {
            *at += 1;
            return Some(Ok(first));
        }
        let digit = |i: usize| bytes.get(i).and_then(|byte| char::from(*byte).to_digit(16));
        if let (Some(high), Some(low)) = (digit(*at + 1), digit(*at + 2)) {
            *at += ESCAPE;
            return Some(Ok((high << 4 | low) as u8));
        }
        let escape = part(self.raw, *at..);
        *at = bytes.len();
        let whole = (ESCAPE..escape.len()).find(|&end| escape.is_char_boundary(end));
        Some(Err(whole.map_or(escape, |end| part(escape, ..end))))
    }
}

/// Whether the bytes are UTF-8: the escapes of one character may be checked only together.
fn is_utf8(mut bytes: impl Iterator<Item = u8>) -> bool {
    let mut char = [0; 4];
    while let Some(first) = bytes.next() {
        char[0] = first;
        let len = match first {
            0..0xC0 => 1,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
        };
        for place in &mut char[1..len] {
            let Some(byte) = bytes.next() else { return false };
            *place = byte;
        }
        if core::str::from_utf8(&char[..len]).is_err() {
            return false;
        }
    }
    true
}

/// An item that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArg<'a> {
    /// The whole item.
    pub item: &'a str,
    /// What is wrong with it.
    pub reason: BadReason<'a>,
}

/// What is wrong with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReason<'a> {
    /// Nothing stands before `=`.
    NoKey,
    /// A quote that is not closed, or not around the whole value.
    Quote,
    /// This is not `%` and two hexadecimal digits.
    Escape(&'a str),
    /// The escapes make bytes that are not UTF-8.
    NotUtf8,
}

impl fmt::Display for BadArg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad boot argument '{}': ", self.item)?;
        match self.reason {
            BadReason::NoKey => f.write_str("no name before '='"),
            BadReason::Quote => f.write_str("unbalanced or misplaced quote"),
            BadReason::Escape(text) => write!(f, "bad escape '{text}'"),
            BadReason::NotUtf8 => f.write_str("not UTF-8"),
        }
    }
}

impl core::error::Error for BadArg<'_> {}

/// The buffer was too short for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes that the value needs.
    pub needed: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value too long ({} bytes)", self.needed)
    }
}

impl core::error::Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::{format, vec::Vec};

    fn items(text: &str) -> Vec<String> {
        let show = |arg: Arg<'_>| match arg.value {
            None => arg.key.to_string(),
            Some(value) => format!("{}=<{}>", arg.key, value.unescape(&mut [0; 256]).unwrap()),
        };
        Bootargs::new(text).map(|item| item.map_or_else(|error| error.to_string(), show)).collect()
    }

    #[test]
    fn items_are_keys_with_or_without_a_value() {
        assert_eq!(
            items("  quiet console=uart  exec=\"ps; irq\tx\"\nempty= void=\"\" a=b=c "),
            ["quiet", "console=<uart>", "exec=<ps; irq\tx>", "empty=<>", "void=<>", "a=<b=c>"]
        );
        assert!(items(" \t").is_empty());
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(items("exec=\"echo %22%25%0a%22\" x=%c3%A9"), ["exec=<echo \"%\n\">", "x=<é>"]);
        let value = Bootargs::new("a=%41b").next().unwrap().unwrap().value.unwrap();
        assert!(value.is("Ab") && !value.is("A") && !value.is("%41b"));
        assert_eq!(value.raw(), "%41b");
        assert_eq!(value.unescape(&mut [0; 1]), Err(TooLong { needed: 2 }));
        assert_eq!(value.unescape(&mut [0; 2]), Ok("Ab"));
    }

    #[test]
    fn a_wrong_item_is_reported_and_the_next_is_read() {
        assert_eq!(items("a=1%2 b=2"), ["bad boot argument 'a=1%2': bad escape '%2'", "b=<2>"]);
        assert_eq!(items("a=%zéx b"), ["bad boot argument 'a=%zéx': bad escape '%zé'", "b"]);
        assert_eq!(items("a=%+1 b"), ["bad boot argument 'a=%+1': bad escape '%+1'", "b"]);
        assert_eq!(items("=x b"), ["bad boot argument '=x': no name before '='", "b"]);
        assert_eq!(items("a=%ff%fe b"), ["bad boot argument 'a=%ff%fe': not UTF-8", "b"]);
        for item in ["a=\"x y", "a=\"x\"y", "a=x\"y z\"", "\"a=x\"", "a=\""] {
            assert_eq!(items(item), [format!("bad boot argument '{item}': unbalanced or misplaced quote")]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ab=% \"0-9\u{e9}]{0,60}") {
            items(&text);
        }

        /// What the tool does with a value: escape, quote, pass on.
        #[test]
        fn an_escaped_value_comes_back(value in any::<String>()) {
            let escape = |c: char| match c {
                '"' | '%' | '\0'..' ' | '\x7f' => format!("%{:02x}", u32::from(c)),
                _ => c.to_string(),
            };
            let text = format!("a exec=\"{}\" b=1", value.chars().map(escape).collect::<String>());
            let args = Bootargs::new(&text).collect::<Result<Vec<_>, _>>().unwrap();
            prop_assert_eq!(args.len(), 3);
            prop_assert!(args[1].value.unwrap().is(&value));
        }
    }
}
