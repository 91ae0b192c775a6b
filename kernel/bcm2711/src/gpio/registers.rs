//! Where are a pin's bits? Register offsets and fields of the GPIO block (BCM2711 ARM Peripherals 5.2).
use hw::mmio::{Mmio, Reg, Rw};
use tock_registers::interfaces::{Readable, Writeable};

// Registers with a bit a pin, in two words each.
/// Written ones drive pins high.
pub const SET: usize = 0x1c;
/// Written ones drive pins low.
pub const CLEAR: usize = 0x28;
/// Levels of the pins.
pub const LEVEL: usize = 0x34;
/// Edges that were detected; written ones are forgotten.
pub const EVENTS: usize = 0x40;
/// Whether rising edges are detected, with two samples of the system clock.
pub const RISING: usize = 0x4c;
/// Whether falling edges are.
pub const FALLING: usize = 0x58;

/// Functions of 10 pins a word, 3 bits each.
const FUNCTIONS: usize = 0;
/// Pulls of 16 pins a word, 2 bits each.
const PULLS: usize = 0xe4;

/// What a pin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the chip's names; what the alternatives are is in 5.3")]
pub enum Function {
    Input = 0,
    Output = 1,
    Alt0 = 4,
    Alt1 = 5,
    Alt2 = 6,
    Alt3 = 7,
    Alt4 = 3,
    Alt5 = 2,
}

/// What a pin does when nobody drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// It floats.
    None = 0,
    /// It is high.
    Up = 1,
    /// It is low.
    Down = 2,
}

/// Which edges of a pin are detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    /// From low to high.
    pub rising: bool,
    /// From high to low.
    pub falling: bool,
}

impl Edges {
    /// None.
    pub const NONE: Self = Self { rising: false, falling: false };
    /// From low to high.
    pub const RISING: Self = Self { rising: true, falling: false };
    /// From high to low.
    pub const FALLING: Self = Self { rising: false, falling: true };
    /// Both.
    pub const BOTH: Self = Self { rising: true, falling: true };
}

/// A pin's field in a word that several pins share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Offset of the word.
    pub register: usize,
    /// Its lowest bit.
    pub shift: u32,
    /// Its bits, at the bottom.
    pub mask: u32,
}

impl Field {
    /// The word with this value in the field.
    pub const fn put(self, word: u32, value: u32) -> u32 {
        word & !(self.mask << self.shift) | (value & self.mask) << self.shift
    }
    /// Reads, changes and writes the word. One at a time.
    pub fn set(self, base: Mmio, value: u32) {
        let register: Reg<u32, (), Rw> = base.reg(self.register);
        register.set(self.put(register.get(), value));
    }
}

/// Where the pin's function is.
pub const fn function(pin: u8) -> Field {
    Field { register: FUNCTIONS + (pin / 10) as usize * 4, shift: (pin % 10) as u32 * 3, mask: 0b111 }
}
/// Where the pin's pull is.
pub const fn pull(pin: u8) -> Field {
    Field { register: PULLS + (pin / 16) as usize * 4, shift: (pin % 16) as u32 * 2, mask: 0b11 }
}

/// Gives pins 14, which sends, and 15, which receives, to the PL011. While boot runs alone: others change the same words.
pub fn to_pl011(base: Mmio) {
    // Without anything plugged in the line is quiet, as between two characters.
    for (pin, pulled) in [(14, Pull::None), (15, Pull::Up)] {
        pull(pin).set(base, pulled as u32);
        function(pin).set(base, Function::Alt0 as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BU-05: fields of the first and last pins of words.
    #[test]
    fn bu_05_where_a_pins_fields_are() {
        for (pin, register, shift) in [(0, 0, 0), (9, 0, 27), (10, 4, 0), (14, 4, 12), (15, 4, 15), (57, 0x14, 21)] {
            assert_eq!(function(pin), Field { register, shift, mask: 7 }, "pin {pin}");
        }
        for (pin, register, shift) in [(0, 0xe4, 0), (15, 0xe4, 30), (16, 0xe8, 0), (57, 0xf0, 18)] {
            assert_eq!(pull(pin), Field { register, shift, mask: 3 }, "pin {pin}");
        }
    }

    /// BU-05: no two pins share a bit, and a change leaves the other pins alone.
    #[test]
    fn bu_05_pins_keep_out_of_each_others_fields() {
        for place in [function, pull] {
            let mut words = [0_u32; 64];
            for pin in 0..58 {
                let field = place(pin);
                let word = &mut words[field.register / 4];
                assert_eq!(*word & field.mask << field.shift, 0, "pin {pin}");
                let before = *word;
                *word = field.put(before, field.mask);
                assert_eq!(*word ^ before, field.mask << field.shift);
                assert_eq!(field.put(*word, 0), before);
            }
        }
    }

    /// BU-05: pins 14 and 15 are the PL011's when both fields are 4.
    #[test]
    fn bu_05_the_uarts_pins() {
        let alt0 = |word, pin| function(pin).put(word, Function::Alt0 as u32);
        assert_eq!(alt0(alt0(0, 14), 15), 0x0002_4000);
        assert_eq!(alt0(alt0(!0, 14), 15), !(0x3f << 12) | 0x0002_4000);
    }
}
