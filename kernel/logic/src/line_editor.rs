//! What does the line become when the user presses a key, and what does the terminal have to show?
//!
//! The editor does no input or output of its own: bytes of a serial line go in one at a time, echo goes to a sink, as a
//! VT100 understands it. The line stays on one row of the terminal: when it is longer than that, a part of it is shown.
//!
//! | key | does |
//! |---|---|
//! | ←, ^B · →, ^F · Home, ^A · End, ^E | moves by a character · to the line's ends |
//! | Backspace, ^H · Delete, ^D | deletes the character before · under the cursor |
//! | ^W · ^U · ^K | deletes the word before the cursor · all before it · all behind it |
//! | ^Y | inserts what one of these deleted last |
//! | ↑, ^P · ↓, ^N | an earlier · later line |
//! | Tab | completes a word; a second Tab lists the candidates |
//! | ^L | clears the terminal |
//! | Enter · ^C · ^D in an empty line | ends the line · gives it up · ends the session |
//!
//! What the line cannot take (too long, not UTF-8) rings the bell and changes nothing. Every character counts as one
//! column wide: with wide or combining characters the line is right and its picture may not be, until ^L.

mod keys;

use crate::text::part;
use core::fmt::Write;
use heapless::{Deque, String};
use keys::{Decoded, Key, Keys};

/// Bytes of a prompt.
pub const PROMPT: usize = 32;

/// The narrowest terminal: it takes a prompt and some of the line.
pub const MIN_COLUMNS: usize = PROMPT + 8;

/// Blanks between listed candidates, at least.
const GAP: usize = 2;

/// Characters that end a word for completion; each is one byte.
const WORD_ENDS: [char; 4] = [' ', '\t', ';', '>'];

/// Says which words the one before the cursor may become: gets the line up to the cursor, and calls its second argument
/// with each candidate, a whole word. Candidates that do not begin as the word does are ignored. It may be asked twice.
pub type Completer<'a> = dyn Fn(&str, &mut dyn FnMut(&str)) + 'a;

/// A [`Completer`] without candidates.
pub fn no_completion(_line: &str, _candidate: &mut dyn FnMut(&str)) {}

/// What became of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It is being edited.
    Pending,
    /// It is complete, see [`LineEditor::line`].
    Line,
    /// It was given up with ^C.
    Cancelled,
    /// ^D was pressed in an empty line.
    Eof,
}

/// An editor for lines of `LINE` bytes that remembers the last `HISTORY` of them.
pub struct LineEditor<const LINE: usize, const HISTORY: usize> {
    keys: Keys,
    columns: usize,
    prompt: String<PROMPT>,
    line: String<LINE>,
    /// Byte offset in `line`, between characters.
    cursor: usize,
    killed: String<LINE>,
    /// Newest first.
    history: Deque<String<LINE>, HISTORY>,
    /// Which line of the history is shown, and the line that was being written before.
    shown: Option<usize>,
    draft: String<LINE>,
    /// The last key was a Tab that left several candidates.
    listable: bool,
    /// The line is complete or given up: the next key begins another.
    over: bool,
}

impl<const LINE: usize, const HISTORY: usize> LineEditor<LINE, HISTORY> {
    /// An editor with an empty line and no history, for a terminal of 80 columns.
    pub const fn new() -> Self {
        LineEditor {
            keys: Keys::new(),
            columns: 80,
            prompt: String::new(),
            line: String::new(),
            cursor: 0,
            killed: String::new(),
            history: Deque::new(),
            shown: None,
            draft: String::new(),
            listable: false,
            over: false,
        }
    }

    /// Says how wide the terminal is; at least [`MIN_COLUMNS`] is assumed.
    pub fn set_columns(&mut self, columns: usize) {
        self.columns = columns.max(MIN_COLUMNS);
    }

    /// Begins a new line behind `prompt`, plain text of which [`PROMPT`] bytes are shown.
    pub fn begin(&mut self, prompt: &str, out: &mut dyn Write) {
        self.clear();
        self.prompt.clear();
        // Cannot fail: cut to what it takes.
        let _ = self.prompt.push_str(part(prompt, ..prompt.floor_char_boundary(PROMPT)));
        self.draw(out);
    }

    /// The line as it is now; after [`Outcome::Line`] the complete one, until the next line begins.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Where the cursor is in [`line`](LineEditor::line), in bytes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Takes the prompt and the line off the terminal, so that something else can be printed there; then
    /// [`draw`](LineEditor::draw).
    pub fn erase(&self, out: &mut dyn Write) {
        emit(out, format_args!("\r\x1B[K"));
    }

    /// Shows the prompt, the line and the cursor on the terminal's current row.
    #[inline(never)]
    pub fn draw(&self, out: &mut dyn Write) {
        let (start, column) = self.window();
        let shown = cut(&self.line, start, self.room());
        emit(out, format_args!("\r{}{shown}\x1B[K", self.prompt));
        if column < self.prompt_columns() + shown.chars().count() {
            emit(out, format_args!("\r"));
            forward(column, out);
        }
    }

