//! How does a thread wait for several things at once, or for one of several? The event flags.
//!
//! 32 flags that anybody sets and clears, also hard handlers; threads wait until any or all of some of them are set. Who
//! is let go is decided in the moment in which flags are set: each waiter whose wish is met then, the most urgent first,
//! equals in the order in which they came. One that waits with [`OnExit::Clear`] takes the flags that let it go, so that
//! those behind it do not find them; with [`OnExit::Keep`] everybody does. A flag that is set and cleared again at once has
//! let its waiters go.
//!
//! Setting looks at all who wait, in a hard handler too, so they are [`EventFlags::MAX_WAITERS`] at most. A hard handler
//! wakes only the most urgent of those whom it lets go, and so does whoever has interrupts masked; that one wakes the
//! others before its wait returns. They are no more urgent, so on one CPU they would not run earlier either; on several,
//! one that is bound to a CPU where something more urgent runs holds up those behind it. A thread that sets flags wakes
//! them all itself.
//!
//! What any number of threads waits for is a [`Completion`](super::Completion), completed for all, or a
//! [`WaitQueue`](super::WaitQueue).
//!
//! ```
//! # kernel::simulation::boot(Default::default(), "", |cx| {
//! use kernel::{sync::{EventFlags, OnExit}, thread};
//! const RECEIVED: u32 = 1 << 0;
//! const SENT: u32 = 1 << 1;
//! static LINK: EventFlags = EventFlags::new();
//!
//! let driver = thread::Builder::new("driver").spawn(cx, |cx| LINK.wait_any(cx, RECEIVED | SENT, OnExit::Clear));
//! LINK.set(cx, SENT);
//! assert_eq!(driver.unwrap().join(cx), Ok(Ok(SENT)));
//! assert_eq!(LINK.get(), 0);
//! # });
//! ```
use crate::{
    context_check,
    cx::{AtomicCx, Context, Irq, ThreadCx},
    error::{Error, Result},
    irq_flags, sched,
    sync::{
        raw::RawSpinLock,
        wait::{self, ByPriority, Given, Limits, Sorted, is_killed, reported, until_granted},
    },
    thread::{self, Ref},
    time::Instant,
};
use core::cell::Cell;
use logic::plist::PList;

/// What becomes of the flags that let a waiter go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// They stay as they are.
    Keep,
    /// It takes them: they are cleared in the same moment.
    Clear,
}

/// How many of the flags that are waited for have to be set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Any,
    All,
}

/// What a waiting thread lends to whoever sets flags.
struct Wish {
    mask: u32,
    need: Need,
    on_exit: OnExit,
    /// The flags that let it go.
    got: Cell<u32>,
    stage: Cell<Stage>,
}

/// How far a wait has come. One that wakes by itself, because of a limit, finds out by its grant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its wish is not met.
    Waits,
    /// It was let go, and somebody who was woken before it wakes it.
    LetGo,
    /// It was woken.
    Woken,
}

struct Inner {
    flags: u32,
    /// All who wait, until they leave by themselves.
    waiters: PList<Ref, ByPriority>,
    waiting: usize,
}

/// Flags that threads wait for.
pub struct EventFlags {
    inner: RawSpinLock<Inner, Irq>,
}

impl Default for EventFlags {
    fn default() -> Self {
        Self::new()
    }
}

impl Sorted for EventFlags {
    fn resort(&self, waiter: Ref) {
        // SAFETY: interrupts are masked, which `resort` asks for; the token does not leave this function.
        let masked = unsafe { AtomicCx::<Irq>::new() };
        wait::resort(&mut self.inner.lock_in(&masked).waiters, waiter);
    }
}

impl EventFlags {
    /// Threads that can wait at once for flags of one set.
    pub const MAX_WAITERS: usize = 8;

