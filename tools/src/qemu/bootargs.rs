//! How do words reach the kernel? As `key=value` in the device tree's `/chosen/bootargs`.

use std::fmt::{self, Write};

/// Boot arguments in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootargs(Vec<(String, String)>);

impl Bootargs {
    /// Adds one argument. Any value can be carried.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.push((key.to_owned(), value.to_owned()));
        self
    }
}

impl fmt::Display for Bootargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nr, (key, value)) in self.0.iter().enumerate() {
            let gap = if nr == 0 { "" } else { " " };
            write!(f, "{gap}{key}=")?;
            let plain =
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"%".contains(&byte));
            if plain { f.write_str(value)? } else { write!(f, "\"{}\"", Escaped(value))? }
        }
        Ok(())
    }
}

/// A value with quotes, percent signs and control characters as `%XX`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' | '%' | '\0'..'\x20' | '\x7f' => write!(f, "%{:02X}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_that_need_it_are_quoted() {
        let args = Bootargs::default().with("console", "semihosting").with("exec", "ps; echo \"100%\"\n").with("x", "");
        assert_eq!(args.to_string(), "console=semihosting exec=\"ps; echo %22100%25%22%0A\" x=\"\"");
    }

    /// What the kernel does.
    fn unescape(text: &str) -> String {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'%' => u8::from_str_radix(
                    &format!("{}{}", bytes.next().unwrap() as char, bytes.next().unwrap() as char),
                    16,
                )
                .unwrap(),
                byte => byte,
            });
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in any::<String>()) {
            let text = Bootargs::default().with("k", &value).to_string();
            let raw = text.strip_prefix("k=").unwrap();
            let inner = raw.strip_prefix('"').map_or(raw, |rest| rest.strip_suffix('"').unwrap());
            prop_assert!(!inner.contains('"') && !inner.bytes().any(|byte| byte < 0x20));
            prop_assert!(raw.starts_with('"') || !raw.contains(' '));
            prop_assert_eq!(unescape(inner), value);
        }
    }
}
