//! What does the simulated PL011 do? (Arm DDI 0183G.) Sending takes no time; a full receive FIFO loses characters.
use std::collections::VecDeque;

/// Registers by offset.
mod at {
    pub const DR: usize = 0x00;
    pub const RSR: usize = 0x04;
    pub const FR: usize = 0x18;
    pub const IBRD: usize = 0x24;
    pub const FBRD: usize = 0x28;
    pub const LCR_H: usize = 0x2c;
    pub const CR: usize = 0x30;
    pub const IFLS: usize = 0x34;
    pub const IMSC: usize = 0x38;
    pub const RIS: usize = 0x3c;
    pub const MIS: usize = 0x40;
    pub const ICR: usize = 0x44;
    pub const DMACR: usize = 0x48;
    pub const ID: usize = 0xfe0;
}
const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;
const FR_TXFE: u32 = 1 << 7;
const LCR_H_FEN: u32 = 1 << 4;
const CR_UARTEN: u32 = 1;
const CR_TXE: u32 = 1 << 8;
const CR_RXE: u32 = 1 << 9;
/// Bits of IMSC, RIS, MIS and ICR.
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const OE: u32 = 1 << 10;
/// Overrun in `DR` and in `RSR`.
const DR_OE: u16 = 1 << 11;
const RSR_OE: u32 = 1 << 3;
const DEPTH: usize = 16;
/// Peripheral and cell identification, a byte a word (revision r1p5).
const IDS: [u8; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

pub(super) struct Pl011 {
    clock: u64,
    received: VecDeque<u16>,
    /// A character was lost since the last one that fitted.
    lost: bool,
    rsr: u32,
    ibrd: u32,
    fbrd: u32,
    lcr_h: u32,
    cr: u32,
    ifls: u32,
    imsc: u32,
    ris: u32,
    time_out: Option<u64>,
    sent: Vec<u8>,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Pl011 {
    pub fn new(clock: u64) -> Self {
        let (received, sent) = (VecDeque::new(), Vec::new());
        let (ibrd, fbrd, lcr_h, cr, ifls) = (0, 0, 0, CR_TXE | CR_RXE, 0x12);
        let (lost, rsr, imsc, ris, time_out) = (false, 0, 0, 0, None);
        Self { clock, received, lost, rsr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, time_out, sent }
    }
    pub fn line(&self) -> bool {
        self.ris & self.imsc != 0
    }
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }
    pub fn into_sent(self) -> Vec<u8> {
        self.sent
    }

    fn depth(&self) -> usize {
        if self.lcr_h & LCR_H_FEN != 0 { DEPTH } else { 1 }
    }
    /// Characters at which the receive interrupt is asserted.
    fn trigger(&self) -> usize {
        match (self.depth(), self.ifls >> 3 & 7) {
            (1, _) => 1,
            (_, 0) => 2,
            (_, 1) => 4,
            (_, 2) => 8,
            (_, 3) => 12,
            _ => 14,
        }
    }
    /// 32 bit times in ns: how long a character waits before the receive time-out.
    fn waits(&self) -> u64 {
        let divisor = u64::from(self.ibrd * 64 + self.fbrd).max(64);
        32 * 1_000_000_000 * divisor / (4 * self.clock)
    }

    /// A character arrives.
    pub fn receive(&mut self, byte: u8, now: u64) {
        if self.cr & (CR_UARTEN | CR_RXE) != CR_UARTEN | CR_RXE {
            return;
        }
        if self.received.len() >= self.depth() {
            self.lost = true;
            self.rsr |= RSR_OE;
            self.ris |= OE;
            return;
        }
        // The overrun state goes into the FIFO with the first character that fits again (3.3.1).
        let overrun = if std::mem::take(&mut self.lost) { DR_OE } else { 0 };
        self.received.push_back(u16::from(byte) | overrun);
        if self.received.len() >= self.trigger() {
            self.ris |= RX;
        }
        self.time_out = Some(now + self.waits());
    }
    /// When the receive time-out is, if nothing else is received or read.
    pub fn time_out(&self) -> Option<u64> {
        self.time_out
    }
    pub fn timed_out(&mut self) {
        self.time_out = None;
        self.ris |= RT;
    }

    fn read_data(&mut self) -> u32 {
        let character = self.received.pop_front().unwrap_or(0);
        if self.received.len() < self.trigger() {
            self.ris &= !RX;
        }
        if self.received.is_empty() {
            self.ris &= !RT;
            self.time_out = None;
        }
        character.into()
    }

    pub fn read(&mut self, offset: usize, width: usize) -> u64 {
        let value = match (offset, width) {
            (at::DR, 1 | 2 | 4) => self.read_data(),
            (at::RSR, 4) => self.rsr,
            (at::FR, 4) => {
                let empty = if self.received.is_empty() { FR_RXFE } else { 0 };
                let full = if self.received.len() >= self.depth() { FR_RXFF } else { 0 };
                FR_TXFE | empty | full
            }
            (at::IBRD, 4) => self.ibrd,
            (at::FBRD, 4) => self.fbrd,
            (at::LCR_H, 4) => self.lcr_h,
            (at::CR, 4) => self.cr,
            (at::IFLS, 4) => self.ifls,
            (at::IMSC, 4) => self.imsc,
            (at::RIS, 4) => self.ris,
            (at::MIS, 4) => self.ris & self.imsc,
            (at::DMACR, 4) => 0,
            (at::ID..0x1000, 4) => IDS[(offset - at::ID) / 4].into(),
            _ => panic!("PL011: read of {width} bytes at {offset:#x}"),
        };
        value.into()
    }

    pub fn write(&mut self, offset: usize, width: usize, value: u64) {
        let word = value as u32;
        match (offset, width) {
            (at::DR, 1 | 2 | 4) => {
                if self.cr & (CR_UARTEN | CR_TXE) == CR_UARTEN | CR_TXE {
                    self.sent.push(word as u8);
                    // The FIFO has drained again by the time anybody looks.
                    self.ris |= TX;
                }
            }
            (at::RSR, 4) => self.rsr = 0,
            (at::IBRD, 4) => self.ibrd = word & 0xffff,
            (at::FBRD, 4) => self.fbrd = word & 0x3f,
            (at::LCR_H, 4) => {
                // Switching the FIFOs flushes them.
                if (self.lcr_h ^ word) & LCR_H_FEN != 0 {
                    self.received.clear();
                    self.time_out = None;
                }
                self.lcr_h = word & 0xff;
            }
            (at::CR, 4) => self.cr = word & 0xffff,
            (at::IFLS, 4) => self.ifls = word & 0x3f,
            (at::IMSC, 4) => self.imsc = word & 0x7ff,
            (at::ICR, 4) => self.ris &= !word,
            (at::DMACR, 4) => {}
            _ => panic!("PL011: write of {width} bytes at {offset:#x}, value {value:#x}"),
        }
    }
}