    /// Takes one byte from the terminal.
    pub fn feed(&mut self, byte: u8, completer: &Completer<'_>, out: &mut dyn Write) -> Outcome {
        let Decoded { broken, key } = self.keys.feed(byte);
        if broken {
            bell(out);
        }
        let Some(key) = key else { return Outcome::Pending };
        if self.over {
            self.clear();
        }
        let listable = core::mem::take(&mut self.listable);
        match key {
            Key::Char(char) => self.insert(char.encode_utf8(&mut [0; 4]), out),
            Key::Tab => self.complete(completer, listable, out),
            Key::Left => self.go(self.before(), out),
            Key::Right => self.go(self.behind(), out),
            Key::Home => self.go(0, out),
            Key::End => self.go(self.line.len(), out),
            Key::Backspace => self.delete(self.before(), self.cursor, out),
            Key::DeleteOrEof if self.line.is_empty() => return self.end(Outcome::Eof, "\r\n", out),
            Key::Delete | Key::DeleteOrEof => self.delete(self.cursor, self.behind(), out),
            Key::KillToStart => self.kill(0, self.cursor, out),
            Key::KillToEnd => self.kill(self.cursor, self.line.len(), out),
            Key::KillWord => {
                let word_end = self.head().trim_end().len();
                let start = part(&self.line, ..word_end).rfind(char::is_whitespace).map_or(0, |blank| {
                    // A blank may take several bytes.
                    blank + part(&self.line, blank..).chars().next().map_or(0, char::len_utf8)
                });
                self.kill(start, self.cursor, out);
            }
            Key::Yank => {
                let killed = self.killed.clone();
                self.insert(&killed, out);
            }
            Key::Previous => self.recall(self.shown.map_or(0, |shown| shown + 1), out),
            Key::Next => match self.shown {
                None => bell(out),
                Some(0) => {
                    self.shown = None;
                    self.line = self.draft.clone();
                    self.go_to_end(out);
                }
                Some(shown) => self.recall(shown - 1, out),
            },
            Key::Redraw => {
                emit(out, format_args!("\x1B[H\x1B[2J"));
                self.draw(out);
            }
            Key::Cancel => return self.end(Outcome::Cancelled, "^C\r\n", out),
            Key::Enter => {
                self.remember();
                return self.end(Outcome::Line, "\r\n", out);
            }
        }
        Outcome::Pending
    }

    fn clear(&mut self) {
        self.line.clear();
        self.cursor = 0;
        self.shown = None;
        self.listable = false;
        self.over = false;
    }

    fn end(&mut self, outcome: Outcome, echo: &str, out: &mut dyn Write) -> Outcome {
        // Behind the text, so that ^C does not overwrite it.
        self.go(self.line.len(), out);
        emit(out, format_args!("{echo}"));
        if outcome != Outcome::Line {
            self.clear();
        }
        self.over = true;
        outcome
    }

    /// Puts the complete line into the history, unless it is blank or the same as the last one.
    fn remember(&mut self) {
        if HISTORY == 0 || self.line.trim().is_empty() || self.history.front() == Some(&self.line) {
            return;
        }
        if self.history.is_full() {
            self.history.pop_back();
        }
        // Cannot fail: there is room now.
        let _ = self.history.push_front(self.line.clone());
    }

    fn recall(&mut self, index: usize, out: &mut dyn Write) {
        let Some(line) = self.history.iter().nth(index) else { return bell(out) };
        if self.shown.is_none() {
            self.draft = self.line.clone();
        }
        self.line = line.clone();
        self.shown = Some(index);
        self.go_to_end(out);
    }

    /// After the whole line was replaced.
    fn go_to_end(&mut self, out: &mut dyn Write) {
        self.cursor = self.line.len();
        self.draw(out);
    }

    /// Offset of the character before the cursor.
    #[inline(never)]
    fn before(&self) -> usize {
        self.head().char_indices().next_back().map_or(0, |(start, _)| start)
    }

    /// Offset behind the character under the cursor.
    fn behind(&self) -> usize {
        self.cursor + part(&self.line, self.cursor..).chars().next().map_or(0, char::len_utf8)
    }

    #[inline(never)]
    fn go(&mut self, to: usize, out: &mut dyn Write) {
        if to == self.cursor {
            return;
        }
        let (old_start, old_column) = self.window();
        self.cursor = to;
        let (start, column) = self.window();
        if start != old_start {
            self.draw(out);
        } else if column < old_column {
            emit(out, format_args!("\x1B[{}D", old_column - column));
        } else {
            forward(column - old_column, out);
        }
    }

    /// Inserts text at the cursor and puts the cursor behind it; rings the bell if the line cannot take it.
    #[inline(never)]
    fn insert(&mut self, text: &str, out: &mut dyn Write) {
        let at_end = self.cursor == self.line.len();
        if !self.splice(self.cursor, self.cursor, text) {
            return bell(out);
        }
        if at_end && self.window().0 == 0 {
            emit(out, format_args!("{text}"));
        } else {
            self.draw(out);
        }
    }

    #[inline(never)]
    fn delete(&mut self, from: usize, to: usize, out: &mut dyn Write) {
        if from == to {
            return bell(out);
        }
        self.splice(from, to, "");
        self.draw(out);
    }

