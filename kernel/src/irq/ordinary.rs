//! Where does an ordinary handler run, and what is kept from it there? (IQ-05, PM-06)
//!
//! | | in the interrupt | forced into its line's thread |
//! |---|---|---|
//! | models | `none`, `voluntary`, `full` | `rtb` and `rt` always, the others with boot argument `threadirqs` |
//! | bottom halves | cannot come | disabled, which under `rtb` and `rt` is a lock |
//! | interrupts | masked | masked, but for `rtb` and `rt` |
//! | the line | as it was asked for | ONESHOT is added |
//!
//! Either way it sees the atomicity that the interrupt would have given it: code that was written for the interrupt need not
//! know (Linux `kernel/irq/manage.c`, `irq_forced_thread_fn`). What it takes together with threads is of level
//! [`Irq`](crate::cx::Irq), which its token sees to.
use super::{Handled, Primary, flow::HardFn};
use crate::{
    bh,
    cx::{BhCx, HardIrqCx, ThreadCx},
    model, percpu,
    sync::short::Masked,
    thread,
};
use alloc::boxed::Box;
use core::cell::Cell;
use hw::atomic::{AtomicBool, Ordering::Relaxed};

/// An ordinary handler.
pub(super) type BhFn = Box<dyn FnMut(&mut BhCx<'_>) -> Handled + Send>;
/// What a line's thread runs.
pub(super) type ThreadFn = Box<dyn FnMut(&mut ThreadCx) -> Handled + Send>;

hw::global! {
    /// Boot argument `threadirqs`. Set before the first request, then only read.
    static ASKED: AtomicBool = AtomicBool::new(false);
}

/// Forces handlers into threads whatever the model.
pub(crate) fn force_threads() {
    ASKED.store(true, Relaxed);
}

/// Whether ordinary handlers run in threads.
pub(super) fn are_forced() -> bool {
    model::current().forces_threads() || ASKED.load(Relaxed)
}

/// An ordinary handler as the line's thread runs it.
pub(super) fn in_thread(mut handler: BhFn) -> ThreadFn {
    Box::new(move |_| {
        let _off = bh::Off::new();
        let _masked = model::current().masks_in_forced_handlers().then(Masked::new);
        // SAFETY: an ordinary handler runs here; the token dies with the call.
        handler(&mut unsafe { BhCx::new() })
    })
}

/// An ordinary handler as a part of the line's hard handler: behind the request's own, when that asks for it.
pub(super) fn in_interrupt(hard: Option<HardFn>, mut handler: BhFn) -> HardFn {
    let mut run = move || {
        let _running = Running::begin();
        // SAFETY: an ordinary handler runs here; the token dies with the call.
        handler(&mut unsafe { BhCx::new() })
    };
    let Some(mut hard) = hard else {
        return Box::new(move |_: &mut HardIrqCx<'_>| as_primary(run()));
    };
    Box::new(move |cx: &mut HardIrqCx<'_>| match hard(cx) {
        Primary::WakeThread => as_primary(run()),
        Primary::HandledAndWake => {
            let _ = run();
            Primary::Handled
        }
        other => other,
    })
}

fn as_primary(handled: Handled) -> Primary {
    match handled {
        Handled::Yes => Primary::Handled,
        Handled::No => Primary::None,
    }
}

/// What a CPU remembers while an ordinary handler runs in its interrupt: how deep in sections the thread was that it
/// interrupted. Such handlers do not nest.
pub(crate) struct CpuOrdinary(Cell<Option<Before>>);
#[derive(Clone, Copy)]
struct Before {
    preemption: u32,
    spins: u32,
}
impl CpuOrdinary {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }
    /// Whether an ordinary handler runs here, in the interrupt, and all that it disabled are sections of spinlocks.
    pub(crate) fn may_spin(&self) -> bool {
        let me = thread::current();
        self.0.get().is_some_and(|before| {
            me.preempt.count().depth().wrapping_sub(before.preemption) == me.spins.depth().wrapping_sub(before.spins)
        })
    }
}

struct Running;
impl Running {
    fn begin() -> Self {
        let me = thread::current();
        let before = Before { preemption: me.preempt.count().depth(), spins: me.spins.depth() };
        percpu::this().ordinary.0.set(Some(before));
        Self
    }
}
impl Drop for Running {
    fn drop(&mut self) {
        percpu::this().ordinary.0.set(None);
    }
}
