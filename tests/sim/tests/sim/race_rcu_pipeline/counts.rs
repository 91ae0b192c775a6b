//! Was everything that is to be tried really tried? Counts over all machines of a test.
use std::cell::Cell;

macro_rules! counts { ($($(#[$doc:meta])* $name:ident,)*) => {
    /// Something that is to happen.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Count { $($(#[$doc])* $name,)* }
    impl Count {
        pub const ALL: &[Self] = &[$(Self::$name,)*];
    }
} }
counts! {
    // Sections.
    Plain,
    Nested,
    OnSpinLock,
    OnIrqSpinLock,
    OnLocalLock,
    PreemptOff,
    IrqOff,
    BhOff,
    RawLock,
    HardHandler,
    OrdinaryHandler,
    ThreadedHandler,
    Timer,
    IpiCall,
    InCallback,
    // What happened in them.
    /// One ended on another CPU than it had begun on.
    Migrated,
    /// Others ran in between.
    Preempted,
    /// The lock was another thread's, and the section went on to wait for it.
    Contended,
    /// One was in a list when a timer looked.
    Listed,
    /// One was lent priority.
    Boosted,
    // Updates.
    Synchronize,
    Expedited,
    Wait,
    Free,
    FreeInSection,
    FreeMasked,
    Call,
    CallFromHandler,
    Poll,
    CondSync,
    Barrier,
    // All of them.
    Updates,
    Reads,
    GracePeriods,
}

thread_local! {
    static COUNTS: [Cell<u64>; Count::ALL.len()] = const { [const { Cell::new(0) }; Count::ALL.len()] };
}

/// It has happened.
pub fn count(what: Count) {
    add(what, 1);
}
pub fn add(what: Count, times: u64) {
    COUNTS.with(|counts| counts[what as usize].set(counts[what as usize].get() + times));
}
/// How often it happened on this host thread.
pub fn times(what: Count) -> u64 {
    COUNTS.with(|counts| counts[what as usize].get())
}
