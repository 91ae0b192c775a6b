//! What may tests rely on? The verified platform facts, as checks that run on QEMU and on the simulated machine alike.
//!
//! Written with register accesses only, interrupts masked throughout: what would be delivered is seen by acknowledging.
//! A fact leaves its lines disabled, idle and inactive; [`Probe::check`] puts the CPU interface back to what it was.
use crate::{
    gic::Version,
    mmio::{Mmio, Reg, Ro, Rw, Wo},
};
use interface::Interface;
use tock_registers::interfaces::{Readable, Writeable};

mod edge;
mod interface;
mod level;
mod priority;
mod reset;
mod walk;

/// Something was not what the fact says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was looked at.
    pub what: &'static str,
    /// What it was.
    pub found: u64,
    /// What the fact says.
    pub expected: u64,
}

/// How a check ended.
pub type Checked = Result<(), Mismatch>;
/// A fact: what it says and the check.
pub type Fact = (&'static str, fn(&Probe) -> Checked);

/// Facts of a machine with this interrupt controller as it comes up, before any driver has started.
pub const fn reset_facts(version: Version) -> &'static [Fact] {
    match version {
        Version::V2 => reset::V2_FACTS,
        Version::V3 => reset::FACTS,
    }
}
/// Facts that hold at any time, for [`Probe::check`].
pub fn facts(version: Version) -> impl Iterator<Item = &'static Fact> {
    let own = match version {
        Version::V2 => [priority::V2_FACTS, &[]],
        Version::V3 => [priority::V3_FACTS, walk::V3_FACTS],
    };
    [edge::FACTS, level::FACTS, priority::FACTS].into_iter().chain(own).flatten()
}

/// Where the devices are, and which SPIs nothing drives.
#[derive(Clone, Copy)]
pub struct Probe {
    /// The distributor.
    pub gicd: Mmio,
    /// What the CPU that runs this has of the interrupt controller.
    pub own: Own,
    /// The PL011.
    pub uart: Mmio,
    /// INTID of the PL011.
    pub uart_intid: u32,
    /// The first of four SPIs that nothing drives, in one bank of 32.
    pub spare: u32,
}

/// What a CPU has of the interrupt controller.
#[derive(Clone, Copy)]
pub enum Own {
    /// Of a GICv3: the redistributor frame; the interface is in system registers.
    Redistributor(Mmio),
    /// Of a GICv2: the CPU interface; the distributor's registers of private lines are banked.
    Interface(Mmio),
}

/// No INTID: nothing to acknowledge.
const NOTHING: u32 = 1023;
/// PPI of the virtual timer.
const TIMER: u32 = 27;
const DEFAULT_PRIORITY: u8 = 0xa0;

const GROUP: usize = 0x080;
const SET_ENABLE: usize = 0x100;
const CLEAR_ENABLE: usize = 0x180;
const SET_PENDING: usize = 0x200;
const CLEAR_PENDING: usize = 0x280;
const SET_ACTIVE: usize = 0x300;
const CLEAR_ACTIVE: usize = 0x380;
const PRIORITY: usize = 0x400;
const CONFIG: usize = 0xc00;
const TARGETS: usize = 0x800;
const ROUTER: usize = 0x6000;
const SGI_PAGE: usize = 0x1_0000;
/// Reads after which a register that should change is taken to be stuck.
const PATIENCE: usize = 1_000_000;

