//! Which registers were accessed, in which order? The register log, off unless asked for.
use super::machine::machine;
use std::{
    cell::{Cell, RefCell},
    fmt,
};

/// A block of memory-mapped registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// The distributor.
    Gicd,
    /// The CPU interface of a GICv2.
    Gicc,
    /// A redistributor frame, counted over all regions.
    Gicr(usize),
    /// The UART.
    Pl011,
    /// A device that a test brought along, in the order in which they were attached.
    Device(usize),
}

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A memory-mapped one: block, offset in it, bytes of the access.
    Memory {
        /// The block.
        block: Block,
        /// Offset in bytes.
        offset: usize,
        /// 1, 2, 4 or 8 bytes.
        width: usize,
    },
    /// A system register by the name of its type in [`sysreg`](crate::sysreg), such as `IccIar1`.
    System(&'static str),
}

/// One access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The CPU.
    pub cpu: usize,
    /// Virtual time in ns.
    pub time: u64,
    /// The register.
    pub what: Register,
    /// Written, not read.
    pub write: bool,
    /// The value.
    pub value: u64,
}

/// The register log so far.
pub fn registers() -> Vec<Access> {
    machine().log.entries.borrow().clone()
}
/// Empties the register log.
pub fn clear_registers() {
    machine().log.entries.borrow_mut().clear();
}
/// Starts or stops recording.
pub fn log_registers(on: bool) {
    machine().log.on.set(on);
}

pub(super) struct Log {
    on: Cell<bool>,
    entries: RefCell<Vec<Access>>,
}

impl Log {
    pub fn new(on: bool) -> Self {
        Self { on: Cell::new(on), entries: RefCell::default() }
    }
    pub fn is_on(&self) -> bool {
        self.on.get()
    }
    pub fn record(&self, access: Access) {
        self.entries.borrow_mut().push(access);
    }
    pub fn take(&self) -> Vec<Access> {
        self.entries.take()
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Block::Gicd => f.write_str("GICD"),
            Block::Gicc => f.write_str("GICC"),
            Block::Gicr(n) => write!(f, "GICR{n}"),
            Block::Pl011 => f.write_str("PL011"),
            Block::Device(n) => write!(f, "device {n}"),
        }
    }
}

impl fmt::Display for Register {
    /// `GICD+0x104`, `GICC_IAR`, `ICC_IAR1`, `CNTV_CTL`, `CNTVCT`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = match self {
            Register::Memory { block: Block::Gicc, offset, .. } => {
                return match offset {
                    0x0 => f.write_str("GICC_CTLR"),
                    0x4 => f.write_str("GICC_PMR"),
                    0x8 => f.write_str("GICC_BPR"),
                    0xc => f.write_str("GICC_IAR"),
                    0x10 => f.write_str("GICC_EOIR"),
                    0x14 => f.write_str("GICC_RPR"),
                    0xd0..0xe0 => write!(f, "GICC_APR{}", (offset - 0xd0) / 4),
                    0x1000 => f.write_str("GICC_DIR"),
                    _ => write!(f, "GICC+{offset:#x}"),
                };
            }
            Register::Memory { block, offset, .. } => return write!(f, "{block}+{offset:#x}"),
            Register::System(name) => name,
        };
        // The architecture writes CNTVCT but CNTV_CTL.
        let joined = name.starts_with("Cnt");
        for (n, c) in name.char_indices() {
            if n > 0 && c.is_uppercase() && !(joined && n == 3) {
                f.write_str("_")?;
            }
            write!(f, "{}", c.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

impl fmt::Display for Access {
    /// `GICD+0x104 <- 0x100`, `ICC_IAR1 -> 40`; with a sender, `GICC_IAR -> 0x401`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {} ", self.what, if self.write { "<-" } else { "->" })?;
        match self.what {
            Register::System("IccIar1" | "IccEoir1" | "IccDir") => write!(f, "{}", self.value),
            Register::Memory { block: Block::Gicc, offset: 0xc | 0x10 | 0x1000, .. } if self.value < 1024 => {
                write!(f, "{}", self.value)
            }
            _ => write!(f, "{:#x}", self.value),
        }
    }
}
