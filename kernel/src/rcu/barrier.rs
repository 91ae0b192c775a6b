//! How does a thread wait until callbacks have run? (RC-07)
//!
//! It puts a head of its own behind the last one in each CPU's queue. No grace period is asked for: each of them needs no more than
//! the one before it. The heads are nobody else's, so that any number of barriers go on at once, and one whose thread is killed
//! is in nobody's way.
use super::{callbacks::Head, callbacks::is_in_callback, wait};
use crate::{
    cx::ThreadCx,
    error::{Error, Result},
    percpu, report,
    sync::Semaphore,
    thread,
};
use alloc::{boxed::Box, sync::Arc};
use core::ptr::NonNull;

#[repr(C)]
struct Mark {
    // First: the head's function finds the rest behind it.
    head: Head,
    /// One up for each that has come to the front.
    arrived: Arc<Semaphore>,
}

/// # Safety
/// The head of a boxed [`Mark`] that is nobody else's.
unsafe fn arrived(head: NonNull<Head>, cx: &mut ThreadCx) {
    // SAFETY: the caller's promise; the head is the first field of a `repr(C)` struct.
    let mark = unsafe { Box::from_raw(head.cast::<Mark>().as_ptr()) };
    // One for each queue at most: it does not overflow.
    let _ = mark.arrived.up(cx);
}

/// Waits until every callback has run that was queued when this was called, on whatever CPU. With none queued it waits for nothing,
/// not for readers either. Allocates.
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
    let all = Arc::new(Semaphore::new(0));
    let mut queues = 0;
    for cpu in percpu::online().iter() {
        // SAFETY: `arrived` does with the mark's head what it is for.
        let mark = Box::new(Mark { head: unsafe { Head::mark(arrived) }, arrived: all.clone() });
        let mark = NonNull::from(Box::leak(mark));
        // Whoever runs the one before it goes on to this.
        if percpu::area(cpu).rcu.callbacks.with(|queue| queue.push_behind(mark.cast())) {
            queues += 1;
        } else {
            // SAFETY: leaked above, and in no queue.
            drop(unsafe { Box::from_raw(mark.as_ptr()) });
        }
    }
    for _ in 0..queues {
        all.down(cx);
    }
    Ok(())
}
