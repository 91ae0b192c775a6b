//! How do a hard handler and its thread agree on one more run?
//!
//! In one word a handler ([`Handshake`]). What happens to it:
//!
//! | transition | by | bits |
//! |---|---|---|
//! | [`wake`](Handshake::wake) | hard handler, software | sets RUN, and HELD or HANDLED with it |
//! | [`set_affinity_changed`](Handshake::set_affinity_changed) | whoever moves the line | sets AFFINITY |
//! | [`stop`](Handshake::stop) | whoever takes the handler out | sets STOP |
//! | [`take`](Handshake::take) | its thread | sets ACTIVE, clears all others but STOP |
//! | [`finished`](Handshake::finished) | its thread | clears ACTIVE |
//!
//! RUN is taken *before* the handler: a wake that comes while that runs asks for one more run, however many come. And it
//! is looked at again *after* the sleep is announced: a wake in between finds a thread that will not sleep
//! ([`next`](Handshake::next)). Work that was asked for before the end is done first.
//!
//! `wake` and `stop` store, then look for a sleeper; the thread announces its sleep, then looks. `finished` stores, then
//! looks for those who wait for the end of the run; they announce themselves, then look. Hence the `SeqCst`, as in
//! [`wakeflag`](crate::wakeflag).
use crate::atomic::{
    Ordering::{AcqRel, Relaxed, Release, SeqCst},
    Word,
};

/// RUNTHREAD: the handler shall run (once more).
const RUN: u32 = 1 << 0;
/// The thread shall end.
const STOP: u32 = 1 << 1;
/// With RUN: the thread ends the interrupt, which the line's state does not know of.
const HELD: u32 = 1 << 2;
/// With RUN: the hard handler has handled it already.
const HANDLED: u32 = 1 << 3;
/// The thread has taken RUN and is not done.
const ACTIVE: u32 = 1 << 4;
/// The line's affinity has changed.
const AFFINITY: u32 = 1 << 5;
/// Set with STOP and with AFFINITY, so that one test of one bit keeps both out of the way of an ordinary run.
const RARE: u32 = 1 << 6;

/// What a hard handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake(u32);

impl Wake {
    /// A run.
    pub const PLAIN: Self = Self(RUN);
    /// A run that ends the interrupt.
    pub const HELD: Self = Self(RUN | HELD);
    /// A run that ends the interrupt, which the hard handler has handled already.
    pub const HELD_HANDLED: Self = Self(RUN | HELD | HANDLED);
}

/// What one run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it tells whose the end of the interrupt is"]
pub struct Taken(u32);

impl Taken {
    /// The run ends the interrupt.
    #[inline(always)]
    pub fn is_held(self) -> bool {
        self.0 & HELD != 0
    }
    /// The hard handler has handled it already.
    #[inline(always)]
    pub fn is_handled(self) -> bool {
        self.0 & HANDLED != 0
    }
}

/// What the thread finds.
#[derive(PartialEq, Eq)]
enum Look {
    /// A run is due.
    Run,
    /// The thread shall end, and no run is due.
    End,
    /// It may sleep.
    Nothing,
}

/// What the thread that calls does besides running its handler.
pub trait Sleeper {
    /// Announces it: whoever changes anything after this wakes the thread.
    fn announce(&self);
    /// Sleeps, unless it was woken since it was announced.
    fn block(&self);
    /// Takes the announcement back.
    fn stay_awake(&self);
    /// The line's affinity has changed since the last run, and the next one is about to begin. Who is not where the line is
    /// need not care.
    fn affinity_changed(&self) {}
}

/// One handler's word.
pub struct Handshake<W>(W);

impl<W> Handshake<W> {
    /// Nothing is due; a word that is 0.
    pub const fn new(word: W) -> Self {
        Self(word)
    }
}

