//! Who masks this CPU's interrupts? The kernel's one way to the mask: it tells the latency tracers, and is the machine's
//! own where there are none.
//!
//! Only a change is told: masking what is masked, and restoring "masked", is none.
//! A CPU that masks them for good, because the machine stops, does it past this: nothing may be sound any more.
use crate::latency::{Site, tell};
pub(crate) use hw::irqs::{Saved, enabled};

/// Masks interrupts and tells how it was.
#[inline(always)]
#[track_caller]
pub(crate) fn save() -> Saved {
    let saved = hw::irqs::save();
    if saved.was_enabled() {
        tell::irqs_off(Site::here());
    }
    saved
}
/// Gives the mask back as [`save`] found it.
#[inline(always)]
#[track_caller]
pub(crate) fn restore(saved: Saved) {
    restore_at(saved, Site::here());
}
/// As [`restore`], for a section that ends at this site.
#[inline(always)]
pub(crate) fn restore_at(saved: Saved, site: Site) {
    if saved.was_enabled() {
        tell::irqs_on(site);
    }
    hw::irqs::restore(saved);
}
/// Masks interrupts.
#[inline(always)]
#[track_caller]
pub(crate) fn disable() {
    hw::irqs::disable();
    tell::irqs_off(Site::here());
}
/// Unmasks interrupts.
#[inline(always)]
#[track_caller]
pub(crate) fn enable() {
    tell::irqs_on(Site::here());
    hw::irqs::enable();
}