    /// No flag is set.
    pub const fn new() -> Self {
        Self { inner: RawSpinLock::new(Inner { flags: 0, waiters: PList::new(), waiting: 0 }) }
    }
    /// The flags that are set; out of date as soon as it is known.
    pub fn get(&self) -> u32 {
        self.locked(|inner| inner.flags)
    }
    /// Sets flags and lets go whom they let go. From any context. Answers which flags are set afterwards: without those
    /// that a waiter took.
    ///
    pub fn set(&self, cx: &impl Context, flags: u32) -> u32 {
        let _ = cx;
        let off = irq_flags::Off::new();
        let mut inner = self.inner.lock_in(off.cx());
        inner.flags |= flags;
        let more = inner.release() > 1;
        let (first, left) = (inner.next_to_wake(), inner.flags);
        drop(inner);
        let Some(first) = first else { return left };
        let may_loop = off.will_enable();
        sched::wake_last(first, off);
        if more && may_loop {
            self.wake_others();
        }
        left
    }
    /// Wakes those that were let go, one at a time.
    #[inline(never)]
    fn wake_others(&self) {
        while let Some(next) = self.locked(|inner| inner.next_to_wake()) {
            sched::wake(next);
        }
    }
    /// Clears flags. From any context. Answers which flags were set before.
    pub fn clear(&self, cx: &impl Context, flags: u32) -> u32 {
        let _ = cx;
        self.locked(|inner| {
            let before = inner.flags;
            inner.flags &= !flags;
            before
        })
    }

    /// Waits until one of the flags of `mask` is set, and answers which are.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid): `mask` is empty. [`NoResource`](Error::NoResource): it would have to wait, and
    /// [`MAX_WAITERS`](Self::MAX_WAITERS) wait already.
    #[track_caller]
    pub fn wait_any(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::Any, on_exit), Limits::none(NAME))
    }
    /// As [`wait_any`](Self::wait_any), until `deadline` at most.
    ///
    /// # Errors
    /// As there, and [`TimedOut`](Error::TimedOut): nothing was taken.
    #[track_caller]
    pub fn wait_any_until(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit, deadline: Instant) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::Any, on_exit), Limits::until(deadline, NAME))
    }
    /// As [`wait_any`](Self::wait_any), unless the thread is interrupted.
    ///
    /// # Errors
    /// As there, and [`Interrupted`](Error::Interrupted): nothing was taken.
    #[track_caller]
    pub fn wait_any_interruptible(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::Any, on_exit), Limits::interruptible(NAME))
    }
    /// The flags of `mask` that are set, if one is. From any context.
    pub fn try_any(&self, cx: &impl Context, mask: u32, on_exit: OnExit) -> Option<u32> {
        let _ = cx;
        self.locked(|inner| inner.meet(&Wish::new(mask, Need::Any, on_exit)))
    }
    /// Waits until all of the flags of `mask` are set, and answers `mask`.
    ///
    /// # Errors
    /// As [`wait_any`](Self::wait_any).
    #[track_caller]
    pub fn wait_all(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::All, on_exit), Limits::none(NAME))
    }
    /// As [`wait_all`](Self::wait_all), until `deadline` at most.
    ///
    /// # Errors
    /// As there, and [`TimedOut`](Error::TimedOut): nothing was taken.
    #[track_caller]
    pub fn wait_all_until(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit, deadline: Instant) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::All, on_exit), Limits::until(deadline, NAME))
    }
    /// As [`wait_all`](Self::wait_all), unless the thread is interrupted.
    ///
    /// # Errors
    /// As there, and [`Interrupted`](Error::Interrupted): nothing was taken.
    #[track_caller]
    pub fn wait_all_interruptible(&self, cx: &mut ThreadCx, mask: u32, on_exit: OnExit) -> Result<u32> {
        self.wait(cx, Wish::new(mask, Need::All, on_exit), Limits::interruptible(NAME))
    }
    /// `mask`, if all of its flags are set. From any context.
    pub fn try_all(&self, cx: &impl Context, mask: u32, on_exit: OnExit) -> Option<u32> {
        let _ = cx;
        self.locked(|inner| inner.meet(&Wish::new(mask, Need::All, on_exit)))
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let off = irq_flags::Off::new();
        let result = f(&mut self.inner.lock_in(off.cx()));
        drop(off);
        result
    }

    #[track_caller]
    fn wait(&self, cx: &mut ThreadCx, wish: Wish, limits: Limits) -> Result<u32> {
        context_check::might_sleep(cx);
        if wish.mask == 0 {
            return Err(Error::Invalid);
        }
        let me = Ref(thread::current());
        let met = self.inner.with(cx, |inner, _| {
            if let Some(got) = inner.meet(&wish) {
                return Ok(Some(got));
            }
            if inner.waiting == Self::MAX_WAITERS {
                return Err(Error::NoResource);
            }
            me.waiting.begin();
            me.waiting.stand_in(Some(self));
            me.waiting.parcel.set(core::ptr::from_ref(&wish).cast());
            inner.waiters.insert(me);
            inner.waiting += 1;
            sched::set_state(limits.state());
            Ok(None)
        })?;
        if let Some(got) = met {
            return Ok(got);
        }
        // Let go in the last moment, or off the list: never both, never neither.
        let result = until_granted(cx, &limits, wait::park, |cx| {
            self.inner.with(cx, |inner, _| {
                if me.waiting.is_granted() {
                    return Given::Handed;
                }
                inner.leave(me);
                Given::Up
            })
        });
        me.waiting.stand_in(None);
        // It was woken first, or by itself: the others that were let go with it are awake when it goes on or ends.
        let more = self.inner.with(cx, |inner, _| {
            inner.leave(me);
            inner.is_anybody_let_go()
        });
        if more {
            self.wake_others();
        }
        if is_killed() {
            if result.is_ok() && wish.on_exit == OnExit::Clear {
                // It does not get to use what it took.
                self.set(cx, wish.got.get());
            }
            thread::exit(cx);
        }
        reported(result).map(|()| wish.got.get())
    }
}