impl<W: Word> Handshake<W> {
    /// Asks for a run. True for the first since the last [`take`](Self::take), which wakes the thread. What the caller did
    /// before is seen by the run.
    #[inline(always)]
    #[must_use = "the first one wakes the thread"]
    pub fn wake(&self, what: Wake) -> bool {
        self.0.fetch_or(what.0, SeqCst) & RUN == 0
    }
    /// Asks the thread to end; the caller wakes it.
    pub fn stop(&self) {
        self.0.fetch_or(STOP | RARE, SeqCst);
    }
    /// Lets the next run know that the line's affinity has changed. Wakes nobody: without a run it does not matter.
    pub fn set_affinity_changed(&self) {
        self.0.fetch_or(AFFINITY | RARE, Release);
    }
    /// Whether a run is due or not finished.
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.0.load(SeqCst) & (RUN | ACTIVE) != 0
    }
    /// Whether a run is due; what else follows from that is not looked at.
    #[inline(always)]
    pub fn is_due(&self) -> bool {
        self.0.load(Relaxed) & RUN != 0
    }

    /// The thread waits for work and takes it. `None`: it shall end.
    #[inline(always)]
    pub fn next(&self, sleeper: &impl Sleeper) -> Option<Taken> {
        loop {
            match self.look() {
                // Nobody else takes RUN, so it is still there.
                Look::Run => return Some(self.take(|| sleeper.affinity_changed())),
                Look::End => return None,
                Look::Nothing => {}
            }
            sleeper.announce();
            // The re-check that closes the race with a wake between the look above and here.
            if self.look() == Look::Nothing {
                sleeper.block();
            } else {
                sleeper.stay_awake();
            }
        }
    }
    #[inline(always)]
    fn look(&self) -> Look {
        let word = self.0.load(SeqCst);
        if word & RUN != 0 {
            Look::Run
        } else if word & STOP != 0 {
            Look::End
        } else {
            Look::Nothing
        }
    }
    /// The thread takes what was asked for; the run is active from here on. Calls `affinity_changed` if that was told since
    /// the last run; what was written before it was told is seen there.
    #[inline(always)]
    pub fn take(&self, affinity_changed: impl FnOnce()) -> Taken {
        let taken = self.0.swap(ACTIVE, AcqRel);
        if taken & RARE != 0 {
            self.take_rare(taken, affinity_changed);
        }
        Taken(taken)
    }
    #[cold]
    #[inline(never)]
    fn take_rare(&self, taken: u32, affinity_changed: impl FnOnce()) {
        if taken & STOP != 0 {
            self.0.fetch_or(STOP | RARE, Relaxed);
        }
        if taken & AFFINITY != 0 {
            affinity_changed();
        }
    }
    /// The thread is done with the run; it looks for those who wait for that afterwards.
    #[inline(always)]
    pub fn finished(&self) {
        self.0.fetch_and(!ACTIVE, SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::{cell::Cell, sync::atomic::AtomicU32};

    /// A thread that never has to sleep, and how often it was told of a change.
    #[derive(Default)]
    struct Busy(Cell<u32>);
    impl Sleeper for Busy {
        fn announce(&self) {
            panic!("nothing was due");
        }
        fn block(&self) {}
        fn stay_awake(&self) {}
        fn affinity_changed(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn handshake() -> Handshake<AtomicU32> {
        Handshake::new(AtomicU32::new(0))
    }

    /// IQ-08.1: the first wake says so, the others until the thread takes the run do not; what came with them adds up.
    #[test]
    fn wakes_coalesce() {
        let word = handshake();
        assert!(!word.is_pending());
        assert!(word.wake(Wake::PLAIN));
        assert!(!word.wake(Wake::HELD) && !word.wake(Wake::HELD_HANDLED));
        assert!(word.is_pending() && word.is_due());
        let taken = word.next(&Busy::default()).unwrap();
        assert!(taken.is_held() && taken.is_handled());
        assert!(word.is_pending() && !word.is_due());
        assert!(word.wake(Wake::PLAIN));
        word.finished();
        assert!(word.is_pending());
        let taken = word.next(&Busy::default()).unwrap();
        assert!(!taken.is_held() && !taken.is_handled());
        word.finished();
        assert!(!word.is_pending());
    }

    /// IQ-08.3: a run that is due precedes the end, and the end stays asked for.
    #[test]
    fn a_due_run_precedes_the_end() {
        let word = handshake();
        assert!(word.wake(Wake::PLAIN));
        word.stop();
        assert!(word.next(&Busy::default()).is_some());
        assert!(word.wake(Wake::PLAIN));
        word.finished();
        assert!(word.next(&Busy::default()).is_some());
        word.finished();
        assert_eq!(word.next(&Busy::default()), None);
        assert!(!word.is_pending());
    }

    /// IQ-08: a change of affinity is told to one run, the next one; it makes no run due and does not undo a stop.
    #[test]
    fn a_change_of_affinity_is_told_once() {
        let (word, thread) = (handshake(), Busy::default());
        word.set_affinity_changed();
        assert!(!word.is_pending());
        assert!(word.wake(Wake::HELD));
        word.stop();
        assert!(word.next(&thread).unwrap().is_held());
        assert_eq!(thread.0.get(), 1);
        assert!(word.wake(Wake::HELD));
        assert!(word.next(&thread).unwrap().is_held());
        assert_eq!(thread.0.get(), 1);
        word.set_affinity_changed();
        assert_eq!(word.next(&thread), None);
        assert_eq!(thread.0.get(), 1);
    }
}
