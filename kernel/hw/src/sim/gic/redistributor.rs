//! What do the registers of a redistributor frame do? Arm IHI 0069H 12.11.
use super::{Core, Frame, Gic, PIDR2, bank, count_down, distributor};

/// The second 64 KiB page of a frame: the registers of SGIs and PPIs.
const SGI_PAGE: usize = 0x1_0000;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
/// `GICR_CTLR`: a write is still under way.
const RWP: u32 = 1 << 3;

impl Gic {
    pub fn read_redistributor(&mut self, frame: usize, offset: usize, width: usize) -> u64 {
        match (offset, width) {
            (0x8, 8) => return self.redistributor_typer(frame),
            (0x8, 4) => return self.redistributor_typer(frame) & 0xffff_ffff,
            (0xc, 4) => return self.redistributor_typer(frame) >> 32,
            (0xffe8, 4) => return PIDR2.into(),
            (0x4, 4) => return 0x43b,
            _ => {}
        }
        let core = self.core(frame, offset);
        let value = match (offset, width) {
            (0x0, 4) => u32::from(count_down(&mut core.rwp)) * RWP,
            (0x14, 4) => match core.asleep {
                true => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
                false => u32::from(count_down(&mut core.waking)) * CHILDREN_ASLEEP,
            },
            _ => match offset.checked_sub(SGI_PAGE).and_then(|at| bank::decode(at, width)) {
                Some((0, field)) => core.bank.read(field, width),
                _ => panic!("GICR{frame}: read of {width} bytes at {offset:#x}"),
            },
        };
        value.into()
    }

    pub fn write_redistributor(&mut self, frame: usize, offset: usize, width: usize, value: u64) {
        let (wake_reads, rwp_reads) = (self.wake_reads, self.rwp_reads);
        let live = self.ctlr & distributor::GRP1 != 0;
        let core = self.core(frame, offset);
        let word = value as u32;
        match (offset, width) {
            // LPIs are not there to be enabled.
            (0x0, 4) => {}
            (0x14, 4) => {
                let asleep = word & PROCESSOR_SLEEP != 0;
                if core.asleep && !asleep {
                    core.waking = wake_reads;
                }
                core.asleep = asleep;
            }
            _ => match offset.checked_sub(SGI_PAGE).and_then(|at| bank::decode(at, width)) {
                Some((0, field)) => {
                    if matches!(field, bank::Field::ClearEnable) {
                        core.rwp = rwp_reads;
                    }
                    core.bank.write(field, width, word, live);
                }
                _ => panic!("GICR{frame}: write of {width} bytes at {offset:#x}, value {value:#x}"),
            },
        }
    }

    fn core(&mut self, frame: usize, offset: usize) -> &mut Core {
        match self.frame(frame).0 {
            Frame::Cpu(cpu) => &mut self.cores[cpu],
            Frame::Absent(_) => panic!("GICR{frame}+{offset:#x}: the frame of a CPU that is not there"),
        }
    }

    fn redistributor_typer(&self, frame: usize) -> u64 {
        const PLPIS: u64 = 1;
        const VLPIS: u64 = 1 << 1;
        const LAST: u64 = 1 << 4;
        let (found, region, place) = self.frame(frame);
        let affinity = match found {
            Frame::Cpu(cpu) => self.cores[cpu].affinity,
            Frame::Absent(affinity) => affinity,
        };
        let last = region.last.unwrap_or(region.frames.len() - 1) == place;
        u64::from(affinity) << 32
            | (frame as u64) << 8
            | if last { LAST } else { 0 }
            | if region.vlpis { VLPIS } else { 0 }
            | PLPIS
    }
}
