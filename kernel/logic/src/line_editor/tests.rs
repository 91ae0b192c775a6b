//! Keys as a user presses them, and what a small VT100 then shows.

use super::*;
use proptest::prelude::*;
use std::string::String as StdString;
use std::vec::Vec;
use std::{format, vec};

const COLUMNS: usize = MIN_COLUMNS;
const PROMPT_TEXT: &str = "top> ";

/// As much of a VT100 as the editor uses; it refuses everything else.
struct Terminal {
    rows: Vec<Vec<char>>,
    column: usize,
    bells: usize,
    escape: Option<StdString>,
}

impl Terminal {
    fn new() -> Self {
        Terminal { rows: vec![vec![]], column: 0, bells: 0, escape: None }
    }

    fn row(&self) -> StdString {
        self.rows.last().unwrap().iter().collect::<StdString>().trim_end().into()
    }

    fn put(&mut self, char: char) {
        let row = self.rows.last_mut().unwrap();
        if let Some(mut sequence) = self.escape.take() {
            sequence.push(char);
            let count = || sequence[1..sequence.len() - 1].parse::<usize>().unwrap();
            match sequence.as_bytes() {
                [b'[', b'K'] => row.truncate(self.column),
                [b'[', b'H'] => self.column = 0,
                [b'[', b'2', b'J'] => self.rows = vec![vec![]],
                [b'[', .., b'C'] => self.column += count(),
                [b'[', .., b'D'] => self.column -= count(),
                [b'['] | [b'[', .., b'0'..=b'9'] => self.escape = Some(sequence),
                _ => panic!("unknown sequence {sequence:?}"),
            }
            return;
        }
        match char {
            '\x1b' => self.escape = Some(StdString::new()),
            '\x07' => self.bells += 1,
            '\r' => self.column = 0,
            '\n' => self.rows.push(vec![]),
            _ => {
                assert!(!char.is_control());
                row.resize(row.len().max(self.column + 1), ' ');
                row[self.column] = char;
                self.column += 1;
                assert!(self.column < COLUMNS, "the last column was written");
            }
        }
    }
}

impl Write for Terminal {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.chars().for_each(|char| self.put(char));
        Ok(())
    }
}

struct Session<const LINE: usize> {
    editor: LineEditor<LINE, 3>,
    terminal: Terminal,
    lines: Vec<StdString>,
    last: Outcome,
}

impl<const LINE: usize> Session<LINE> {
    fn new() -> Self {
        let mut session =
            Session { editor: LineEditor::new(), terminal: Terminal::new(), lines: vec![], last: Outcome::Pending };
        session.editor.set_columns(0);
        session.editor.begin(PROMPT_TEXT, &mut session.terminal);
        session
    }

    /// Feeds the bytes one by one; after each, the terminal shows the line, or as much as fits, and the cursor in it.
    fn keys(&mut self, keys: impl AsRef<[u8]>) -> &mut Self {
        for byte in keys.as_ref() {
            self.last = self.editor.feed(*byte, &commands, &mut self.terminal);
            if self.last != Outcome::Pending {
                assert_eq!((self.terminal.row(), self.terminal.column), ("".into(), 0));
            }
            if self.last == Outcome::Line {
                self.lines.push(self.editor.line().into());
            }
            if self.last != Outcome::Pending {
                self.editor.begin(PROMPT_TEXT, &mut self.terminal);
            }
            self.check();
        }
        self
    }

    fn check(&self) {
        let (line, cursor) = (self.editor.line(), self.editor.cursor());
        let at = line[..cursor].chars().count();
        let start = at.saturating_sub(COLUMNS - PROMPT_TEXT.len() - 3);
        let shown: StdString = line.chars().skip(start).take(COLUMNS - PROMPT_TEXT.len() - 3).collect();
        assert_eq!(self.terminal.row(), format!("{PROMPT_TEXT}{shown}").trim_end());
        assert_eq!(self.terminal.column, PROMPT_TEXT.len() + at - start);
        assert!(line.len() <= LINE);
    }

    fn line(&self) -> (&str, usize) {
        (self.editor.line(), self.editor.cursor())
    }
}

fn commands(line: &str, candidate: &mut dyn FnMut(&str)) {
    let names: &[&str] =
        if line.contains(' ') { &["/proc/", "33", "34", "prio="] } else { &["irq", "irqs", "ps", "été"] };
    names.iter().for_each(|name| candidate(name));
}

