//! How do readers share a lock that waits for a writer with priority inheritance?
//!
//! The algorithm of both kinds of read-write locks (Linux `kernel/locking/rwbase_rt.c`): an inner lock and a word of readers
//! ([`logic::readers`]).
//!
//! - A **reader** enters with one compare-exchange while no writer is about. Otherwise it lines up for the inner lock, among
//!   writers and by urgency, so it lends its priority to the writer; once it owns that it is counted, and passes it on.
//! - A **writer** takes the inner lock, closes the word to readers that come, and waits until those that are inside have
//!   left. It cannot lend them its priority: nobody knows who they are (LK-04.2).
//!
//! A reader that reads again behind a waiting writer would wait for that one, which waits for the reader. It is let in and
//! reported (LK-04.4); a reader that writes is a deadlock, too. Both rest on the reader's own record ([`super::reads`]).
use super::{Class, RtMutex, reads::Place};
use crate::{
    atomic_word::Word32,
    error::{Error, Result},
    irq_flags::Off,
    report, sched,
    sync::wait::{self, Limits},
    thread::{self, State, ThreadId, table},
};
use core::panic::Location;
use logic::readers::{Leave, OPEN, ReadersWord};

/// A read-write lock with priority inheritance to its writer, without data.
pub(crate) struct RwBase {
    word: ReadersWord<Word32>,
    inner: RtMutex,
}

impl RwBase {
    #[track_caller]
    pub(crate) const fn new(class: Class) -> Self {
        Self { word: ReadersWord::new(Word32::new(OPEN)), inner: RtMutex::new(class) }
    }
    /// The writer that is inside or waits for readers; out of date as soon as it is known.
    pub(crate) fn writer(&self) -> Option<ThreadId> {
        if self.word.is_open() { None } else { self.inner.owner() }
    }
    /// How many readers are inside; out of date as soon as it is known.
    pub(crate) fn readers(&self) -> u32 {
        self.word.readers()
    }

    /// What writers, and readers behind them, wait for.
    #[cfg(not(target_os = "none"))]
    pub(super) fn inner(&self) -> &RtMutex {
        &self.inner
    }

