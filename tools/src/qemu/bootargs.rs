//! How do words reach the kernel? As `key=value`, or a mere `key`, in the device tree's `/chosen/bootargs`.

use std::fmt::{self, Write};

/// Boot arguments in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootargs(Vec<(String, Option<String>)>);

impl Bootargs {
    /// Adds one argument. Any value can be carried.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.push((key.to_owned(), Some(value.to_owned())));
        self
    }

    /// Reads arguments as the kernel will: `key`, `key=value`, `key="value with blanks"`, and `%XX` in a value for the byte
    /// with that number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let args = logic::bootargs::Bootargs::new(text).map(|arg| {
            let arg = arg.map_err(|bad| bad.to_string())?;
            let value = arg.value.map(|value| String::from_utf8(value.bytes().collect())).transpose();
            Ok((arg.key.to_owned(), value.map_err(|bad| bad.to_string())?))
        });
        args.collect::<Result<_, String>>().map(Self)
    }

    /// Adds these behind the others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl fmt::Display for Bootargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nr, (key, value)) in self.0.iter().enumerate() {
            let gap = if nr == 0 { "" } else { " " };
            write!(f, "{gap}{key}")?;
            let Some(value) = value else { continue };
            f.write_char('=')?;
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

    #[test]
    fn arguments_are_read_as_the_kernel_reads_them() {
        let parsed = |text| Bootargs::parse(text).map(|args| args.to_string());
        assert_eq!(parsed(" preempt=none  noirqdebug "), Ok("preempt=none noirqdebug".into()));
        assert_eq!(parsed("exec=\"ps; echo %22x%22\" x="), Ok("exec=\"ps; echo %22x%22\" x=\"\"".into()));
        assert_eq!(parsed(""), Ok(String::new()));
        for (text, reason) in [("exec=\"ps", "quote"), ("a\"b", "quote"), ("=x", "name"), ("x=%2", "%2")] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(text) && error.contains(reason), "{error}");
        }
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
