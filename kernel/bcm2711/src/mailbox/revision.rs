//! What board is it? The revision code (Raspberry Pi documentation, "Raspberry Pi revision codes").
use core::fmt;

/// A revision code, as the firmware tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub u32);

impl Revision {
    /// Whether it is one of those from the Raspberry Pi 2 on, which have fields.
    const fn has_fields(self) -> bool {
        self.0 & 1 << 23 != 0
    }
    /// MiB of memory that the board has; `None` if the code does not say.
    pub const fn memory_mib(self) -> Option<u32> {
        if self.has_fields() { Some(256 << (self.0 >> 20 & 7)) } else { None }
    }
    /// The board's name; `None` if it is none with a BCM2711.
    pub const fn model(self) -> Option<&'static str> {
        match (self.has_fields(), self.0 >> 4 & 0xff) {
            (true, 0x11) => Some("Raspberry Pi 4 Model B"),
            (true, 0x13) => Some("Raspberry Pi 400"),
            (true, 0x14) => Some("Raspberry Pi Compute Module 4"),
            (true, 0x15) => Some("Raspberry Pi Compute Module 4S"),
            _ => None,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.model(), self.memory_mib()) {
            (Some(model), Some(mib)) => write!(f, "{model} Rev 1.{}, {mib} MiB", self.0 & 0xf),
            _ => write!(f, "board with revision code {:#x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BU-05: the boards that there are, by their codes.
    #[test]
    fn bu_05_boards_are_told_by_their_codes() {
        for (code, mib, text) in [
            (0x00a0_3111, Some(1024), "Raspberry Pi 4 Model B Rev 1.1, 1024 MiB"),
            (0x00b0_3115, Some(2048), "Raspberry Pi 4 Model B Rev 1.5, 2048 MiB"),
            (0x00c0_3112, Some(4096), "Raspberry Pi 4 Model B Rev 1.2, 4096 MiB"),
            (0x00d0_3114, Some(8192), "Raspberry Pi 4 Model B Rev 1.4, 8192 MiB"),
            (0x00c0_3130, Some(4096), "Raspberry Pi 400 Rev 1.0, 4096 MiB"),
            (0x00a0_2082, Some(1024), "board with revision code 0xa02082"),
            (0x000e, None, "board with revision code 0xe"),
        ] {
            assert_eq!((Revision(code).memory_mib(), Revision(code).to_string().as_str()), (mib, text));
        }
    }
}
