//! Which number or duration did the user type, and what do we say if it is none?

use core::fmt;
use core::ops::RangeInclusive;

/// Why a word is not the number wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError<'a> {
    /// It is no number: `invalid number: 'abc'`.
    Number(&'a str),
    /// It is no duration.
    Duration(&'a str),
    /// It is a number, outside of what is allowed: from, to.
    Range(&'a str, u64, u64),
    /// As `Range`, where numbers have a sign.
    Signed(&'a str, i64, i64),
}

impl fmt::Display for NumberError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NumberError::Number(text) => write!(f, "invalid number: '{text}'"),
            NumberError::Duration(text) => {
                write!(f, "invalid duration: '{text}' (a number, then ns, us, ms or s)")
            }
            NumberError::Range(text, min, max) => out_of_range(f, text, min, max),
            NumberError::Signed(text, min, max) => out_of_range(f, text, min, max),
        }
    }
}

fn out_of_range(f: &mut fmt::Formatter<'_>, text: &str, min: &dyn fmt::Display, max: &dyn fmt::Display) -> fmt::Result {
    write!(f, "number out of range: '{text}' (from {min} to {max})")
}

impl core::error::Error for NumberError<'_> {}

/// Reads a number: decimal, or hexadecimal behind `0x`.
pub fn parse_u64(text: &str) -> Result<u64, NumberError<'_>> {
    parse_u64_in(text, 0..=u64::MAX)
}

/// Reads a number within `range`.
pub fn parse_u64_in(text: &str, range: RangeInclusive<u64>) -> Result<u64, NumberError<'_>> {
    let number = match signed(text)? {
        (true, Some(magnitude)) if magnitude != 0 => None,
        (_, magnitude) => magnitude,
    };
    number.filter(|number| range.contains(number)).ok_or(NumberError::Range(text, *range.start(), *range.end()))
}

/// Reads a number with an optional sign.
pub fn parse_i64(text: &str) -> Result<i64, NumberError<'_>> {
    parse_i64_in(text, i64::MIN..=i64::MAX)
}

/// Reads a number with an optional sign, within `range`.
pub fn parse_i64_in(text: &str, range: RangeInclusive<i64>) -> Result<i64, NumberError<'_>> {
    let number = match signed(text)? {
        (true, Some(magnitude)) => 0_i64.checked_sub_unsigned(magnitude),
        (false, Some(magnitude)) => i64::try_from(magnitude).ok(),
        (_, None) => None,
    };
    number.filter(|number| range.contains(number)).ok_or(NumberError::Signed(text, *range.start(), *range.end()))
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl Unit {
    /// Nanoseconds in one of these.
    pub const fn nanoseconds(self) -> u64 {
        match self {
            Unit::Ns => 1,
            Unit::Us => 1_000,
            Unit::Ms => 1_000_000,
            Unit::S => 1_000_000_000,
        }
    }
}

/// Reads a duration, in nanoseconds: `250ns`, `5us`, `10ms`, `1s`, or a plain number of `default` units.
pub fn parse_duration(text: &str, default: Unit) -> Result<u64, NumberError<'_>> {
    // "s" last: it ends the others as well.
    let units = [("ns", Unit::Ns), ("us", Unit::Us), ("ms", Unit::Ms), ("s", Unit::S)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|digits| (digits, unit)))
        .unwrap_or((text, default));
    let max = u64::MAX / unit.nanoseconds();
    match magnitude(digits) {
        Some(Some(number)) if number <= max => Ok(number * unit.nanoseconds()),
        Some(_) => Err(NumberError::Range(text, 0, max)),
        None => Err(NumberError::Duration(text)),
    }
}

/// Whether there is a minus in front, and the magnitude, `None` if that is 2^64 or more.
fn signed(text: &str) -> Result<(bool, Option<u64>), NumberError<'_>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    magnitude(digits).map(|magnitude| (negative, magnitude)).ok_or(NumberError::Number(text))
}

/// The digits' value, which is none if it is 2^64 or more; `None` if they are not digits.
fn magnitude(digits: &str) -> Option<Option<u64>> {
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(Some(0), |value: Option<u64>, char| {
        let digit = char.to_digit(radix)?;
        Some(value.and_then(|value| value.checked_mul(radix.into())?.checked_add(digit.into())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn numbers() {
        assert_eq!(parse_u64("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_u64("0xFfff"), Ok(0xffff));
        assert_eq!(parse_i64("-0x8000000000000000"), Ok(i64::MIN));
        assert_eq!(parse_i64("+7"), Ok(7));
        for text in ["", "-", "abc", "0x", "1 ", "1_0", "--1", "0x-1", "12a", "٣"] {
            assert_eq!(parse_i64(text), Err(NumberError::Number(text)));
        }
        let message = |error: NumberError<'_>| error.to_string();
        assert_eq!(parse_u64("abc").map_err(message), Err("invalid number: 'abc'".into()));
        let out = "number out of range: '100' (from 1 to 99)";
        assert_eq!(parse_u64_in("100", 1..=99).map_err(message), Err(out.into()));
        assert!(matches!(parse_u64("-1"), Err(NumberError::Range("-1", 0, _))));
        assert!(matches!(parse_u64(&"9".repeat(99)), Err(NumberError::Range(..))));
        assert!(matches!(parse_i64("9223372036854775808"), Err(NumberError::Signed(..))));
        assert!(matches!(parse_i64("-0x8000000000000001"), Err(NumberError::Signed(..))));
        assert_eq!((parse_u64("-0"), parse_i64("-0")), (Ok(0), Ok(0)));
        assert!(matches!(parse_i64_in("-21", -20..=19), Err(NumberError::Signed("-21", -20, 19))));
    }

    #[test]
    fn durations() {
        for (text, ns) in [("250ns", 250), ("5us", 5_000), ("10ms", 10_000_000), ("1s", 1_000_000_000), ("3", 3_000)] {
            assert_eq!(parse_duration(text, Unit::Us), Ok(ns), "{text}");
        }
        for text in ["", "s", "ms", "1m", "-1s", "1.5s", "1 s"] {
            assert_eq!(parse_duration(text, Unit::Us), Err(NumberError::Duration(text)));
        }
        assert_eq!(parse_duration("18446744073s", Unit::Ns), Ok(18_446_744_073_000_000_000));
        assert!(matches!(parse_duration("18446744074s", Unit::Ns), Err(NumberError::Range(_, 0, 18_446_744_073))));
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(number: i64) {
            let (decimal, hexadecimal) = (number.to_string(), format!("{:#x}", number as u64));
            prop_assert_eq!(parse_i64(&decimal), Ok(number));
            prop_assert_eq!(parse_u64(&hexadecimal), Ok(number as u64));
        }
    }
}