    fn kill(&mut self, from: usize, to: usize, out: &mut dyn Write) {
        if from != to {
            self.killed.clear();
            // Cannot fail: a part of a line fits into a line.
            let _ = self.killed.push_str(part(&self.line, from..to));
        }
        self.delete(from, to, out);
    }

    /// Replaces a part of the line by `text` and puts the cursor behind that; `false`, and nothing changed, if the line
    /// would be too long.
    fn splice(&mut self, from: usize, to: usize, text: &str) -> bool {
        if self.line.len() - (to - from) + text.len() > LINE {
            return false;
        }
        let old = self.line.clone();
        self.line.truncate(from);
        // Cannot fail: the length was checked.
        let _ = self.line.push_str(text);
        self.cursor = self.line.len();
        let _ = self.line.push_str(part(&old, to..));
        true
    }

    #[inline(never)]
    fn complete(&mut self, completer: &Completer<'_>, list: bool, out: &mut dyn Write) {
        let head = self.head();
        let word_start = head.rfind(WORD_ENDS).map_or(0, |end| end + 1);
        let word = part(head, word_start..);
        // What all candidates begin with.
        let mut common = String::<LINE>::new();
        let (mut count, mut widest) = (0, 0);
        completer(head, &mut |candidate| {
            if !fits(candidate, word, LINE - word_start) {
                return;
            }
            count += 1;
            widest = widest.max(candidate.chars().count());
            if count == 1 {
                // Cannot fail: it fits.
                let _ = common.push_str(candidate);
            } else {
                let same = common.char_indices().zip(candidate.chars()).find(|((_, a), b)| a != b);
                let shorter = common.len().min(candidate.len());
                common.truncate(same.map_or(shorter, |((at, _), _)| at));
            }
        });
        if count == 0 {
            return bell(out);
        }
        if count > 1 && common.len() == word.len() && list {
            emit(out, format_args!("\r\n"));
            self.list(completer, word_start, widest, out);
            self.listable = true;
            return self.draw(out);
        }
        // A directory or an option wants more behind it, a finished word a blank.
        let finished = count == 1 && !common.ends_with(['/', '=']);
        let more = common.len() > word.len();
        let addition = String::<LINE>::try_from(part(&common, word.len()..)).unwrap_or_default();
        self.listable = count > 1;
        if more {
            self.insert(&addition, out);
        }
        if finished && part(&self.line, self.cursor..).starts_with(' ') {
            self.go(self.cursor + 1, out);
        } else if finished {
            self.insert(" ", out);
        } else if !more {
            bell(out);
        }
    }

    /// Prints the candidates in columns, from the row's start to a row's start.
    fn list(&self, completer: &Completer<'_>, word_start: usize, widest: usize, out: &mut dyn Write) {
        let head = self.head();
        let in_row = (self.columns / (widest + GAP)).max(1);
        let (mut in_this, mut padding) = (0, 0);
        completer(head, &mut |candidate| {
            if !fits(candidate, part(head, word_start..), LINE - word_start) {
                return;
            }
            if in_this == in_row {
                emit(out, format_args!("\r\n"));
                (in_this, padding) = (0, 0);
            }
            emit(out, format_args!("{:padding$}{candidate}", ""));
            in_this += 1;
            padding = (widest + GAP).saturating_sub(candidate.chars().count());
        });
        emit(out, format_args!("\r\n"));
    }

    /// The line in front of the cursor.
    fn head(&self) -> &str {
        part(&self.line, ..self.cursor)
    }

    fn prompt_columns(&self) -> usize {
        self.prompt.chars().count()
    }

    /// Characters of the line that can be shown. Behind them there is room for ^C, and the last column stays free: what
    /// terminals do after it differs.
    fn room(&self) -> usize {
        self.columns - self.prompt_columns() - 3
    }

    /// The first character of the line that is shown, and the cursor's column.
    #[inline(never)]
    fn window(&self) -> (usize, usize) {
        let at = self.head().chars().count();
        let start = at.saturating_sub(self.room());
        (start, self.prompt_columns() + at - start)
    }
}

impl<const LINE: usize, const HISTORY: usize> Default for LineEditor<LINE, HISTORY> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a candidate continues `word`, has at most `len` bytes and nothing that could not be typed.
fn fits(candidate: &str, word: &str, len: usize) -> bool {
    candidate.starts_with(word) && candidate.len() <= len && !candidate.chars().any(char::is_control)
}

/// The part of `text` from its `start`-th character, at most `len` characters.
fn cut(text: &str, start: usize, len: usize) -> &str {
    let offset = |text: &str, chars| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    let text = part(text, offset(text, start)..);
    part(text, ..offset(text, len))
}

/// A terminal that does not take the echo cannot be told so.
fn emit(out: &mut dyn Write, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn bell(out: &mut dyn Write) {
    emit(out, format_args!("\x07"));
}

fn forward(columns: usize, out: &mut dyn Write) {
    if columns > 0 {
        emit(out, format_args!("\x1B[{columns}C"));
    }
}

#[cfg(test)]
mod tests;