/// What threads are shown to wait for.
const NAME: &str = "event_flags";

impl Wish {
    const fn new(mask: u32, need: Need, on_exit: OnExit) -> Self {
        Self { mask, need, on_exit, got: Cell::new(0), stage: Cell::new(Stage::Waits) }
    }
    fn is_met_by(&self, flags: u32) -> bool {
        let met = flags & self.mask;
        // Nothing meets an empty mask.
        met != 0 && (self.need == Need::Any || met == self.mask)
    }
}

impl Inner {
    /// What meets a wish, taken if the wish says so.
    fn meet(&mut self, wish: &Wish) -> Option<u32> {
        if !wish.is_met_by(self.flags) {
            return None;
        }
        let got = self.flags & wish.mask;
        if wish.on_exit == OnExit::Clear {
            self.flags &= !got;
        }
        Some(got)
    }
    /// Calls `f` with each who waits and its wish, the most urgent first, until it answers true.
    #[inline(always)]
    fn find(&mut self, mut f: impl FnMut(&mut Self, Ref, &Wish) -> bool) -> Option<Ref> {
        let mut next = self.waiters.first();
        while let Some(waiter) = next {
            // SAFETY: a waiter lends its wish until it leaves the list, which it does under the lock, which is held.
            let wish = unsafe { &*waiter.waiting.parcel.get().cast::<Wish>() };
            if f(self, waiter, wish) {
                break;
            }
            next = self.waiters.after(waiter);
        }
        next
    }
    /// Lets go all whose wish is met; answers how many.
    fn release(&mut self) -> usize {
        let mut count = 0;
        self.find(|inner, waiter, wish| {
            if wish.stage.get() == Stage::Waits
                && let Some(got) = inner.meet(wish)
            {
                wish.got.set(got);
                wish.stage.set(Stage::LetGo);
                waiter.waiting.grant();
                count += 1;
            }
            false
        });
        count
    }
    /// The most urgent that was let go and not woken; whoever asks wakes it.
    fn next_to_wake(&mut self) -> Option<Ref> {
        self.find(|_, _, wish| wish.stage.get() == Stage::LetGo && wish.stage.replace(Stage::Woken) == Stage::LetGo)
    }
    fn is_anybody_let_go(&mut self) -> bool {
        self.find(|_, _, wish| wish.stage.get() == Stage::LetGo).is_some()
    }
    fn leave(&mut self, waiter: Ref) {
        if self.waiters.remove(waiter) {
            self.waiting -= 1;
        }
    }
}
