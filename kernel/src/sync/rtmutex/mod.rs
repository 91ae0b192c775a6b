//! How does a thread wait for a lock, and lend its priority to whoever holds it?
//!
//! The core under every sleeping lock (Linux `kernel/locking/rtmutex.c`). Free and without waiters a lock is one
//! compare-exchange each way ([`logic::owner`]). Who finds it held
//!
//! 1. lines up among the waiters, by urgency and then arrival, under the lock's own raw *wait lock*;
//! 2. becomes a *donor* of the owner if it is the top waiter: the owner's level is recomputed;
//! 3. carries the change along if the owner waits for another lock itself ([`chain`]), and looks whether it waits for
//!    itself that way ([`deadlock`]);
//! 4. sleeps, or spins while the owner runs on another CPU.
//!
//! Unlocking wakes the top waiter and leaves the lock without owner: the woken thread takes it when it runs, unless
//! somebody more urgent comes first. The owner drops what it inherited *before* the wake-up, with interrupts masked until it
//! is done, so that nobody in between gets to run (RM-12).
//!
//! | what | guarded by |
//! |---|---|
//! | a lock's waiters, their order | its wait lock |
//! | a thread's donors, what it waits for, its policy and level | its pi lock |
//! | a waiter's place among the waiters | both its lock's wait lock and its own pi lock |
//!
//! The order is wait lock, then pi lock, then run queue. At most two of the former are held at once, a hop of the chain
//! takes them one way and the other with a try.
use crate::{
    atomic_word::Word32,
    bugs::{self, Bug},
    cx::{AtomicCx, Irq},
    error::{Error, Result},
    irq_flags::Off,
    report, sched,
    sync::{
        raw::{RawSpinLock, SpinWord},
        wait::{self, Limits},
    },
    thread::{self, Ref, State, ThreadId, table},
    time, trace,
};
use core::{panic::Location, ptr::NonNull};
use hw::atomic::{AtomicU32, Ordering::Relaxed};
use logic::{owner::OwnerWord, pi, plist::PList};

mod chain;
mod class;
mod contended;
mod deadlock;
mod exit;
#[cfg(not(target_os = "none"))]
pub mod hold;
mod party;
mod reads;
mod rwbase;
mod switch;
mod verify;

pub(crate) use chain::propagate;
pub(crate) use class::Class;
use class::Named;
pub(crate) use contended::print as print_contended;
use deadlock::Wrong;
pub use deadlock::{max_lock_depth, set_max_lock_depth};
pub(crate) use exit::{check_exit, end};
use party::{ByDonation, ByUrgency, LockRef, Waiters, WaitersGuard, change_of_level, recompute};
pub(crate) use party::{Inheritance, waits_for};
pub(crate) use reads::{Place, Reads};
pub(crate) use rwbase::RwBase;
pub(crate) use switch::set_inherits;
pub use verify::Broken;
pub(crate) use verify::verify;

/// Of a wait to the end. What the thread waits for is seen from `waits_for`.
const NO_LIMITS: Limits = Limits::none("");

/// A sleeping lock with priority inheritance, without data.
pub(crate) struct RtMutex {
    word: OwnerWord<Word32>,
    /// Number of the top waiter, for whoever spins. Changed under the wait lock.
    top: AtomicU32,
    waiters: RawSpinLock<Waiters, Irq>,
    class: Class,
    /// Where it was made: its name.
    site: &'static Location<'static>,
}

