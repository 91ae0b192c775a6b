//! What state do 32 INTIDs have, and what do their set, clear and byte registers do?

/// 32 INTIDs; a bit each.
pub(super) struct Bank {
    /// Bits that exist.
    implemented: u32,
    pub group: u32,
    pub enabled: u32,
    /// Pending by an edge or by software.
    pub latched: u32,
    /// The inputs.
    pub line: u32,
    pub edge: u32,
    pub active: u32,
    /// Those whose trigger cannot be changed.
    pub fixed: u32,
    pub priority: [u8; 32],
}

/// A register of a bank; offsets are the same in the distributor and in a redistributor's SGI frame.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Group,
    SetEnable,
    ClearEnable,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
    /// First INTID of the access, in this bank.
    Priority(usize),
    /// Which half of the bank.
    Config(u32),
    /// Reads as zero, ignores writes: targets (affinity routing is on; a GICv2's are elsewhere), group modifier and
    /// non-secure access (one security state).
    Nothing,
}

/// The bank, counted from INTID 0, and register at an offset. Only `Priority` may be accessed bytewise.
pub(super) fn decode(offset: usize, width: usize) -> Option<(usize, Field)> {
    use Field::*;
    if let 0x400..0x800 = offset {
        let fits = matches!(width, 1 | 4) && offset.is_multiple_of(width);
        return fits.then_some(((offset - 0x400) / 32, Priority(offset % 32)));
    }
    if width != 4 || !offset.is_multiple_of(4) {
        return None;
    }
    let word = offset % 0x80 / 4;
    Some(match offset {
        0x080..0x100 => (word, Group),
        0x100..0x180 => (word, SetEnable),
        0x180..0x200 => (word, ClearEnable),
        0x200..0x280 => (word, SetPending),
        0x280..0x300 => (word, ClearPending),
        0x300..0x380 => (word, SetActive),
        0x380..0x400 => (word, ClearActive),
        0xc00..0xd00 => ((offset - 0xc00) / 8, Config((offset as u32 - 0xc00) / 4 % 2)),
        0x800..0xc00 | 0xd00..0xd80 | 0xe00..0xf00 => (0, Nothing),
        _ => return None,
    })
}

impl Bank {
    fn new(implemented: u32, edge: u32, fixed: u32) -> Self {
        let priority = [0; 32];
        Self { implemented, group: 0, enabled: 0, latched: 0, line: 0, edge, active: 0, fixed, priority }
    }
    /// SGIs, which are edge-triggered for good, and PPIs.
    pub fn local() -> Self {
        Self::new(!0, 0xffff, 0xffff)
    }
    /// SPIs, of which the first `count` exist.
    pub fn shared(count: u32) -> Self {
        Self::new(if count >= 32 { !0 } else { (1 << count) - 1 }, 0, 0)
    }

    /// Latched, or level-sensitive and high.
    pub fn pending(&self) -> u32 {
        self.latched | self.line & !self.edge
    }
    /// Would be signalled if urgent enough, and if in a group that is let through: an active one waits for its deactivation.
    pub fn ready(&self, groups: [bool; 2]) -> u32 {
        let of = |group: bool, bits: u32| if group { bits } else { 0 };
        self.pending() & self.enabled & !self.active & (of(groups[0], !self.group) | of(groups[1], self.group))
    }
    pub fn set_line(&mut self, bit: u32, high: bool) {
        if high {
            self.latched |= bit & self.edge & !self.line;
            self.line |= bit;
        } else {
            self.line &= !bit;
        }
    }
    /// Pending becomes active; a level-sensitive line that is high is pending again at once.
    pub fn acknowledge(&mut self, bit: u32) {
        self.latched &= !bit;
        self.active |= bit;
    }

    pub fn read(&self, field: Field, width: usize) -> u32 {
        match field {
            Field::Group => self.group,
            Field::SetEnable | Field::ClearEnable => self.enabled,
            Field::SetPending | Field::ClearPending => self.pending(),
            Field::SetActive | Field::ClearActive => self.active,
            Field::Priority(first) => {
                (0..width).fold(0, |word, n| word | u32::from(self.priority[first + n]) << (8 * n))
            }
            Field::Config(half) => (0..16).fold(0, |word, n| word | (self.edge >> (16 * half + n) & 1) << (2 * n + 1)),
            Field::Nothing => 0,
        }
    }

    /// `live`: the distributor forwards interrupts, so that a trigger may only change while its INTID is disabled.
    pub fn write(&mut self, field: Field, width: usize, value: u32, live: bool) {
        let bits = value & self.implemented;
        match field {
            Field::Group => self.group = bits,
            Field::SetEnable => self.enabled |= bits,
            Field::ClearEnable => self.enabled &= !bits,
            Field::SetPending => self.latched |= bits,
            Field::ClearPending => self.latched &= !bits,
            Field::SetActive => self.active |= bits,
            Field::ClearActive => self.active &= !bits,
            Field::Priority(first) => {
                for n in (0..width).filter(|n| self.implemented >> (first + n) & 1 != 0) {
                    self.priority[first + n] = (value >> (8 * n)) as u8;
                }
            }
            Field::Config(half) => {
                let mask = 0xffff << (16 * half) & self.implemented & !self.fixed;
                let edge = (0..16).fold(0, |word, n| word | (value >> (2 * n + 1) & 1) << (16 * half + n)) & mask;
                let changed = (edge ^ self.edge) & mask;
                assert!(
                    !live || changed & self.enabled == 0,
                    "GIC: the trigger of an enabled INTID changes (bits {:#x} of its bank), which is UNPREDICTABLE",
                    changed & self.enabled
                );
                self.edge = self.edge & !mask | edge;
            }
            Field::Nothing => {}
        }
    }
}