impl Probe {
    /// Checks a fact that holds at any time on the CPU that calls, interrupts masked and none active on it.
    ///
    /// Every line is disabled meanwhile, so that nothing else is acknowledged; enables, groups and the CPU interface are
    /// put back. The spare lines and those that the checks use besides are left idle.
    ///
    /// # Errors
    /// The first thing that was not as the fact says.
    pub fn check(&self, fact: &Fact) -> Checked {
        let ctlr: Reg<u32, (), Rw> = self.gicd.reg(0);
        let interface = self.interface();
        let kept = (interface.state(), ctlr.get() & 0x7fff_ffff);
        let mut enabled = [0; 32];
        for (n, word) in enabled.iter_mut().enumerate().take(self.words()) {
            *word = self.block(32 * n as u32).reg::<u32, (), Ro>(SET_ENABLE + 4 * n).get();
            self.block(32 * n as u32).reg::<u32, (), Wo>(CLEAR_ENABLE + 4 * n).set(!0);
        }
        self.settle();
        let group = self.group(self.spare);
        let kept_group = group.get();
        self.start();
        let result = fact.1(self);
        self.forget(self.spare);
        self.forget(self.other());
        group.set(kept_group);
        interface.restore(kept.0);
        ctlr.set(kept.1);
        for (n, word) in enabled.iter().enumerate().take(self.words()) {
            self.block(32 * n as u32).reg::<u32, (), Wo>(SET_ENABLE + 4 * n).set(*word);
        }
        result
    }

    /// Banks of 32 INTIDs, the redistributor's included.
    fn words(&self) -> usize {
        (self.gicd.reg::<u32, (), Ro>(4).get() & 31) as usize + 1
    }

    /// Lets every priority through to this CPU with EOI mode 1, and the spare lines in.
    fn start(&self) {
        self.gicd.reg::<u32, (), Rw>(0).set(self.on());
        if let Own::Redistributor(frame) = self.own {
            let waker: Reg<u32, (), Rw> = frame.reg(0x14);
            waker.set(waker.get() & !2);
            for _ in 0..PATIENCE {
                if waker.get() & 4 == 0 {
                    break;
                }
            }
        }
        let interface = self.interface();
        interface.set_mask(0xff);
        interface.set_binary_point(0);
        interface.open(true);
        for intid in [self.spare, self.other()] {
            self.let_in(intid);
            self.forget(intid);
            self.set_priority(intid, DEFAULT_PRIORITY);
            self.route_here(intid);
        }
    }

