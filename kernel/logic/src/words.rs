//! What did the user of the shell type?
//!
//! A script is commands separated by `;` or line ends; a command is words. Quoting is that of a POSIX shell: nothing is
//! special in `'…'`; in `"…"` a backslash quotes `"`, `\`, `$`, `` ` `` and a line end; elsewhere it quotes anything, and a
//! quoted line end joins two lines. A word that begins with `#` begins a comment. An unquoted `>` sends the command's
//! output to the file named by the next word. The one expansion is `$?`, as a whole word: the last command's status.
//!
//! A word that should be a number or a duration goes to [`parse_u64`], [`parse_i64`] or [`parse_duration`].

pub use numbers::{NumberError, Unit, parse_duration, parse_i64, parse_i64_in, parse_u64, parse_u64_in};

mod numbers;

use crate::text::part;
use core::fmt;
use heapless::{String, Vec};

/// One command's words: at most `WORDS` of them, `BYTES` bytes together.
#[derive(Debug, Default)]
pub struct Words<const BYTES: usize, const WORDS: usize> {
    text: String<BYTES>,
    /// Where each word ends in `text`; it begins where the one before ends.
    ends: Vec<usize, WORDS>,
    /// Which of them is the file that the output goes to.
    target: Option<usize>,
}

impl<const BYTES: usize, const WORDS: usize> Words<BYTES, WORDS> {
    /// No words.
    pub const fn new() -> Self {
        Words { text: String::new(), ends: Vec::new(), target: None }
    }

    /// The command's words, its name first, without a redirection.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter(|i| Some(*i) != self.target).map(|i| self.word(i))
    }

    /// The `index`-th word; 0 is the command's name.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.iter().nth(index)
    }

    /// How many words there are, the command's name included.
    pub fn len(&self) -> usize {
        self.ends.len() - usize::from(self.target.is_some())
    }

    /// There is no word: a command that is only a redirection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file behind `>`.
    pub fn redirect(&self) -> Option<&str> {
        self.target.map(|i| self.word(i))
    }

    fn word(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        part(&self.text, start..self.ends[index])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.target = None;
    }

    fn push(&mut self, char: char) -> Result<(), SyntaxErrorKind> {
        self.text.push(char).map_err(|_| SyntaxErrorKind::TooLong)
    }

    fn end_word(&mut self) -> Result<(), SyntaxErrorKind> {
        self.ends.push(self.text.len()).map_err(|_| SyntaxErrorKind::TooManyWords)
    }
}

/// What is wrong with a script, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What it is.
    pub kind: SyntaxErrorKind,
    /// Byte offset in the script.
    pub at: usize,
}

/// What is wrong with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxErrorKind {
    /// This quote is never closed.
    Unterminated(char),
    /// A backslash with nothing behind it.
    TrailingBackslash,
    /// `>` without a file behind it.
    NoTarget,
    /// A second `>`.
    SecondTarget,
    /// An operator of bigger shells.
    Operator(char),
    /// More bytes than a command may have.
    TooLong,
    /// More words than a command may have.
    TooManyWords,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("syntax error: ")?;
        match self.kind {
            SyntaxErrorKind::Unterminated(quote) => write!(f, "unterminated {quote} quote")?,
            SyntaxErrorKind::TrailingBackslash => f.write_str("nothing after \\")?,
            SyntaxErrorKind::NoTarget => f.write_str("no file after >")?,
            SyntaxErrorKind::SecondTarget => f.write_str("more than one >")?,
            SyntaxErrorKind::Operator(operator) => write!(f, "no {operator} in this shell (quote it, or use ;)")?,
            SyntaxErrorKind::TooLong => f.write_str("command too long")?,
            SyntaxErrorKind::TooManyWords => f.write_str("too many words")?,
        }
        write!(f, " at column {}", self.at + 1)
    }
}

impl core::error::Error for SyntaxError {}

