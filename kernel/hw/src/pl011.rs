//! How does a PrimeCell UART (Arm DDI 0183) send, receive and say why it interrupts?
//!
//! The type is a handle on registers and holds no state. Who may use it when is the caller's business.
use crate::mmio::{Mmio, Reg, Ro, Rw, Wo};
use tock_registers::interfaces::{Readable, Writeable};

#[expect(missing_docs, reason = "the macro documents nothing")]
mod fields {
    use tock_registers::register_bitfields;
    register_bitfields! { u32,
    pub DR [ DATA OFFSET(0) NUMBITS(8) [], FE OFFSET(8) NUMBITS(1) [], PE OFFSET(9) NUMBITS(1) [], BE OFFSET(10) NUMBITS(1) [], OE OFFSET(11) NUMBITS(1) [] ],
    pub FR [ BUSY OFFSET(3) NUMBITS(1) [], RXFE OFFSET(4) NUMBITS(1) [], TXFF OFFSET(5) NUMBITS(1) [] ],
    pub LCR_H [ FEN OFFSET(4) NUMBITS(1) [], WLEN OFFSET(5) NUMBITS(2) [ Eight = 3 ] ],
    pub CR [ UARTEN OFFSET(0) NUMBITS(1) [], TXE OFFSET(8) NUMBITS(1) [], RXE OFFSET(9) NUMBITS(1) [] ],
    /// Interrupts: the same bits in IMSC, RIS, MIS and ICR.
    pub INTERRUPTS [
        /// Receive FIFO above its trigger level.
        RX OFFSET(4) NUMBITS(1) [],
        /// Transmit FIFO below its trigger level.
        TX OFFSET(5) NUMBITS(1) [],
        /// Something received has waited for 32 bit times.
        RT OFFSET(6) NUMBITS(1) [],
        /// A character was lost.
        OE OFFSET(10) NUMBITS(1) []
    ]
    }
}
pub use fields::INTERRUPTS;
use fields::{CR, DR, FR, LCR_H};

/// One received character and what was wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The character.
    pub byte: u8,
    /// Characters before this one were lost: the FIFO was full.
    pub overrun: bool,
    /// A break, framing or parity error.
    pub damaged: bool,
}

/// A PL011.
#[derive(Clone, Copy)]
pub struct Pl011 {
    base: Mmio,
}

impl Pl011 {
    /// The UART at `base`.
    pub const fn new(base: Mmio) -> Self {
        Self { base }
    }
    fn dr(&self) -> Reg<u32, DR::Register, Rw> {
        self.base.reg(0)
    }
    fn fr(&self) -> Reg<u32, FR::Register, Ro> {
        self.base.reg(0x18)
    }
    fn imsc(&self) -> Reg<u32, INTERRUPTS::Register, Rw> {
        self.base.reg(0x38)
    }

    /// Sets 8 data bits, FIFOs on, at `baud` from a UART clock of `clock` Hz, with every interrupt masked and cleared.
    pub fn start(&self, clock: u32, baud: u32) {
        let control: Reg<u32, CR::Register, Rw> = self.base.reg(0x30);
        let (whole, fraction): (Reg<u32>, Reg<u32>) = (self.base.reg(0x24), self.base.reg(0x28));
        let line: Reg<u32, LCR_H::Register, Rw> = self.base.reg(0x2c);
        control.set(0);
        self.imsc().set(0);
        self.clear(!0);
        // Divisor in 1/64: clock / (16 * baud), rounded.
        let divisor = (8 * clock / baud).div_ceil(2);
        whole.set(divisor >> 6);
        fraction.set(divisor & 63);
        line.write(LCR_H::FEN::SET + LCR_H::WLEN::Eight);
        control.write(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
    }
    /// Hands a byte to the transmit FIFO unless it is full.
    #[inline]
    pub fn try_send(&self, byte: u8) -> bool {
        if self.fr().is_set(FR::TXFF) {
            return false;
        }
        self.dr().set(u32::from(byte));
        true
    }
    /// Takes a character from the receive FIFO unless it is empty.
    #[inline]
    pub fn try_receive(&self) -> Option<Received> {
        if self.fr().is_set(FR::RXFE) {
            return None;
        }
        let d = self.dr().extract();
        Some(Received {
            byte: d.read(DR::DATA) as u8,
            overrun: d.is_set(DR::OE),
            damaged: d.is_set(DR::FE) || d.is_set(DR::PE) || d.is_set(DR::BE),
        })
    }
    /// Which interrupts are let through now.
    pub fn unmasked(&self) -> u32 {
        self.imsc().get()
    }
    /// Lets these interrupts through and no others (bits of [`INTERRUPTS`]).
    pub fn set_unmasked(&self, interrupts: u32) {
        self.imsc().set(interrupts);
    }
    /// Interrupts that are asserted and let through.
    pub fn asserted(&self) -> u32 {
        let masked: Reg<u32, INTERRUPTS::Register, Ro> = self.base.reg(0x40);
        masked.get()
    }
    /// Clears latched interrupts.
    pub fn clear(&self, interrupts: u32) {
        let icr: Reg<u32, INTERRUPTS::Register, Wo> = self.base.reg(0x44);
        icr.set(interrupts);
    }
    /// Whether the transmitter still shifts.
    pub fn busy(&self) -> bool {
        self.fr().is_set(FR::BUSY)
    }
    /// The register block.
    pub fn mmio(&self) -> Mmio {
        self.base
    }
}