    /// A second SPI that nothing drives.
    fn other(&self) -> u32 {
        self.spare + 1
    }
    /// The interface of the CPU that calls.
    fn interface(&self) -> Interface {
        match self.own {
            Own::Redistributor(_) => Interface::SystemRegisters,
            Own::Interface(base) => Interface::Memory(base),
        }
    }
    /// `GICD_CTLR` when it forwards the group that is used: group 1 with affinity routing, group 0 of a GICv2.
    fn on(&self) -> u32 {
        match self.own {
            Own::Redistributor(_) => 0x12,
            Own::Interface(_) => 1,
        }
    }
    /// Puts an INTID into the group that is used.
    fn let_in(&self, intid: u32) {
        let group = self.group(intid);
        let (bits, bit) = (group.get(), 1 << (intid % 32));
        group.set(match self.own {
            Own::Redistributor(_) => bits | bit,
            Own::Interface(_) => bits & !bit,
        });
    }
    /// The word with an INTID's group.
    fn group(&self, intid: u32) -> Reg<u32, (), Rw> {
        self.block(intid).reg(GROUP + 4 * (intid as usize / 32))
    }
    /// The block with an INTID's registers.
    fn block(&self, intid: u32) -> Mmio {
        match self.own {
            Own::Redistributor(frame) if intid < 32 => frame.offset(SGI_PAGE),
            _ => self.gicd,
        }
    }
    fn strobe(&self, offset: usize, intid: u32) {
        self.block(intid).reg::<u32, (), Wo>(offset + 4 * (intid as usize / 32)).set(1 << (intid % 32));
    }
    fn is_set(&self, offset: usize, intid: u32) -> bool {
        self.block(intid).reg::<u32, (), Ro>(offset + 4 * (intid as usize / 32)).get() >> (intid % 32) & 1 != 0
    }
    fn enable(&self, intid: u32) {
        self.strobe(SET_ENABLE, intid);
    }
    fn disable(&self, intid: u32) {
        self.strobe(CLEAR_ENABLE, intid);
        self.settle();
    }
    fn pend(&self, intid: u32) {
        self.strobe(SET_PENDING, intid);
    }
    fn pending(&self, intid: u32) -> bool {
        self.is_set(SET_PENDING, intid)
    }
    fn active(&self, intid: u32) -> bool {
        self.is_set(SET_ACTIVE, intid)
    }
    fn set_priority(&self, intid: u32, priority: u8) {
        self.block(intid).reg::<u8, (), Rw>(PRIORITY + intid as usize).set(priority);
    }
    fn set_edge(&self, intid: u32, edge: bool) {
        let config: Reg<u32, (), Rw> = self.block(intid).reg(CONFIG + 4 * (intid as usize / 16));
        let bit = 2 << (2 * (intid % 16));
        let word = config.get();
        config.set(if edge { word | bit } else { word & !bit });
    }
    /// Routes an SPI to the CPU that calls.
    fn route_here(&self, intid: u32) {
        if let Own::Interface(_) = self.own {
            // Where its private lines go is the CPU's bit; 0 where there is one CPU only.
            let own: Reg<u8, (), Ro> = self.gicd.reg(TARGETS);
            return self.gicd.reg::<u8, (), Wo>(TARGETS + intid as usize).set(own.get());
        }
        let affinity = crate::cpu::affinity();
        let router: Reg<u64, (), Wo> = self.gicd.reg(ROUTER + 8 * intid as usize);
        // Aff3 sits in bits 39:32 there.
        router.set((affinity & 0xff00_0000) << 8 | affinity & 0x00ff_ffff);
    }
    /// Sends an SGI to the CPU that calls.
    fn send_to_self(&self, sgi: u32) {
        const TO_SELF: u32 = 2 << 24;
        match self.own {
            Own::Redistributor(_) => crate::sysreg::IccSgi1r.set(Self::sgi_to_self(sgi)),
            Own::Interface(_) => self.gicd.reg::<u32, (), Wo>(0xf00).set(TO_SELF | sgi),
        }
    }
    /// What does that by `ICC_SGI1R`.
    fn sgi_to_self(sgi: u32) -> u64 {
        let affinity = crate::cpu::affinity();
        let [aff0, aff1, aff2, aff3] = [0, 8, 16, 24].map(|low| affinity >> low & 0xff);
        aff3 << 48 | aff0 >> 4 << 44 | aff2 << 32 | u64::from(sgi) << 24 | aff1 << 16 | 1 << (aff0 & 0xf)
    }
    /// Disabled, not pending, not active, level-sensitive.
    fn forget(&self, intid: u32) {
        self.disable(intid);
        self.strobe(CLEAR_PENDING, intid);
        self.strobe(CLEAR_ACTIVE, intid);
        self.set_edge(intid, false);
    }
    /// Waits for `GICD_CTLR.RWP`; says whether it cleared.
    fn settle(&self) -> bool {
        let ctlr: Reg<u32, (), Ro> = self.gicd.reg(0);
        (0..PATIENCE).any(|_| ctlr.get() >> 31 == 0)
    }
    fn acknowledge(&self) -> u32 {
        crate::barrier::dsb();
        let intid = self.interface().acknowledge();
        crate::barrier::dsb();
        intid
    }
    fn drop_priority(&self, intid: u32) {
        self.interface().end(intid);
        crate::barrier::isb();
    }
    fn deactivate(&self, intid: u32) {
        self.interface().deactivate(intid);
        crate::barrier::isb();
    }
    fn end(&self, intid: u32) {
        self.drop_priority(intid);
        self.deactivate(intid);
    }
    fn running(&self) -> u64 {
        self.interface().running()
    }
}

fn expect(what: &'static str, found: impl Into<u64>, expected: impl Into<u64>) -> Checked {
    let (found, expected) = (found.into(), expected.into());
    if found == expected { Ok(()) } else { Err(Mismatch { what, found, expected }) }
}