fn session() -> Session<64> {
    Session::new()
}

#[test]
fn lines_end_with_cr_lf_or_both() {
    assert_eq!(session().keys("ps\rirq\nx\r\n\r\ny\n").lines, ["ps", "irq", "x", "", "y"]);
}

#[test]
fn every_editing_key() {
    let after = |keys: &str| {
        let mut session = session();
        session.keys(keys);
        (StdString::from(session.line().0), session.line().1)
    };
    let is = |line: &str, cursor| (StdString::from(line), cursor);
    assert_eq!(after("abc\x02\x02X"), is("aXbc", 2));
    assert_eq!(after("abc\x01X\x05Y\x06"), is("XabcY", 5));
    assert_eq!(after("abc\x1b[D\x1b[D\x1b[CX"), is("abXc", 3));
    assert_eq!(after("abc\x1bODX\x1bOC"), is("abXc", 4));
    for (home, end) in [("\x1b[H", "\x1b[F"), ("\x1b[1~", "\x1b[4~"), ("\x1b[7~", "\x1b[8~"), ("\x1bOH", "\x1bOF")] {
        assert_eq!(after(&format!("abc{home}X{end}Y")), is("XabcY", 5));
    }
    assert_eq!(after("äbc\x7f\x08"), is("ä", 2));
    assert_eq!(after("äbc\x01\x04"), is("bc", 0));
    assert_eq!(after("abc\x01\x1b[3~"), is("bc", 0));
    assert_eq!(after("abc\x02\x0b"), is("ab", 2));
    assert_eq!(after("abc\x02\x15"), is("c", 0));
    assert_eq!(after("one two  \x17"), is("one ", 4));
    assert_eq!(after("one\u{3000}two\x17"), is("one\u{3000}", 6));
    assert_eq!(after("one two\x17\x01\x19 "), is("two one ", 4));
    assert_eq!(after("abc\x0c"), is("abc", 3));
}

#[test]
fn control_c_gives_the_line_up_and_control_d_deletes_or_ends() {
    let mut session = session();
    session.keys("abc\x01\x03");
    assert_eq!(session.last, Outcome::Cancelled);
    assert_eq!(session.terminal.rows[0].iter().collect::<StdString>(), "top> abc^C");
    assert_eq!(session.keys("a\x04").last, Outcome::Pending);
    assert_eq!(session.keys("\x7f\x04").last, Outcome::Eof);
    assert!(session.lines.is_empty());
}

#[test]
fn the_history_keeps_the_last_lines_and_the_draft() {
    let mut session = session();
    session.keys("one\rtwo\rtwo\r  \rthree\rfour\rdraft");
    assert_eq!(session.keys("\x10").line().0, "four");
    assert_eq!(session.keys("\x1b[A\x1bOA").line().0, "two");
    let bells = session.terminal.bells;
    assert_eq!(session.keys("\x10").line().0, "two");
    assert_eq!(session.terminal.bells, bells + 1, "'one' was the fourth line back");
    assert_eq!(session.keys("\x0e\x1b[B\x1bOB").line(), ("draft", 5));
    assert_eq!(session.keys("\x0e").line().0, "draft");
    assert_eq!(session.keys("\x10\x10!\r").lines.last().unwrap(), "three!");
    assert_eq!(session.keys("\x10").line().0, "three!");
}

#[test]
fn tab_completes_then_lists() {
    assert_eq!(session().keys("p\t").line().0, "ps ");
    assert_eq!(session().keys("é\t").line().0, "été ");
    assert_eq!(session().keys("irq 33 /\t").line().0, "irq 33 /proc/");
    assert_eq!(session().keys("irq p\tx").line().0, "irq prio=x");
    assert_eq!(session().keys("p;\x02\t").line().0, "ps ;");
    assert_eq!(session().keys("p 3\x02\x02\t3").line().0, "ps 33");
    let mut session = session();
    session.keys("i\t");
    assert_eq!((session.line().0, session.terminal.bells, session.terminal.rows.len()), ("irq", 0, 1));
    session.keys("\t");
    let rows: Vec<StdString> = session.terminal.rows.iter().map(|row| row.iter().collect()).collect();
    assert_eq!(rows, ["top> irq", "irq   irqs", "top> irq"]);
    session.keys("x\t");
    assert_eq!((session.line().0, session.terminal.bells), ("irqx", 1));
    session.keys("\x15irq \t\t");
    let rows: Vec<StdString> = session.terminal.rows.iter().map(|row| row.iter().collect()).collect();
    assert_eq!(rows[2..], ["top> irq ", "/proc/  33      34      prio=", "top> irq "]);
}