    /// Enters as a reader, if no writer is about.
    #[inline(always)]
    pub(crate) fn try_read(&self) -> Option<Place> {
        self.word.try_enter().then(|| thread::current().reads.add(self))
    }
    /// Enters as a reader, waiting as long as the limits allow; without limits, until it is in.
    ///
    /// # Errors
    /// As those of [`RtMutex::lock_limited`].
    #[inline(always)]
    #[track_caller]
    pub(crate) fn read(&self, limits: Option<&Limits>) -> Result<Place> {
        if !self.word.try_enter() {
            self.read_slow(limits)?;
        }
        Ok(thread::current().reads.add(self))
    }
    #[inline(never)]
    #[track_caller]
    fn read_slow(&self, limits: Option<&Limits>) -> Result<()> {
        if thread::current().reads.contains(self) && self.word.enter_again() {
            self.warn_of_recursion();
            return Ok(());
        }
        self.own(limits)?;
        self.word.enter();
        self.inner.unlock();
        Ok(())
    }
    /// Reports a thread that is about to read what it reads already: behind a writer it would wait for itself.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn check_recursion(&self) {
        // Behind a writer the slow path tells.
        if thread::current().reads.contains(self) && self.word.is_open() {
            self.warn_of_recursion();
        }
    }
    #[cold]
    #[track_caller]
    fn warn_of_recursion(&self) {
        let site = Location::caller();
        if report::once_a_second(site) {
            let (name, site) = (thread::current().name(), report::Site(Some(site)));
            report::warn!("recursive read of {} by {} at {}", self.inner.named(), name, site);
        }
    }
    /// A reader that is recorded at this place leaves.
    #[inline(always)]
    pub(crate) fn leave(&self, place: Place) {
        self.disown(place);
        self.leave_unowned();
    }
    /// A reader is inside from now on of whom no thread's record knows.
    #[inline(always)]
    pub(crate) fn disown(&self, place: Place) {
        thread::current().reads.remove(place);
    }
    /// A reader leaves that is in no record; from any context.
    #[inline(always)]
    pub(crate) fn leave_unowned(&self) {
        if self.word.leave() == Leave::Last {
            self.leave_last();
        }
    }
    #[inline(never)]
    fn leave_last(&self) {
        let off = Off::new();
        let waiters = self.inner.waiters.lock_in(off.cx());
        if !self.word.leave_last() {
            return;
        }
        // As long as the wait lock is held the writer neither begins nor gives up.
        let writer = table::with_number(self.inner.word.owner());
        drop(waiters);
        let Some(writer) = writer else {
            report::bug!("{} is closed to readers, but nobody owns it", self.inner.named());
        };
        if self.inner.class.is_spinning() {
            sched::wake_lock_waiter(writer);
            drop(off);
        } else {
            sched::wake_last(writer, off);
        }
    }

    /// Enters as the writer, if the lock is free and nobody waits for it.
    #[inline(always)]
    pub(crate) fn try_write_fast(&self) -> bool {
        self.inner.try_fast() && self.begin_or_return()
    }
    /// Enters as the writer, if nobody is inside and nobody more urgent waits.
    pub(crate) fn try_write(&self) -> bool {
        self.inner.try_lock() && self.begin_or_return()
    }
    #[inline(always)]
    fn begin_or_return(&self) -> bool {
        let entered = self.word.try_write();
        if !entered {
            self.inner.unlock();
        }
        entered
    }
    /// Enters as the writer, waiting as long as the limits allow; without limits, until it is in.
    ///
    /// # Errors
    /// As those of [`RtMutex::lock_limited`]; [`Error::Deadlock`] too: the thread is inside as a reader. Readers need not
    /// queue any more.
    #[inline(never)]
    pub(crate) fn write_slow(&self, limits: Option<&Limits>) -> Result<()> {
        self.own(limits)?;
        if self.word.try_write() { Ok(()) } else { self.wait_for_readers(limits) }
    }
    /// The writer leaves.
    #[inline(always)]
    pub(crate) fn end_write(&self) {
        self.word.end_write();
        self.inner.unlock();
    }
    /// The writer becomes a reader.
    pub(crate) fn downgrade(&self) -> Place {
        self.word.downgrade();
        self.inner.unlock();
        thread::current().reads.add(self)
    }

    /// Takes the inner lock.
    fn own(&self, limits: Option<&Limits>) -> Result<()> {
        if self.inner.class.is_spinning() {
            self.inner.lock_keeping_state();
            return Ok(());
        }
        match limits {
            Some(limits) => self.inner.lock_limited(limits),
            None => {
                self.inner.lock_slow();
                Ok(())
            }
        }
    }
    /// The caller owns the inner lock: it waits until the readers have left.
    fn wait_for_readers(&self, limits: Option<&Limits>) -> Result<()> {
        let me = thread::current();
        if me.reads.contains(self) {
            if limits.is_none() {
                report::bug!("{}: {} reads it and waits to write", self.inner.named(), me.name());
            }
            self.inner.unlock();
            return Err(Error::Deadlock);
        }
        self.word.close();
        if self.inner.class.is_spinning() {
            return sched::keeping_state(|| self.wait_until_left(State::LockWait, || self.park_keeping_state()));
        }
        let none = Limits::none(self.inner.class.name());
        let limits = limits.unwrap_or(&none);
        self.wait_until_left(limits.state(), || wait::park(limits))
    }
    fn park_keeping_state(&self) -> Result<()> {
        let me = &thread::current().waiting;
        let before = me.set_wchan(self.inner.class.name());
        sched::block();
        me.set_wchan(before);
        Ok(())
    }
    /// `state`: in which it waits. `park` gives the CPU away.
    #[inline(always)]
    fn wait_until_left(&self, state: State, park: impl Fn() -> Result<()>) -> Result<()> {
        let mut ended = Ok(());
        loop {
            let off = Off::new();
            let waiters = self.inner.waiters.lock_in(off.cx());
            // Asked again after a limit was met: the last reader may have left at the same moment.
            if self.word.try_begin() {
                return Ok(());
            }
            if ended.is_err() {
                self.word.reopen();
                drop(waiters);
                drop(off);
                self.inner.unlock();
                return ended;
            }
            // Under the wait lock, which the last reader takes before it leaves.
            sched::set_state(state);
            drop(waiters);
            drop(off);
            ended = park();
        }
    }
}
