//! How does a thread wait for a lock without losing the state that it has announced, or the wake-up that belongs to it?
//!
//! On `rt` a thread that is about to wait for something may have to wait for a spinlock first, of which it knows nothing
//! (LK-02). Its state is kept meanwhile: only the lock's wake-up ends the wait for the lock; any other one is for the
//! wait that it had announced, and is noted where the state is kept. When it has the lock it goes back to that state, or runs
//! on if it was woken. Everything is under the lock of its home's run queue.
use super::{
    smp,
    wake::{unlock_changed, wake_waiting},
};
use crate::{
    irq_flags::Off,
    percpu,
    thread::{self, Ref, State},
};

/// Runs `f`, in which the running thread waits as [`State::LockWait`], and goes back to the state that it had announced, or
/// runs on if it was woken meanwhile.
pub(crate) fn keeping_state<R>(f: impl FnOnce() -> R) -> R {
    keep();
    let result = f();
    restore();
    result
}

fn keep() {
    let me = Ref(thread::current());
    let off = Off::new();
    percpu::this().runqueue.with(|_| {
        me.kept_state.set(me.state.get());
        me.state.set(State::LockWait as u32);
    });
    drop(off);
}

fn restore() {
    let me = Ref(thread::current());
    let off = Off::new();
    percpu::this().runqueue.with(|_| me.state.set(me.kept_state.replace(State::Running as u32)));
    drop(off);
}

/// A wake-up for a thread whose state is no waiting one: it may be kept. Whether that was so. The lock of its home is held.
#[inline(never)]
pub(super) fn wake(thread: Ref) -> bool {
    State::is_waiting(thread.kept_state.replace(State::Running as u32))
}

/// The lock that a thread waits for, keeping its state, is left to it. Interrupts are masked.
pub(crate) fn wake_lock_waiter(thread: Ref) {
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { cpu.runqueue.lock() };
    if !thread.is_at(cpu) {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
        return smp::wake_lock_waiter_elsewhere(thread);
    }
    if thread.state.look() == State::LockWait as u32 {
        wake_waiting(q, thread);
    }
    // SAFETY: as above.
    unsafe { unlock_changed(cpu, q) };
}
