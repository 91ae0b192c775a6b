//! What does a syndrome mean? `ESR_EL1` in words (Arm ARM D24.2.40).
use core::fmt;
use hw::upcall::Fault;

/// Why an exception was taken.
pub(super) struct Cause {
    class: u64,
    iss: u64,
    vector: u64,
    far: u64,
}

mod class {
    pub const UNKNOWN: u64 = 0x00;
    pub const FP: u64 = 0x07;
    pub const ILLEGAL: u64 = 0x0e;
    pub const INSTRUCTION_ABORT: u64 = 0x21;
    pub const PC_ALIGNMENT: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x25;
    pub const SP_ALIGNMENT: u64 = 0x26;
    pub const BRK: u64 = 0x3c;
}

impl Cause {
    pub fn of(fault: &Fault) -> Self {
        Self { class: fault.esr >> 26 & 0x3f, iss: fault.esr & 0x01ff_ffff, vector: fault.vector, far: fault.far }
    }
    pub fn is_abort(&self) -> bool {
        self.vector.is_multiple_of(4) && matches!(self.class, class::DATA_ABORT | class::INSTRUCTION_ABORT)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vector % 4 {
            0 => {}
            1 => return f.write_str("interrupt where none may come"),
            2 => return f.write_str("stray FIQ"),
            _ => return f.write_str("SError (asynchronous abort)"),
        }
        match self.class {
            class::UNKNOWN => f.write_str("undefined instruction"),
            class::FP => f.write_str("use of FP or SIMD registers (the kernel is built without)"),
            class::ILLEGAL => f.write_str("illegal execution state"),
            class::PC_ALIGNMENT => f.write_str("misaligned program counter"),
            class::SP_ALIGNMENT => f.write_str("misaligned stack pointer"),
            class::BRK => write!(f, "breakpoint instruction {:#x}", self.iss & 0xffff),
            class::DATA_ABORT | class::INSTRUCTION_ABORT => {
                let what = match (self.class, self.iss >> 6 & 1) {
                    (class::INSTRUCTION_ABORT, _) => "execution",
                    (_, 1) => "write",
                    _ => "read",
                };
                let why = match self.iss >> 2 & 0xf {
                    0 => "address size fault",
                    1 => "no memory there",
                    2 => "access flag fault",
                    3 => "no permission",
                    4 => "external abort",
                    8 if self.iss & 3 == 1 => "misaligned",
                    _ => "fault",
                };
                write!(f, "bad {what} at {:#x} ({why})", self.far)
            }
            other => write!(f, "exception of class {other:#x}"),
        }
    }
}
