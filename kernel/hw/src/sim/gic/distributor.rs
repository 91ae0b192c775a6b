//! What do the distributor's registers do? Arm IHI 0069H 12.9.
use super::{Gic, PIDR2, SPI, bank, count_down};

/// `GICD_CTLR`: group 1 is forwarded.
pub(super) const GRP1: u32 = 1 << 1;
pub(super) const GRP0: u32 = 1 << 0;
/// Affinity routing.
pub(super) const ARE: u32 = 1 << 4;
/// One security state, for good.
const DS: u32 = 1 << 6;
/// A write is still under way.
const RWP: u32 = 1 << 31;
/// `GICD_TYPER` without the number of lines: affinity 3 valid, no 1-of-N, 16-bit INTIDs, LPIs.
const TYPER: u32 = 0x037a_0000;
/// `GICD_TYPER.RSS`: SGIs can be sent to any Aff0.
const RSS: u32 = 1 << 26;

impl Gic {
    pub fn read_distributor(&mut self, cpu: usize, offset: usize, width: usize) -> u64 {
        if self.v2.is_some() {
            return self.read_distributor_v2(cpu, offset, width).into();
        }
        if let Some((intid, shift, mask)) = router(offset, width) {
            return self.routes.get(intid).copied().filter(|_| self.routed(intid)).unwrap_or(0) >> shift & mask;
        }
        let value = match (offset, width) {
            (0x0, 4) => self.ctlr | DS | if count_down(&mut self.rwp) { RWP } else { 0 },
            (0x4, 4) => TYPER | if self.sgi_ranges.0 { RSS } else { 0 } | (self.lines.div_ceil(32) - 1),
            (0x8, 4) => 0x43b,
            // Reserved; where a GICv2 has it.
            (0xfe8, 4) => 0,
            (0xffe8, 4) => PIDR2,
            _ => match bank::decode(offset, width) {
                // Bank 0 is in the redistributors; banks past the last one read as zero.
                Some((n, field)) => n.checked_sub(1).and_then(|n| self.spis.get(n)).map_or(0, |b| b.read(field, width)),
                None => panic!("GICD: read of {width} bytes at {offset:#x}"),
            },
        };
        value.into()
    }

    pub fn write_distributor(&mut self, cpu: usize, offset: usize, width: usize, value: u64) {
        if self.v2.is_some() {
            return self.write_distributor_v2(cpu, offset, width, value as u32);
        }
        if let Some((intid, shift, mask)) = router(offset, width) {
            if self.routed(intid) {
                let implemented = 0xff_80ff_ffff;
                let kept = self.routes[intid] & !(mask << shift);
                self.routes[intid] = kept | (value & mask) << shift & implemented;
            }
            return;
        }
        let word = value as u32;
        match (offset, width) {
            (0x0, 4) => {
                let cleared = self.ctlr & !word & (GRP0 | GRP1);
                let always = if self.quirks.affinity_routing_off { word & ARE | self.ctlr & ARE } else { ARE };
                self.ctlr = word & (GRP0 | GRP1) | always;
                // RWP covers the disabling of groups (12.9.4).
                if cleared != 0 || self.quirks.rwp_stuck {
                    self.rwp = self.rwp_reads;
                }
            }
            _ => {
                let live = self.ctlr & GRP1 != 0;
                let Some((n, field)) = bank::decode(offset, width) else {
                    panic!("GICD: write of {width} bytes at {offset:#x}, value {value:#x}");
                };
                if matches!(field, bank::Field::ClearEnable) {
                    self.rwp = self.rwp_reads;
                }
                if let Some(bank) = n.checked_sub(1).and_then(|n| self.spis.get_mut(n)) {
                    bank.write(field, width, word, live);
                }
            }
        }
    }

    /// Whether `IROUTER` of this INTID is there: not before affinity routing is on.
    fn routed(&self, intid: usize) -> bool {
        self.ctlr & ARE != 0 && (SPI as usize..self.lines as usize).contains(&intid)
    }
}

/// INTID, shift and mask of an access to `IROUTER`: 64 bits, or either half.
fn router(offset: usize, width: usize) -> Option<(usize, u32, u64)> {
    let at = offset.checked_sub(0x6000).filter(|at| *at < 8 * 1024)?;
    match width {
        8 if at.is_multiple_of(8) => Some((at / 8, 0, !0)),
        4 if at.is_multiple_of(4) => Some((at / 8, 8 * (at % 8) as u32, 0xffff_ffff)),
        _ => None,
    }
}
