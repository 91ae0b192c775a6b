//! Are interrupts masked on this CPU, and who masked them?
//!
//! A section restores what it found, not "enabled" (CX-02). Its end honours a pending switch, because a wake-up inside
//! could not.
use crate::{
    cx::{AtomicCx, Irq, ThreadCx},
    latency::Site,
    mask::{self, Saved},
    sched, thread,
};
use core::mem::ManuallyDrop;

/// A section with interrupts masked. Kept in guards.
pub(crate) struct Off(Saved, Site, AtomicCx<'static, Irq>);

impl Off {
    #[inline(always)]
    #[track_caller]
    pub(crate) fn new() -> Self {
        // SAFETY: lent out by `cx` only, for as long as this masks interrupts.
        Self(mask::save(), Site::here(), unsafe { AtomicCx::new() })
    }
    /// As a drop, which has no place of its own: the section ends where this is called.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn end(self) {
        ManuallyDrop::new(self).end_at(Site::here());
    }
    /// As a drop, but never a call: for the paths that are counted.
    #[inline(always)]
    pub(crate) fn leave(self) {
        let section = ManuallyDrop::new(self);
        section.end_at(section.1);
    }
    #[inline(always)]
    fn end_at(&self, site: Site) {
        if thread::current().preempt.preempt_due() != 0 && self.0.was_enabled() {
            sched::preempt_masked();
        }
        mask::restore_at(self.0, site);
    }
    /// The token of the section.
    #[inline(always)]
    pub(crate) fn cx(&self) -> &AtomicCx<'_, Irq> {
        &self.2
    }
    /// Whether interrupts are enabled when this is dropped.
    #[inline(always)]
    pub(crate) fn will_enable(&self) -> bool {
        self.0.was_enabled()
    }
}
impl Drop for Off {
    #[inline(always)]
    fn drop(&mut self) {
        self.end_at(self.1);
    }
}

/// Interrupts are masked while this lives; its drop gives back what was there before.
///
/// A nested guard borrows the outer one's token, so dropping them in the wrong order does not compile (CX-02.2).
#[must_use = "interrupts are as before as soon as this is dropped"]
pub struct IrqGuard<'c> {
    cx: AtomicCx<'c, Irq>,
    _off: Off,
}

impl<'c> IrqGuard<'c> {
    /// The token of the section.
    pub fn cx(&mut self) -> &mut AtomicCx<'c, Irq> {
        &mut self.cx
    }
    /// As a drop. The latency tracers name this place for the end of the section, not the guard's.
    #[track_caller]
    pub fn restore(self) {
        self._off.end();
    }
}

/// Masks interrupts until the guard is dropped.
#[track_caller]
pub fn save(cx: &mut ThreadCx) -> IrqGuard<'_> {
    let _ = cx;
    // SAFETY: interrupts are masked as long as `_off`, dropped with the guard, is there.
    IrqGuard { _off: Off::new(), cx: unsafe { AtomicCx::new() } }
}

/// As [`save`], inside a section that masks interrupts already.
#[track_caller]
pub fn save_in<'c>(cx: &'c mut AtomicCx<'_, Irq>) -> IrqGuard<'c> {
    let _ = cx;
    // SAFETY: as `save`.
    IrqGuard { _off: Off::new(), cx: unsafe { AtomicCx::new() } }
}

/// Whether interrupts are enabled on this CPU.
pub fn enabled() -> bool {
    mask::enabled()
}
