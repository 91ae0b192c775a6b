//! Do the GICv3s agree beyond the facts that somebody thought of? Random register accesses, and a hash of what is read.
//!
//! Each step does one thing to one of a few INTIDs (or to the CPU interface), then reads their enabled, pending and active
//! bits, the running priority and the active priorities. The hashes were recorded on QEMU 10.0.2. What the architecture
//! leaves UNPREDICTABLE is not done: ends are in order, a trigger changes while disabled, DIR follows EOIR1.
use super::{
    CLEAR_ACTIVE, CLEAR_ENABLE, CLEAR_PENDING, CONFIG, DEFAULT_PRIORITY, Fact, GROUP, PRIORITY, Probe, ROUTER, Ro, Rw,
    SET_ACTIVE, SET_ENABLE, SET_PENDING, expect,
};
use crate::{
    mmio::Reg,
    sysreg::{IccAp1r0, IccBpr1, IccCtlr, IccIgrpen1, IccPmr, IccRpr, IccSgi1r},
};
use tock_registers::interfaces::{Readable, Writeable};

pub(super) const V3_FACTS: &[Fact] = &[("random accesses read the same", |p| {
    const WALKS: [(u64, u64); 4] = [
        (1, 0x4d46_fb0d_c921_d2fc),
        (2, 0x63f6_9878_240b_f4ab),
        (3, 0xfed4_a92c_391d_838f),
        (4, 0x348f_c344_853f_6518),
    ];
    WALKS.iter().try_for_each(|&(seed, hash)| expect("hash of what was read", Walk::new(p, seed).run(), hash))
})];

const STEPS: usize = 2000;
/// Two SGIs, a PPI that nothing drives, the PL011's INTID, the spare one and the three after it.
const COUNT: usize = 8;
/// First INTID that is none.
const SPECIAL: u32 = 1020;
/// More than there are preemption levels.
const NESTING: usize = 64;

struct Walk<'a> {
    probe: &'a Probe,
    intids: [u32; COUNT],
    random: u64,
    hash: u64,
    acknowledged: [u32; NESTING],
    depth: usize,
    split: bool,
}

impl<'a> Walk<'a> {
    fn new(probe: &'a Probe, seed: u64) -> Self {
        let s = probe.spare;
        let intids = [3, 9, 20, probe.uart_intid, s, s + 1, s + 2, s + 3];
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { probe, intids, random, hash: 0xcbf2_9ce4_8422_2325, acknowledged: [0; NESTING], depth: 0, split: true }
    }

    /// Walks from a state that is the same everywhere, and leaves the lines idle.
    fn run(mut self) -> u64 {
        let p = self.probe;
        let uart = [0x30, 0x38].map(|offset| p.uart.reg::<u32, (), Rw>(offset));
        let kept = uart.each_ref().map(Reg::get);
        let groups = self.intids.map(|intid| self.word(GROUP, intid).get());
        uart[0].set(0x301);
        p.uart.reg::<u32, (), Rw>(0x44).set(0x20);
        uart[1].set(0x20);
        for intid in self.intids {
            self.reset(intid);
            let group = self.word(GROUP, intid);
            group.set(group.get() | 1 << (intid % 32));
        }
        IccPmr.set(0xff);
        IccBpr1.set(0);
        for _ in 0..STEPS {
            self.step();
            self.observe();
        }
        p.uart.reg::<u32, (), Rw>(0x44).set(0x20);
        uart[0].set(kept[0]);
        uart[1].set(kept[1]);
        while self.depth > 0 {
            self.end();
        }
        IccCtlr.set(2);
        IccIgrpen1.set(1);
        p.gicd.reg::<u32, (), Rw>(0).set(0x12);
        for (intid, group) in self.intids.into_iter().zip(groups) {
            self.reset(intid);
            self.word(GROUP, intid).set(group);
        }
        self.hash
    }