impl RtMutex {
    #[track_caller]
    pub(crate) const fn new(class: Class) -> Self {
        Self {
            word: OwnerWord::new(Word32::new(0)),
            top: AtomicU32::new(0),
            waiters: RawSpinLock::new(PList::new()),
            class,
            site: Location::caller(),
        }
    }
    fn named(&self) -> Named {
        Named { class: self.class, site: self.site }
    }
    /// Whoever owns it, if somebody does; out of date as soon as it is known.
    pub(crate) fn owner(&self) -> Option<ThreadId> {
        Some(self.word.owner()).filter(|&owner| owner != 0).map(ThreadId)
    }
    /// Its most urgent waiter.
    pub(crate) fn top_waiter(&self) -> Option<ThreadId> {
        Some(self.top.load(Relaxed)).filter(|&top| top != 0).map(ThreadId)
    }
    fn as_ref(&self) -> LockRef {
        LockRef(NonNull::from(self))
    }
    /// The word on which a lock spins under the models where its like does not sleep: the wait lock's, which nobody else needs
    /// there.
    #[inline(always)]
    pub(crate) fn spin_word(&self) -> &SpinWord {
        self.waiters.word()
    }
    /// Takes it if it is free and nobody waits for it.
    #[inline(always)]
    pub(crate) fn try_fast(&self) -> bool {
        self.word.try_acquire(thread::current().number())
    }
    /// Takes it if nobody owns it and nobody more urgent waits.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.try_fast()
            || match self.word.owner() {
                0 => self.try_slow(),
                owner => self.refused(owner),
            }
    }
    #[inline(never)]
    fn try_slow(&self) -> bool {
        let off = Off::new();
        let mut waiters = self.waiters.lock_in(off.cx());
        let taken = self.try_take(&mut waiters, off.cx(), Ref(thread::current()));
        self.tidy(&waiters);
        taken
    }
    /// Makes it another thread's, which does not end before it gives it back. Nobody owns it, nobody waits, and nobody else takes it.
    pub(crate) fn give_to(&self, owner: Ref) {
        if !self.word.try_acquire(owner.number()) {
            report::bug!("{} is given to {}, but is not free", self.named(), owner.name());
        }
    }
    /// Gives it back; whoever waits gets it. The caller owns it.
    #[inline(always)]
    pub(crate) fn unlock(&self) {
        if !self.word.try_release(thread::current().number()) {
            self.unlock_slow();
        }
    }

    /// The thread that owns it. The wait lock is held and somebody waits, so it goes on to do so, and does not end.
    #[inline(always)]
    fn owning(&self) -> Option<Ref> {
        self.owned_by(self.word.owner())
    }
    /// The thread of this number, which is the owner's.
    #[inline(always)]
    fn owned_by(&self, number: u32) -> Option<Ref> {
        match table::with_number(number) {
            None if number != 0 => self.orphaned(number),
            owner => owner,
        }
    }
    /// Nobody waits any more: the fast paths are open again.
    #[inline(always)]
    fn tidy(&self, waiters: &Waiters) {
        if waiters.is_empty() && self.word.has_waiters() {
            self.word.retract();
        }
    }
    /// Another one may be the top waiter.
    #[inline(always)]
    fn note_top(&self, waiters: &Waiters) {
        self.top.store(waiters.first().map_or(0, |top| top.number()), Relaxed);
    }

    /// Takes the lock for `me`, which may stand among its waiters, if nobody owns it and nobody more urgent waits. The wait
    /// lock is held. Whether it was taken or not, the waiters' bit may be set with nobody waiting.
    #[inline(always)]
    fn try_take(&self, waiters: &mut Waiters, masked: &AtomicCx<'_, Irq>, me: Ref) -> bool {
        self.word.announce() == 0 && self.take_free(waiters, masked, me)
    }
    /// As [`try_take`](Self::try_take), for a lock that nobody owns and whose waiters' bit is set.
    #[inline(never)]
    fn take_free(&self, waiters: &mut Waiters, masked: &AtomicCx<'_, Irq>, me: Ref) -> bool {
        if waiters.first() != Some(me) && !pi::may_take(me.level.get(), waiters.first_level(), self.class.steal()) {
            return false;
        }
        let queued = me.inheritance.waiter.is_queued();
        if queued || !waiters.is_empty() {
            let mut chained = me.inheritance.lock(masked);
            if queued {
                waiters.remove(me);
                chained.waits_for = None;
            }
            if let Some(top) = waiters.first() {
                chained.donors.insert(top);
                // It may have been made less urgent than it stands, and nobody has got round to moving it yet.
                recompute(me, &chained);
            }
            self.note_top(waiters);
        }
        self.word.take(me.number(), !waiters.is_empty());
        true
    }

    /// Waits until the lock is the caller's, which holds no raw lock. A wait that would never end stops the machine.
    #[inline(never)]
    pub(crate) fn lock_slow(&self) {
        // Without limits it ends when the lock was taken.
        let _ = self.wait(&NO_LIMITS, true, false);
    }
    /// As [`lock_slow`](Self::lock_slow); the thread keeps the state that it has announced (LK-02).
    #[inline(never)]
    pub(crate) fn lock_keeping_state(&self) {
        let _ = sched::keeping_state(|| self.wait_rarely(&NO_LIMITS, true, true));
    }
    /// Waits until the lock is the caller's, or a limit is met.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Interrupted`]; [`Error::Deadlock`]: it owns the lock, or waits for itself through other
    /// locks and their owners. Everybody's priority is as if the call had not been made.
    pub(crate) fn lock_limited(&self, limits: &Limits) -> Result<()> {
        self.wait_rarely(limits, false, false)
    }
    /// One body for all but `lock_slow`, which is compiled without what these need.
    #[inline(never)]
    fn wait_rarely(&self, limits: &Limits, to_the_end: bool, keeps_state: bool) -> Result<()> {
        self.wait(limits, to_the_end, keeps_state)
    }

    #[inline(always)]
    fn wait(&self, limits: &Limits, to_the_end: bool, keeps_state: bool) -> Result<()> {
        let me = Ref(thread::current());
        let off = Off::new();
        let mut waiters = self.waiters.lock_in(off.cx());
        let owner = self.word.announce();
        if owner == 0 && self.take_free(&mut waiters, off.cx(), me) {
            return Ok(());
        }
        if owner == me.number() {
            self.tidy(&waiters);
            if to_the_end {
                report::bug!("{}: owner is current, {}", self.named(), me.name());
            }
            return Err(Error::Deadlock);
        }
        trace::record(trace::LOCK_BLOCK, u64::from(me.id().0), u64::from(owner));
        let chained = self.line_up(waiters, off.cx(), me, owner, keeps_state);
        Self::announce(me, limits, keeps_state);
        off.leave();
        let mut ended = match chained {
            Some(owner) => {
                propagate(owner);
                match deadlock::wrong(self, me) {
                    None => Ok(()),
                    // It may still come to an end.
                    Some(Wrong::TooLong) if to_the_end => Ok(()),
                    Some(Wrong::Circle) if to_the_end => deadlock::stop(self, me),
                    Some(_) => Err(Error::Deadlock),
                }
            }
            None => Ok(()),
        };
        loop {
            if ended.is_ok() && !self.spin(me, limits) {
                ended = self.park(limits, keeps_state);
            }
            #[cfg(not(target_os = "none"))]
            hold::here(self);
            let off = Off::new();
            let mut waiters = self.waiters.lock_in(off.cx());
            Self::announce(me, limits, keeps_state);
            let taken = self.try_take(&mut waiters, off.cx(), me);
            if !taken && ended.is_ok() {
                continue;
            }
            // Who keeps it gets it back from whoever called this.
            me.state.announce(State::Running as u32);
            if taken {
                trace::record(trace::LOCK_ACQUIRE, u64::from(me.id().0), 0);
                drop(waiters);
                off.leave();
                return Ok(());
            }
            let chained = self.give_up(waiters, off.cx(), me);
            off.leave();
            if let Some(owner) = chained {
                propagate(owner);
            }
            return ended;
        }
    }
    /// The thread is about to sleep. The waker takes the wait lock, and it is held, or the lock is looked at afterwards.
    #[inline(always)]
    fn announce(me: Ref, limits: &Limits, keeps_state: bool) {
        me.state.announce(if keeps_state { State::LockWait } else { limits.state() } as u32);
    }
    /// Gives the CPU away, the state being announced. What it waits for is seen from `waits_for`.
    #[inline(always)]
    fn park(&self, limits: &Limits, keeps_state: bool) -> Result<()> {
        if keeps_state || limits.deadline.is_none() && !limits.interruptible {
            sched::block_in_place();
            Ok(())
        } else {
            wait::park(limits)
        }
    }

    /// Puts the running thread among the waiters of the lock, whose owner has this number. If that one waits for a lock itself,
    /// or may do so, it is the answer: the chain is to be looked at.
    #[inline(always)]
    fn line_up(
        &self,
        mut waiters: WaitersGuard<'_, '_>,
        masked: &AtomicCx<'_, Irq>,
        me: Ref,
        number: u32,
        keeps_state: bool,
    ) -> Option<Ref> {
        let before = waiters.first();
        let mut mine = me.inheritance.lock(masked);
        mine.waits_for = Some(self.as_ref());
        mine.waits = mine.waits.wrapping_add(1);
        waiters.insert(me);
        drop(mine);
        me.inheritance.keeps_state.set(keeps_state);
        let is_top = waiters.first() == Some(me);
        if is_top {
            // Of a lock without owner, too: another CPU may have raised it since it was refused the lock.
            self.note_top(&waiters);
        }
        let owner = self.owned_by(number)?;
        if !is_top {
            return Some(owner);
        }
        let mut theirs = owner.inheritance.lock(masked);
        // It may have ended since it was found: its number goes under its pi lock, when it has no donor.
        if !owner.has_number(number) {
            self.orphaned(number);
        }
        if let Some(before) = before {
            theirs.donors.remove(before);
        }
        theirs.donors.insert(me);
        // As long as its pi lock is held the owner cannot give the lock back.
        drop(waiters);
        recompute(owner, &theirs);
        theirs.is_waiting().then_some(owner)
    }

    /// Takes a waiter out that does not wait any more, and what it lent back. The answer is as that of `line_up`.
    fn give_up(&self, mut waiters: WaitersGuard<'_, '_>, masked: &AtomicCx<'_, Irq>, me: Ref) -> Option<Ref> {
        let was_top = waiters.first() == Some(me);
        let mut mine = me.inheritance.lock(masked);
        waiters.remove(me);
        mine.waits_for = None;
        drop(mine);
        if !was_top {
            return None;
        }
        self.note_top(&waiters);
        // It would have taken the lock if nobody owned it.
        let owner = self.owning()?;
        let mut theirs = owner.inheritance.lock(masked);
        theirs.donors.remove(me);
        if let Some(next) = waiters.first() {
            theirs.donors.insert(next);
        }
        // Not before: with the bit clear the owner gives the lock back without the wait lock, and would keep what it
        // inherits for ever.
        self.tidy(&waiters);
        drop(waiters);
        if !bugs::is_on(Bug::NoDeboost) {
            recompute(owner, &theirs);
        }
        theirs.is_waiting().then_some(owner)
    }

    #[inline(never)]
    fn unlock_slow(&self) {
        let me = Ref(thread::current());
        loop {
            let off = Off::new();
            let waiters = self.waiters.lock_in(off.cx());
            if self.word.owner() != me.number() {
                self.not_mine(me);
            }
            let Some(top) = waiters.first() else {
                // Whoever waited has given up. Once the lock is free it may be gone, with the wait lock.
                self.word.retract();
                drop(waiters);
                if self.word.try_release(me.number()) {
                    return;
                }
                continue;
            };
            trace::record(trace::LOCK_RELEASE, u64::from(me.id().0), u64::from(top.id().0));
            let mut mine = me.inheritance.lock(off.cx());
            mine.donors.remove(top);
            let keeps_state = top.inheritance.keeps_state.get();
            self.word.leave_to_waiters();
            drop(waiters);
            // It may have taken the lock by now, or given up; a wake-up too many does no harm.
            if keeps_state {
                recompute(me, &mine);
                drop(mine);
                sched::wake_lock_waiter(top);
                drop(off);
            } else {
                if bugs::is_on(Bug::DeboostPreemptible) {
                    recompute(me, &mine);
                    drop(mine);
                    drop(off);
                    sched::wake(top);
                    return;
                }
                let level = match bugs::is_on(Bug::RestoreLevel) {
                    true => Some(me.policy.get().level()),
                    false => change_of_level(me, &mine),
                };
                sched::hand_over(me, level, mine, top, &off);
                off.leave();
            }
            return;
        }
    }
    #[cold]
    fn not_mine(&self, me: Ref) -> ! {
        let owner = self.word.owner();
        let name = table::with_number(owner).map_or("nobody", |owner| owner.0.name());
        report::bug!("{} is given back by {}, but its owner is {} ({})", self.named(), me.name(), name, owner)
    }

    /// While the owner runs on another CPU and nobody more urgent waits, the top waiter spins. False if it has to sleep.
    #[inline(always)]
    fn spin(&self, me: Ref, limits: &Limits) -> bool {
        !sched::is_alone() && self.spin_on_owner(me, limits)
    }
    #[inline(never)]
    fn spin_on_owner(&self, me: Ref, limits: &Limits) -> bool {
        let number = self.word.owner();
        let Some(owner) = table::with_number(number) else {
            // Left to the top waiter. The others sleep: to look again and again could keep that one from running.
            return number == 0 && self.top.load(Relaxed) == me.number();
        };
        if self.class == Class::Rcu {
            // A section may be long, and its end has no use for whoever waits for it.
            return false;
        }
        loop {
            if self.word.owner() != number {
                return true;
            }
            let over = limits.interruptible && me.signals.load(Relaxed) != 0
                || limits.deadline.is_some_and(|deadline| time::now() >= deadline);
            if over || self.top.load(Relaxed) != me.number() || me.preempt.resched_wanted() || !sched::is_running(owner)
            {
                return false;
            }
            hw::cpu::relax();
        }
    }
    /// For tests: owner and bit.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn word(&self) -> u32 {
        self.word.owner() | if self.word.has_waiters() { logic::owner::WAITERS } else { 0 }
    }
    /// For tests of the verifier: the word says that this thread owns the lock.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn corrupt_owner(&self, id: ThreadId) {
        self.word.corrupt(id.0);
    }
}
