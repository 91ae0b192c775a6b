//! Who lends a reader its priority that keeps everybody waiting? The thread `rcu_boost` (RC-10).
//!
//! By a lock with inheritance that the reader never took: it is made the reader's, and the thread waits for it. So what is lent
//! goes on along chains of locks, mixes with what others lend, and ends exactly where the outermost section does, which gives the
//! lock back (Linux `kernel/rcu/tree_plugin.h`, `rcu_boost`). One reader after another, in the order in which they lost their CPU.
use super::state::{self, State};
use crate::{
    cx::ThreadCx,
    irq_flags::Off,
    sync::{
        WaitQueue,
        rtmutex::{Class, RtMutex},
    },
    thread::Ref,
};
use logic::rcu::Seq;

/// Part of the shared state.
pub(super) struct Boost {
    /// The grace period whose readers are to be lent to.
    due: Seq,
    /// The reader that owns the lock.
    reader: Option<Ref>,
    /// Readers that were lent to.
    pub count: u64,
}
impl Boost {
    pub const fn new() -> Self {
        Self { due: Seq::START, reader: None, count: 0 }
    }
    /// Whether the lock is this reader's.
    pub fn has(&self, reader: Ref) -> bool {
        self.reader == Some(reader)
    }
}

hw::global! {
    static LOCK: RtMutex = RtMutex::new(Class::Rcu);
    static GATE: WaitQueue = WaitQueue::named("rcu_boost");
}

/// The readers that hold the grace period of this number are to be lent to.
pub(super) fn begin(seq: Seq) {
    let idle = state::with(|state| {
        state.boost.due = seq;
        state.boost.reader.is_none()
    });
    if idle {
        let off = Off::new();
        let _ = GATE.wake_one(off.cx());
        drop(off);
    }
}

/// Makes the lock the next reader's.
fn next() -> Option<()> {
    let lock: &RtMutex = &LOCK;
    state::with(|state| {
        if state.boost.due != state.grace.seq() {
            return None;
        }
        let reader = state.grace.holding().next()?;
        lock.give_to(reader);
        state.boost.reader = Some(reader);
        state.boost.count += 1;
        Some(())
    })
}

pub(super) fn body(cx: &mut ThreadCx) {
    let lock: &RtMutex = &LOCK;
    loop {
        let limits = crate::sync::wait::Limits::none("rcu_boost");
        // Without limits it ends with a reader.
        let _ = GATE.wait_within(cx, &limits, next);
        lock.lock_slow();
        lock.unlock();
    }
}

/// A reader ends its section: whether the lock is its own.
pub(super) fn take_back(state: &mut State, reader: Ref) -> bool {
    let lent = state.boost.has(reader);
    if lent {
        state.boost.reader = None;
    }
    lent
}
/// The running thread, for which [`take_back`] said yes, gives the lock back, and with it what it was lent.
pub(super) fn give_back() {
    let lock: &RtMutex = &LOCK;
    lock.unlock();
}