    fn reset(&self, intid: u32) {
        self.probe.forget(intid);
        self.probe.set_priority(intid, DEFAULT_PRIORITY);
        if intid >= 32 {
            self.probe.route_here(intid);
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn note(&mut self, value: u64) {
        // FNV-1a, a word at a time.
        self.hash = (self.hash ^ value).wrapping_mul(0x0100_0000_01b3);
    }
    fn word(&self, offset: usize, intid: u32) -> Reg<u32, (), Rw> {
        self.probe.block(intid).reg(offset + 4 * (intid as usize / 32))
    }

    fn observe(&mut self) {
        for offset in [SET_ENABLE, SET_PENDING, SET_ACTIVE] {
            for intid in self.intids {
                self.note(self.probe.is_set(offset, intid).into());
            }
        }
        self.note(IccRpr.get());
        self.note(IccAp1r0.get());
    }

    fn step(&mut self) {
        let p = self.probe;
        let intid = self.intids[self.below(COUNT as u64) as usize];
        match self.below(24) {
            0 | 1 => p.strobe(SET_ENABLE, intid),
            2 => p.strobe(CLEAR_ENABLE, intid),
            3 | 4 => p.strobe(SET_PENDING, intid),
            5 => p.strobe(CLEAR_PENDING, intid),
            6 if self.one_in(8) => p.strobe(SET_ACTIVE, intid),
            7 => p.strobe(CLEAR_ACTIVE, intid),
            8 => {
                let priority = 0x40 + 4 * self.below(40) as u8;
                p.set_priority(intid, priority);
                self.note(p.block(intid).reg::<u8, (), Ro>(PRIORITY + intid as usize).get().into());
            }
            9 => {
                p.disable(intid);
                let config: Reg<u32, (), Rw> = p.block(intid).reg(CONFIG + 4 * (intid as usize / 16));
                config.set(config.get() ^ 2 << (2 * (intid % 16)));
                self.note((config.get() >> (2 * (intid % 16)) & 3).into());
            }
            10..=12 if self.depth < NESTING => {
                let taken = p.acknowledge();
                self.note(taken.into());
                if taken < SPECIAL {
                    self.acknowledged[self.depth] = taken;
                    self.depth += 1;
                }
            }
            13..=15 if self.depth > 0 => self.end(),
            16 | 17 => self.deactivate_some(),
            18 => {
                let mask = 0x40 + 4 * self.below(48);
                IccPmr.set(if mask > 0x70 { 0xff } else { mask });
                self.note(IccPmr.get());
            }
            19 => {
                IccBpr1.set(self.below(8));
                self.note(IccBpr1.get());
            }
            20 => {
                let (group, bit) = (self.word(GROUP, intid), 1 << (intid % 32));
                group.set(if self.one_in(6) { group.get() & !bit } else { group.get() | bit });
            }
            21 if self.one_in(2) => p.uart.reg::<u32, (), Rw>(0).set(b' '.into()),
            21 => p.uart.reg::<u32, (), Rw>(0x44).set(0x20),
            22 if self.one_in(2) => {
                let sgi = self.intids[self.below(2) as usize];
                IccSgi1r.set(Probe::sgi_to_self(sgi));
            }
            22 if intid >= 32 => {
                // Nowhere, now and then.
                let router: Reg<u64, (), Rw> = p.gicd.reg(ROUTER + 8 * intid as usize);
                if self.one_in(4) { router.set(0x55_0055_5555) } else { p.route_here(intid) }
            }
            23 => match self.below(4) {
                0 if self.depth == 0 => {
                    self.split = !self.split;
                    IccCtlr.set(if self.split { 2 } else { 0 });
                }
                1 => {
                    let on = !self.one_in(8);
                    p.gicd.reg::<u32, (), Rw>(0).set(if on { 0x12 } else { 0x10 });
                }
                _ => {
                    let on = !self.one_in(8);
                    IccIgrpen1.set(on.into());
                }
            },
            _ => {}
        }
    }

    fn end(&mut self) {
        self.depth -= 1;
        self.probe.drop_priority(self.acknowledged[self.depth]);
    }
    fn deactivate_some(&mut self) {
        for intid in self.intids {
            let ended = !self.acknowledged[..self.depth].contains(&intid);
            if ended && self.one_in(2) {
                match self.split {
                    true => self.probe.deactivate(intid),
                    false => self.probe.strobe(CLEAR_ACTIVE, intid),
                }
            }
        }
    }
}
