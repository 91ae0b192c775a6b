//! Which key do the bytes of a serial line mean?
//!
//! UTF-8 (RFC 3629) and what a VT100 and its descendants send for keys (ECMA-48 control sequences, `ESC O` for function
//! keys). Sequences that mean nothing here are swallowed whole; a control character ends one that is not finished.

/// A key or editing command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    /// ^D: deletes, or in an empty line ends the session.
    DeleteOrEof,
    Left,
    Right,
    Home,
    End,
    Previous,
    Next,
    KillToEnd,
    KillToStart,
    KillWord,
    Yank,
    Redraw,
    Cancel,
}

/// What a byte brought: perhaps the end of something that is not UTF-8, perhaps a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) broken: bool,
    pub(super) key: Option<Key>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Ground,
    /// Inside a character: its bytes so far, how many of them, how many it has.
    Utf8([u8; 4], usize, usize),
    Escape,
    /// Behind `ESC [`: the first parameter, and whether there was nothing but it.
    Csi {
        parameter: u8,
        plain: bool,
        first: bool,
    },
    /// The Linux console's `ESC [ [ A` for F1: one more byte.
    LastByte,
    /// Behind `ESC O`.
    Ss3,
    /// Behind `ESC` and an intermediate byte, up to the final byte.
    Intermediate,
    /// A string (`ESC ]`, `ESC P` and the like), up to BEL or `ESC \`.
    String,
}

#[derive(Debug)]
pub(super) struct Keys {
    state: State,
    /// The last byte was CR: an LF right behind it belongs to it.
    after_cr: bool,
}

const ESC: u8 = 0x1B;
const BEL: u8 = 0x07;
const DEL: u8 = 0x7F;

impl Keys {
    pub(super) const fn new() -> Self {
        Keys { state: State::Ground, after_cr: false }
    }

    pub(super) fn feed(&mut self, byte: u8) -> Decoded {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        let broken = matches!(self.state, State::Utf8(..)) && !(0x80..0xC0).contains(&byte);
        let key = match (byte, self.state) {
            (ESC, _) => self.enter(State::Escape),
            (BEL, State::String) => self.enter(State::Ground),
            (0..0x20 | DEL, _) => {
                self.state = State::Ground;
                if after_cr && byte == b'\n' { None } else { control(byte) }
            }
            (0x80.., State::String) => None,
            (0x80..0xC0, State::Utf8(bytes, have, need)) => return self.continue_character(byte, bytes, have, need),
            (0x80.., _) => {
                let begun = self.begin_character(byte);
                return Decoded { broken: broken || begun.broken, key: begun.key };
            }
            (0x20..DEL, state) => self.printable(byte, state),
        };
        Decoded { broken, key }
    }

    fn enter(&mut self, state: State) -> Option<Key> {
        self.state = state;
        None
    }

    /// An ASCII byte that is no control character.
    fn printable(&mut self, byte: u8, state: State) -> Option<Key> {
        self.state = State::Ground;
        match (state, byte) {
            (State::Ground | State::Utf8(..), _) => Some(Key::Char(char::from(byte))),
            (State::Escape, b'[') => self.enter(State::Csi { parameter: 0, plain: true, first: true }),
            (State::Escape, b'O') => self.enter(State::Ss3),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.enter(State::String),
            (State::Escape | State::Intermediate, 0x20..0x30) => self.enter(State::Intermediate),
            (State::Escape | State::Intermediate | State::LastByte, _) => None,
            (State::String, _) => self.enter(State::String),
            (State::Ss3, final_byte) => sequence(final_byte, 0),
            (State::Csi { first: true, .. }, b'[') => self.enter(State::LastByte),
            (State::Csi { parameter, plain, .. }, b'0'..=b'9') => {
                let parameter = parameter.saturating_mul(10).saturating_add(byte - b'0');
                self.enter(State::Csi { parameter, plain, first: false })
            }
            (State::Csi { parameter, .. }, 0x20..0x40) => {
                self.enter(State::Csi { parameter, plain: false, first: false })
            }
            (State::Csi { parameter, plain, .. }, final_byte) => {
                if plain {
                    sequence(final_byte, parameter)
                } else {
                    None
                }
            }
        }
    }

    fn begin_character(&mut self, byte: u8) -> Decoded {
        self.state = State::Ground;
        let need = match byte {
            0xC2..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF5 => 4,
            _ => return Decoded { broken: true, key: None },
        };
        self.state = State::Utf8([byte, 0, 0, 0], 1, need);
        Decoded::default()
    }

    fn continue_character(&mut self, byte: u8, mut bytes: [u8; 4], have: usize, need: usize) -> Decoded {
        bytes[have] = byte;
        if have + 1 < need {
            self.state = State::Utf8(bytes, have + 1, need);
            return Decoded::default();
        }
        self.state = State::Ground;
        // The C1 control characters (U+0080 to U+009F) would steer the terminal when they are echoed.
        let char = core::str::from_utf8(&bytes[..need]).ok().and_then(|text| text.chars().next());
        match char.filter(|char| !char.is_control()) {
            Some(char) => Decoded { broken: false, key: Some(Key::Char(char)) },
            None => Decoded { broken: true, key: None },
        }
    }
}

fn control(byte: u8) -> Option<Key> {
    // A control character is its letter without the upper three bits.
    Some(match byte | 0x40 {
        b'A' => Key::Home,
        b'B' => Key::Left,
        b'C' => Key::Cancel,
        b'D' => Key::DeleteOrEof,
        b'E' => Key::End,
        b'F' => Key::Right,
        b'H' | DEL => Key::Backspace,
        b'I' => Key::Tab,
        b'J' | b'M' => Key::Enter,
        b'K' => Key::KillToEnd,
        b'L' => Key::Redraw,
        b'N' => Key::Next,
        b'P' => Key::Previous,
        b'U' => Key::KillToStart,
        b'W' => Key::KillWord,
        b'Y' => Key::Yank,
        _ => return None,
    })
}

/// The key of a control sequence with this final byte and parameter.
fn sequence(final_byte: u8, parameter: u8) -> Option<Key> {
    Some(match (final_byte, parameter) {
        (b'A', _) => Key::Previous,
        (b'B', _) => Key::Next,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => return None,
    })
}