#[test]
fn a_full_line_refuses_and_loses_nothing() {
    let mut session = Session::<8>::new();
    session.keys("1234567é\x01x");
    assert_eq!((session.line(), session.terminal.bells), (("x1234567", 1), 1));
    session.keys("y\t\x19");
    assert_eq!(session.line().0.len(), 8);
    assert_eq!(session.keys("\r").lines, ["x1234567"]);
    assert_eq!(Session::<8>::new().keys("12345 /\t").line().0, "12345 /");
}

#[test]
fn what_is_no_key_is_swallowed_and_what_is_no_character_rings() {
    let unknown = [
        "\x1b[5~",
        "\x1b[1;5C",
        "\x1b[?25h",
        "\x1bOP",
        "\x1b[[A",
        "\x1bx",
        "\x1b(B",
        "\x1b]0;t\x07",
        "\x1bPq\x1b\\",
        "\0",
    ];
    for keys in unknown {
        let mut session = session();
        assert_eq!(session.keys("a").keys(keys).keys("b").line().0, "ab", "{keys:?}");
        assert_eq!(session.terminal.bells, 0);
    }
    assert_eq!(session().keys("a\x1b[\x7fb").line().0, "b", "a control character ends a sequence");
    for bytes in [&b"\xff"[..], b"\x80", b"\xc3(", b"\xe2\x82\xc3\xa4", b"\xc2\x9b", b"\xed\xa0\x80", b"\xc3\x1b[D"] {
        let mut session = session();
        session.keys(bytes);
        assert_eq!(session.terminal.bells, 1, "{bytes:?}");
    }
    assert_eq!(session().keys(b"\xe2\x82(\xe2\x82\xc3\xa4").line().0, "(ä");
}

#[test]
fn other_output_can_come_between() {
    let mut session = session();
    session.keys("abc\x02");
    session.editor.erase(&mut session.terminal);
    session.terminal.write_str("log\r\n").unwrap();
    session.editor.draw(&mut session.terminal);
    session.check();
    assert_eq!(session.terminal.rows[0].iter().collect::<StdString>(), "log");
}

proptest! {
    #[test]
    fn any_bytes_leave_line_and_picture_the_same(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        Session::<48>::new().keys(bytes);
    }

    #[test]
    fn any_keys_leave_line_and_picture_the_same(keys in prop::collection::vec(prop::sample::select(vec![
        "a", "é", " ", "irq", "longer than all", "\t", "\r", "\x7f", "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x01", "\x05",
        "\x04", "\x0b", "\x15", "\x17", "\x19", "\x0c", "\x03",
    ]), 0..80)) {
        Session::<48>::new().keys(keys.concat());
    }

    /// The line against a vector of characters that is edited naively.
    #[test]
    fn the_line_is_what_a_naive_editor_makes(keys in prop::collection::vec(prop::sample::select(vec![
        'x', 'é', ' ', '\x01', '\x05', '\x02', '\x06', '\x7f', '\x0b', '\x15', '\x17',
    ]), 0..60)) {
        let mut session = Session::<256>::new();
        let (mut line, mut at) = (Vec::<char>::new(), 0);
        for key in keys {
            session.keys(key.encode_utf8(&mut [0; 4]));
            match key {
                '\x01' => at = 0,
                '\x05' => at = line.len(),
                '\x02' => at = at.saturating_sub(1),
                '\x06' => at = line.len().min(at + 1),
                '\x7f' if at == 0 => {}
                '\x7f' => {
                    at -= 1;
                    line.remove(at);
                }
                '\x0b' => line.truncate(at),
                '\x15' => at -= line.drain(..at).count(),
                '\x17' => {
                    while at > 0 && line[at - 1] == ' ' {
                        at -= 1;
                        line.remove(at);
                    }
                    while at > 0 && line[at - 1] != ' ' {
                        at -= 1;
                        line.remove(at);
                    }
                }
                _ => {
                    line.insert(at, key);
                    at += 1;
                }
            }
            let (text, cursor) = session.line();
            prop_assert_eq!(text, line.iter().collect::<StdString>());
            prop_assert_eq!(text[..cursor].chars().count(), at);
        }
    }
}
