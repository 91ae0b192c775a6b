//! What are the latency tracers told?
//!
//! By the CPU that it happens on, where it happens. What telling costs is taken off, see [`super`].
use super::*;

#[derive(Clone, Copy)]
pub(super) enum Change {
    IrqsOff,
    IrqsOn,
    PreemptOff,
    PreemptOn,
    Pause,
    Resume,
    /// Of nothing: to see what telling costs.
    None,
}

/// The caller does not migrate. It happened `before` units ago, or will in `after`.
#[inline(never)]
pub(super) fn change(change: Change, site: Site, before: u64, after: u64) {
    if hw::cpu::local().is_null() {
        // Before the per-CPU area is there: the boot itself.
        return;
    }
    let quiet = Quiet::begin();
    let now = clock();
    percpu::this().latency.with(|inner| {
        let at = now.wrapping_sub(inner.apart);
        let tracker = &mut inner.tracker;
        match change {
            Change::IrqsOff => tracker.irqs_off(at.saturating_sub(before), site),
            Change::IrqsOn => tracker.irqs_on(at + after, site),
            Change::PreemptOff => tracker.preempt_off(at, site),
            Change::PreemptOn => tracker.preempt_on(at, site),
            Change::Pause => tracker.pause(at, site),
            Change::Resume => tracker.resume(at, site),
            Change::None => {}
        }
        #[cfg(target_os = "none")]
        if matches!(change, Change::IrqsOff | Change::PreemptOff) {
            places::note(site.0);
        }
        inner.apart += clock() - now + AROUND_CHANGE.load(Relaxed);
    });
    quiet.end();
}

/// Interrupts were masked.
#[inline(always)]
pub(crate) fn irqs_off(site: Site) {
    change(Change::IrqsOff, site, 0, 0);
}
/// Interrupts will be unmasked.
#[inline(always)]
pub(crate) fn irqs_on(site: Site) {
    change(Change::IrqsOn, site, 0, 0);
}
/// An interrupt was taken, and its frame saved.
#[inline(always)]
pub(crate) fn interrupt_enter(site: Site) {
    change(Change::IrqsOff, site, hw::cpu::INTERRUPT_ENTRY, 0);
}
/// The interrupted thread goes on when its frame is restored.
#[inline(always)]
pub(crate) fn interrupt_leave(site: Site) {
    change(Change::IrqsOn, site, 0, hw::cpu::INTERRUPT_EXIT);
}
/// Preemption was disabled.
#[inline(always)]
pub(crate) fn preempt_off(site: Site) {
    change(Change::PreemptOff, site, 0, 0);
}
/// Preemption will be enabled.
#[inline(always)]
pub(crate) fn preempt_on(site: Site) {
    change(Change::PreemptOn, site, 0, 0);
}
/// What follows is nobody's latency.
#[inline(always)]
pub(crate) fn pause(site: Site) {
    change(Change::Pause, site, 0, 0);
}
/// The end of that.
#[inline(always)]
pub(crate) fn resume(site: Site) {
    change(Change::Resume, site, 0, 0);
}

/// Runs `f`, whose cost is a tracer's. It does not switch threads.
#[inline(always)]
pub(crate) fn apart(f: impl FnOnce()) {
    let quiet = Quiet::begin();
    let before = clock();
    f();
    percpu::this().latency.with(|inner| inner.apart += clock() - before + AROUND_APART.load(Relaxed));
    quiet.end();
}

/// The kernel is up: what it did so far was boot's.
pub(crate) fn booted() {
    if cfg!(target_os = "none") {
        measure();
    }
    #[cfg(target_os = "none")]
    places::start();
    Kind::ALL.into_iter().for_each(start);
}
/// A report is about to stop the machine.
pub(crate) fn stopping() {
    if SAY.load(Relaxed) {
        let _ = print(&mut crate::report::Text);
    }
}
