//! How does a GICv3 interrupt other CPUs? One register write for up to 16 of them (GIC architecture 12.2.21).
use super::{GicError, SGIS, Warning};
use crate::{
    atomic::{AtomicBool, Ordering::Relaxed},
    barrier,
    sysreg::{ICC_CTLR, IccCtlr, IccSgi1r},
};
use tock_registers::interfaces::{Readable, Writeable};

/// What a distributor can do for SGIs.
pub(super) struct Sgis {
    /// `GICD_TYPER.RSS`: it knows CPUs whose Aff0 is 16 or more.
    ranges: bool,
    /// It was said that a CPU cannot be reached.
    told: AtomicBool,
}

/// `ICC_SGI1R_EL1` without INTID and target list: Aff3.Aff2.Aff1, and which 16 values of Aff0 the list is about.
#[inline(always)]
const fn cluster(affinity: u64) -> u64 {
    (affinity & 0xff00_0000) << 24
        | (affinity & 0x00ff_0000) << 16
        | (affinity & 0x0000_ff00) << 8
        | range(affinity) << 44
}
/// `RS`: which 16 values of Aff0.
#[inline(always)]
const fn range(affinity: u64) -> u64 {
    affinity >> 4 & 0xf
}
/// The CPU's bit in the target list.
#[inline(always)]
const fn bit(affinity: u64) -> u64 {
    1 << (affinity & 0xf)
}

impl Sgis {
    pub(super) const fn new(ranges: bool) -> Self {
        Self { ranges, told: AtomicBool::new(false) }
    }

    #[inline]
    pub(super) fn send(
        &self,
        id: u32,
        affinities: impl IntoIterator<Item = u64>,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        if id >= SGIS {
            return Err(GicError::Invalid);
        }
        let mut affinities = affinities.into_iter().peekable();
        if affinities.peek().is_none() {
            return Err(GicError::Invalid);
        }
        // What the receivers are to see is visible to them before they are interrupted: the write below is no memory access.
        barrier::dsb_ishst();
        let mut sent = false;
        while let Some(first) = affinities.next() {
            if range(first) != 0 && !self.reaches(first, warn) {
                continue;
            }
            let mut list = bit(first);
            while let Some(next) = affinities.next_if(|&a| cluster(a) == cluster(first)) {
                list |= bit(next);
            }
            IccSgi1r.set(cluster(first) | u64::from(id) << 24 | list);
            sent = true;
        }
        barrier::isb();
        if sent { Ok(()) } else { Err(GicError::Unsupported) }
    }

    /// Whether an SGI can be sent from this CPU to one whose Aff0 is 16 or more.
    #[cold]
    fn reaches(&self, affinity: u64, warn: &mut dyn FnMut(Warning)) -> bool {
        let reaches = self.ranges && IccCtlr.is_set(ICC_CTLR::RSS);
        if !reaches && !self.told.swap(true, Relaxed) {
            warn(Warning::CannotSgi(affinity));
        }
        reaches
    }
}
