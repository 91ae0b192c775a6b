//! Which keys are the tool's? Ctrl-A begins a command, as in QEMU's own console; everything else is the kernel's.

/// What a key press means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Goes to the kernel.
    Forward(u8),
    /// Leave the kernel.
    Leave,
    /// Show the tool's keys.
    Help,
    /// The first half of a command.
    Nothing,
}

/// Ctrl-A.
pub const PREFIX: u8 = 0x01;

/// What `Ctrl-A h` shows; leaving means this.
pub fn help(leaving: &str) -> [String; 3] {
    [
        format!("Ctrl-A x       {leaving}"),
        "Ctrl-A Ctrl-A  send Ctrl-A to the kernel".to_owned(),
        "Ctrl-A h       this help".to_owned(),
    ]
}

/// Tells commands from keys.
#[derive(Debug, Default)]
pub struct Keys {
    prefixed: bool,
}

impl Keys {
    /// Takes one byte from the terminal.
    pub fn press(&mut self, byte: u8) -> Key {
        if !std::mem::take(&mut self.prefixed) {
            self.prefixed = byte == PREFIX;
            return if self.prefixed { Key::Nothing } else { Key::Forward(byte) };
        }
        match byte {
            b'x' | b'X' => Key::Leave,
            PREFIX | b'a' => Key::Forward(PREFIX),
            _ => Key::Help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &[u8]) -> Vec<Key> {
        let mut state = Keys::default();
        keys.iter().map(|&key| state.press(key)).collect()
    }

    #[test]
    fn commands() {
        assert_eq!(press(b"\x01x"), [Key::Nothing, Key::Leave]);
        assert_eq!(press(b"\x01h\x01?"), [Key::Nothing, Key::Help, Key::Nothing, Key::Help]);
        assert_eq!(press(b"\x01a"), [Key::Nothing, Key::Forward(PREFIX)]);
        assert_eq!(press(b"\x01\x01x"), [Key::Nothing, Key::Forward(PREFIX), Key::Forward(b'x')]);
    }

    #[test]
    fn everything_else_is_the_kernels() {
        for byte in (0..=255).filter(|&byte| byte != PREFIX) {
            assert_eq!(press(&[byte, b'x']), [Key::Forward(byte), Key::Forward(b'x')]);
        }
    }
}
