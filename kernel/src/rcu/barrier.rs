//! How does a thread wait until callbacks have run? (RC-07)
//!
//! It puts a head of its own behind the last one in each CPU's queue. No grace period is asked for: each of them needs no more than
//! the one before it.
use super::{callbacks::Head, callbacks::is_in_callback, wait};
use crate::{
    cx::ThreadCx,
    error::{Error, Result},
    percpu::{self, MAX_CPUS},
    report,
    sync::{Mutex, Semaphore},
    thread,
};
use core::ptr::NonNull;

/// One barrier at a time has the heads.
struct Heads([Head; MAX_CPUS]);
// SAFETY: the heads are the holder's of `ONE` and the queues' they stand in.
unsafe impl Sync for Heads {}

const fn head() -> Head {
    // SAFETY: `arrived` may run as often as it is queued.
    unsafe { Head::mark(arrived) }
}

hw::global! {
    static ONE: Mutex<()> = Mutex::new(());
    static HEADS: Heads = Heads([const { head() }; MAX_CPUS]);
    static ARRIVED: Semaphore = Semaphore::new(0);
}

/// # Safety
/// Always safe: it needs no head.
unsafe fn arrived(_: NonNull<Head>, cx: &mut ThreadCx) {
    // One for each queue at most: it does not overflow.
    let _ = ARRIVED.up(cx);
}

/// Waits until every callback has run that was queued when this was called, on whatever CPU. With none queued it waits for nothing,
/// not for readers either.
///
/// # Errors
/// [`Error::Deadlock`], with a warning: called by a callback, or by a reader. [`Error::WrongContext`], with a warning: in an atomic
/// section.
#[track_caller]
pub fn barrier(cx: &mut ThreadCx) -> Result<()> {
    if is_in_callback() {
        report::warn!("RCU barrier in a callback of {}, which it would wait for", thread::current().name());
        return Err(Error::Deadlock);
    }
    wait::allowed(cx)?;
    let heads: &Heads = &HEADS;
    let one = ONE.lock(cx);
    let mut queues = 0;
    for cpu in percpu::online().iter() {
        let callbacks = &percpu::area(cpu).rcu.callbacks;
        // Whoever runs the one before it goes on to this.
        queues += usize::from(callbacks.with(|queue| queue.push_behind(NonNull::from(&heads.0[cpu]))));
    }
    for _ in 0..queues {
        ARRIVED.down(cx);
    }
    drop(one);
    Ok(())
}