/// A script, taken one command at a time, so that each can see how the one before ended.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Script<'a> {
    /// Starts at the beginning.
    pub const fn new(text: &'a str) -> Self {
        Script { text, at: 0 }
    }

    /// Puts the next command into `words`; `status` is what `$?` stands for. `None` at the end; an error is the end too.
    pub fn next_command<const BYTES: usize, const WORDS: usize>(
        &mut self,
        words: &mut Words<BYTES, WORDS>,
        status: i32,
    ) -> Option<Result<(), SyntaxError>> {
        while self.at < self.text.len() {
            words.clear();
            if let Err(error) = self.command(words, status) {
                self.at = self.text.len();
                return Some(Err(error));
            }
            if !words.ends.is_empty() {
                return Some(Ok(()));
            }
        }
        None
    }

    /// The first error in the script: a line that is wrong somewhere need not be begun.
    pub fn check<const BYTES: usize, const WORDS: usize>(
        mut self,
        words: &mut Words<BYTES, WORDS>,
    ) -> Result<(), SyntaxError> {
        while let Some(command) = self.next_command(words, i32::MIN) {
            command?;
        }
        Ok(())
    }

    /// Reads up to and including the command's end.
    fn command<const B: usize, const W: usize>(
        &mut self,
        words: &mut Words<B, W>,
        status: i32,
    ) -> Result<(), SyntaxError> {
        // Where the `>` is whose file has not come yet.
        let mut redirect = None;
        loop {
            let at = self.at;
            match self.bump() {
                None | Some('\n' | ';') => break,
                Some(' ' | '\t' | '\r') => {}
                Some('#') => self.at = self.rest().find('\n').map_or(self.text.len(), |end| at + 1 + end),
                Some('\\') if self.rest().starts_with('\n') => self.at += 1,
                Some('>') if redirect.is_some() => return error(SyntaxErrorKind::NoTarget, at),
                Some('>') if words.target.is_some() => return error(SyntaxErrorKind::SecondTarget, at),
                Some('>') => redirect = Some(at),
                Some(_) => {
                    self.at = at;
                    self.word(words, status)?;
                    if redirect.take().is_some() {
                        words.target = Some(words.ends.len() - 1);
                    }
                }
            }
        }
        match redirect {
            Some(at) => error(SyntaxErrorKind::NoTarget, at),
            None => Ok(()),
        }
    }

    fn word<const B: usize, const W: usize>(
        &mut self,
        words: &mut Words<B, W>,
        status: i32,
    ) -> Result<(), SyntaxError> {
        let start = self.at;
        let mut quote: Option<(char, usize)> = None;
        loop {
            let at = self.at;
            let located = |kind| SyntaxError { kind, at };
            let char = match (self.bump(), quote) {
                (None, Some((char, at))) => return error(SyntaxErrorKind::Unterminated(char), at),
                (None, None) => break,
                (Some(char), Some((open, _))) if char == open => {
                    quote = None;
                    continue;
                }
                (Some('\\'), None | Some(('"', _))) => match self.bump() {
                    Some('\n') => continue,
                    Some(char) if quote.is_none() || matches!(char, '"' | '\\' | '$' | '`') => char,
                    Some(char) => {
                        words.push('\\').map_err(located)?;
                        char
                    }
                    None => return error(SyntaxErrorKind::TrailingBackslash, at),
                },
                (Some(char), Some(_)) => char,
                (Some(char @ ('\'' | '"')), None) => {
                    quote = Some((char, at));
                    continue;
                }
                (Some(operator @ ('&' | '|' | '<')), None) => return error(SyntaxErrorKind::Operator(operator), at),
                (Some(' ' | '\t' | '\r' | '\n' | ';' | '>'), None) => {
                    self.at = at;
                    break;
                }
                (Some(char), None) => char,
            };
            words.push(char).map_err(located)?;
        }
        if matches!(part(self.text, start..self.at), "$?" | "\"$?\"") {
            words.text.truncate(words.text.len() - 2);
            fmt::write(&mut words.text, format_args!("{status}"))
                .map_err(|_| SyntaxError { kind: SyntaxErrorKind::TooLong, at: start })?;
        }
        words.end_word().map_err(|kind| SyntaxError { kind, at: start })
    }

    fn rest(&self) -> &'a str {
        part(self.text, self.at..)
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.rest().chars().next()?;
        self.at += char.len_utf8();
        Some(char)
    }
}

fn error(kind: SyntaxErrorKind, at: usize) -> Result<(), SyntaxError> {
    Err(SyntaxError { kind, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String as StdString, ToString};
    use std::{format, vec, vec::Vec as StdVec};

    fn commands(text: &str) -> Result<StdVec<StdVec<StdString>>, SyntaxError> {
        let mut script = Script::new(text);
        let mut words = Words::<64, 8>::new();
        let mut commands = vec![];
        while let Some(command) = script.next_command(&mut words, commands.len() as i32) {
            command?;
            let mut line: StdVec<_> = words.iter().map(StdString::from).collect();
            line.extend(words.redirect().map(|file| format!(">{file}")));
            commands.push(line);
        }
        Ok(commands)
    }

    fn syntax_error(text: &str) -> StdString {
        commands(text).unwrap_err().to_string()
    }

    #[test]
    fn commands_end_at_semicolons_and_line_ends() {
        let expected = [&["ps"][..], &["irq", "33"], &["chrt", "-p", "5"]];
        assert_eq!(commands(" ps;; irq\t33 ;\r\n\n# all\nchrt -p 5 # x; y").unwrap(), expected);
        assert!(commands(" ; # nothing").unwrap().is_empty());
        assert_eq!(commands("a#b").unwrap(), [["a#b"]]);
    }

    #[test]
    fn quotes_and_backslashes_as_in_a_posix_shell() {
        let text = r#"echo 'a "b\ $?;' "c 'd \" \\ \x" e\ f\;'' "" g'h'"i""#;
        assert_eq!(commands(text).unwrap(), [["echo", r#"a "b\ $?;"#, r#"c 'd " \ \x"#, "e f;", "", "ghi"]]);
        assert_eq!(commands("a\\\nb \\\n c \"d\\\ne\"").unwrap(), [["ab", "c", "de"]]);
        assert_eq!(commands("'a\nb'").unwrap(), [["a\nb"]]);
    }

    #[test]
    fn the_status_is_expanded_when_the_command_is_read() {
        assert_eq!(
            commands("echo $?; echo \"$?\"; echo '$?' \\$? $?x").unwrap(),
            [StdVec::from(["echo", "0"]), StdVec::from(["echo", "1"]), StdVec::from(["echo", "$?", "$?", "$?x"]),]
        );
    }

    #[test]
    fn output_can_go_to_a_file() {
        let expected = StdVec::from(["echo", "t", ">sysrq-trigger"]);
        for text in ["echo t > sysrq-trigger", "echo t>sysrq-trigger", ">sysrq-trigger echo t"] {
            assert_eq!(commands(text).unwrap(), core::slice::from_ref(&expected), "{text}");
        }
        assert_eq!(commands("echo '>' \\>").unwrap(), [["echo", ">", ">"]]);
        let mut words = Words::<64, 8>::new();
        assert_eq!(Script::new(">f a b").next_command(&mut words, 0), Some(Ok(())));
        assert_eq!((words.len(), words.get(0), words.get(1), words.get(2)), (2, Some("a"), Some("b"), None));
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(syntax_error("echo \"a; b"), "syntax error: unterminated \" quote at column 6");
        assert_eq!(syntax_error("it's"), "syntax error: unterminated ' quote at column 3");
        assert_eq!(syntax_error("a \\"), "syntax error: nothing after \\ at column 3");
        assert_eq!(syntax_error("echo >; ps"), "syntax error: no file after > at column 6");
        assert_eq!(syntax_error("echo >> f"), "syntax error: no file after > at column 7");
        assert_eq!(syntax_error("echo > f > g"), "syntax error: more than one > at column 10");
        assert_eq!(syntax_error(&"x".repeat(65)), "syntax error: command too long at column 65");
        assert_eq!(syntax_error("1 2 3 4 5 6 7 8 9"), "syntax error: too many words at column 17");
    }

    #[test]
    fn an_error_ends_the_script_and_can_be_found_before_it_runs() {
        let mut words = Words::<64, 8>::new();
        let mut script = Script::new("ok; 'bad");
        assert!(script.clone().check(&mut words).is_err());
        assert_eq!(script.next_command(&mut words, 0), Some(Ok(())));
        assert!(script.next_command(&mut words, 0).unwrap().is_err());
        assert_eq!(script.next_command(&mut words, 0), None);
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_refused_at_a_place_within(text in "[ab ;\\\\'\"#$?>\n\u{e9}]{0,40}") {
            match commands(&text) {
                Ok(commands) => prop_assert!(commands.iter().all(|words| !words.is_empty())),
                Err(error) => prop_assert!(text.is_char_boundary(error.at)),
            }
        }

        #[test]
        fn quoted_words_come_back(given in prop::collection::vec("[^']{0,8}", 1..8)) {
            let text = given.iter().map(|word| format!("'{word}'")).collect::<StdVec<_>>().join(" ");
            let mut words = Words::<512, 8>::new();
            prop_assert_eq!(Script::new(&text).next_command(&mut words, 0), Some(Ok(())));
            prop_assert_eq!(words.iter().collect::<StdVec<_>>(), given);
        }
    }

    /// SC-13: operators of bigger shells are refused, not passed on as words; quoted, they are words.
    #[test]
    fn operators_are_refused() {
        for script in ["true && echo x", "ps | irq", "ps &", "ps < file"] {
            let error = Script::new(script).check(&mut Words::<64, 8>::new()).unwrap_err();
            assert!(matches!(error.kind, SyntaxErrorKind::Operator(_)), "{script}");
        }
        assert_eq!(Script::new("echo 'a & b' \\|").check(&mut Words::<64, 8>::new()), Ok(()));
    }
}
