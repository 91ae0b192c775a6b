//! Which threads are there, and where do their control blocks and stacks come from?
//!
//! Slots are filled on first use and used again afterwards, each with its stack; a number holds the slot and how often it
//! was used, so finding a thread is O(1); 0 is nobody's number but the idle threads'. A lock's word has a bit beside the number.
//! What changes the table is short enough for a raw lock. Whoever only looks is an RCU reader and takes none: a slot is used again
//! after a grace period, so what a reader finds there stays the thread that it was, dead or alive.
use super::{Kind, NAME_LEN, Name, Ref, State, Thread, ThreadId, signal};
use crate::{
    cx::{self, ThreadCx},
    error::{Error, Result},
    irq_flags, rcu, sched,
    sync::{raw::RawSpinLock, rtmutex},
};
use alloc::boxed::Box;
use core::ptr::NonNull;
use hw::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Release, SeqCst},
};
use logic::{
    owner::WAITERS,
    policy::{Level, Policy},
};

/// Threads that can exist at once, idle threads included.
pub const MAX_THREADS: usize = 320;
/// Uses of a slot are counted above its index plus one.
const USE: u32 = 1 << 9;
const _: () = assert!(MAX_THREADS < USE as usize);

struct Table {
    slots: heapless::Vec<Slot, MAX_THREADS>,
    free: heapless::Vec<u16, MAX_THREADS>,
    live: usize,
}
struct Slot {
    /// Boxed: where it lies must not change.
    thread: Box<Thread>,
    /// Listed: reachable by its number.
    listed: bool,
    /// Claimed and not listed yet: its name is being written.
    claimed: bool,
    uses: u32,
}

// The level is Irq, although only threads change it: a report asks for names wherever it comes from.
hw::global! {
    static TABLE: RawSpinLock<Table, cx::Irq> =
        RawSpinLock::new(Table { slots: heapless::Vec::new(), free: heapless::Vec::new(), live: 0 });
}

hw::global! {
    /// The threads of all slots filled so far, for whoever looks one up without the lock.
    static THREADS: [AtomicPtr<Thread>; MAX_THREADS] =
        [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_THREADS];
}

#[track_caller]
fn with<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    let off = irq_flags::Off::new();
    let result = f(&mut TABLE.lock_in(off.cx()));
    drop(off);
    result
}

/// Lends a thread out of its slot. Threads are boxed and never freed while the machine runs.
fn lend(thread: &Thread) -> Ref {
    // SAFETY: as said; the simulation drops its machine's statics after the last thread.
    Ref(unsafe { &*core::ptr::from_ref(thread) })
}

/// A slot for a new thread: nobody else sees the thread until [`list`].
///
/// Allocates when no used slot is free, so: threads and boot only.
pub(crate) fn claim() -> Result<(Ref, usize)> {
    sched::bury();
    let used = with(|t| {
        let index = usize::from(t.free.pop()?);
        let slot = t.slots.get_mut(index)?;
        slot.claimed = true;
        Some((lend(&slot.thread), index))
    });
    if let Some(used) = used {
        return Ok(used);
    }
    let thread = Box::new(Thread::new());
    with(|t| {
        let index = t.slots.len();
        t.slots.push(Slot { thread, listed: false, claimed: true, uses: 0 }).map_err(|slot| {
            drop(slot);
            Error::NoResource
        })?;
        let slot = t.slots.last().ok_or(Error::NoResource)?;
        THREADS[index].store(core::ptr::from_ref(&*slot.thread).cast_mut(), Release);
        Ok((lend(&slot.thread), index))
    })
}

/// Gives a claimed thread its number.
pub(crate) fn number(index: usize) -> ThreadId {
    with(|t| match t.slots.get(index) {
        Some(slot) => ThreadId((slot.uses % (WAITERS / USE)) * USE + index as u32 + 1),
        None => ThreadId(0),
    })
}

/// Makes a thread findable.
pub(crate) fn list(thread: Ref) {
    with(|t| {
        if let Some(slot) = t.slots.get_mut(index(thread.id())) {
            slot.listed = true;
            slot.claimed = false;
            thread.number.store(thread.id().0, Release);
            t.live += 1;
        }
    });
}

/// The thread has left its stack for the last time; slot and stack are used again after a grace period.
pub(crate) fn release(thread: Ref) {
    let was_listed = with(|t| {
        let slot = t.slots.get_mut(index(thread.id()))?;
        slot.listed = false;
        slot.uses += 1;
        t.live -= 1;
        Some(())
    });
    if was_listed.is_some() {
        // SAFETY: the field's place in the thread.
        let head = unsafe { NonNull::from(thread.0).byte_add(core::mem::offset_of!(Thread, vacated)) };
        // SAFETY: a thread's head is queued once an end, and its slot is not used again before `vacate` has run.
        unsafe { rcu::enqueue(head.cast()) };
    }
}

/// Part of each thread: its slot is free again a grace period after it has ended.
pub(super) const fn vacated() -> rcu::Head {
    // SAFETY: `vacate` does with a thread's head what it is for.
    unsafe { rcu::Head::new(vacate) }
}
/// # Safety
/// The head of a thread that has ended.
unsafe fn vacate(head: NonNull<rcu::Head>, _: &mut ThreadCx) {
    // SAFETY: the caller's promise; threads are never freed, and the pointer was made from the whole thread.
    let thread = unsafe { head.byte_sub(core::mem::offset_of!(Thread, vacated)).cast::<Thread>().as_ref() };
    with(|t| {
        // There is one place for every slot.
        let _ = t.free.push(index(thread.id()) as u16);
    });
}

/// Waits for slots of threads that have ended, if no other one is left.
pub(crate) fn make_room(cx: &mut ThreadCx) {
    let full = with(|t| t.free.is_empty() && t.slots.is_full());
    if full {
        sched::bury();
        // Where that is not allowed, there is no room.
        let _ = rcu::barrier(cx);
    }
}

/// Gives a claimed slot back that was never listed.
pub(crate) fn unclaim(index: usize) {
    with(|t| {
        if let Some(slot) = t.slots.get_mut(index) {
            slot.claimed = false;
        }
        let _ = t.free.push(index as u16);
    });
}

/// Slot of a number; behind all of them for 0.
fn index(id: ThreadId) -> usize {
    (id.0 % USE).wrapping_sub(1) as usize
}

/// The live thread of this number. Takes no lock: it may end, and its slot be used again, at any moment. Whoever changes it
/// asks once more, under the lock of its home's run queue ([`Thread::is_listed_as`]).
pub(crate) fn find(id: ThreadId) -> Option<Ref> {
    let slot = THREADS.get(index(id))?.load(Acquire);
    // SAFETY: null, or a thread, which is never freed.
    let thread = unsafe { slot.as_ref() }?;
    (thread.is_listed_as(id) && thread.state() != State::Dead).then(|| lend(thread))
}

/// The thread of this number, if it has not ended. Takes no lock.
pub(crate) fn with_number(id: u32) -> Option<Ref> {
    let slot = THREADS.get(index(ThreadId(id)))?.load(Acquire);
    // SAFETY: null, or a thread, which is never freed.
    let thread = unsafe { slot.as_ref() }?;
    thread.is_listed_as(ThreadId(id)).then(|| lend(thread))
}

/// What the thread of this number is called, or was, as long as its slot is not used again.
pub(crate) fn former_name(id: ThreadId) -> Option<Name> {
    with(|t| {
        let slot = t.slots.get(index(id))?;
        (!slot.claimed && slot.thread.id() == id).then(|| slot.thread.identity().name.clone())
    })
}

/// Slots that were filled so far.
pub(crate) fn slots() -> usize {
    THREADS.iter().take_while(|thread| !thread.load(Acquire).is_null()).count()
}

/// The thread in slot `n`, if it lives. To a reader it stays the same one. Takes no lock.
pub(crate) fn at(n: usize) -> Option<Ref> {
    // SAFETY: null, or a thread, which is never freed.
    let thread = unsafe { THREADS.get(n)?.load(Acquire).as_ref() }?;
    (thread.number.load(Acquire) != 0 && thread.state() != State::Dead).then(|| lend(thread))
}

/// The thread in slot `n`, if it was listed and has not ended. Takes no lock: for a report about whoever holds it.
pub(crate) fn at_unlocked(n: usize) -> Option<Ref> {
    let slot = THREADS.get(n)?.load(Acquire);
    // SAFETY: null, or a thread, which is never freed.
    let thread = unsafe { slot.as_ref() }?;
    (!thread.is_listed_as(ThreadId::IDLE)).then(|| lend(thread))
}

/// What is wrong with the table, if something is. For moments at which nothing changes.
pub(crate) fn verify() -> Option<&'static str> {
    sched::bury();
    with(|t| t.verify())
}

/// What the thread of this number is called, if its slot still has that number.
///
/// # Safety
/// The machine has stopped: nobody changes anything.
#[cfg(not(target_os = "none"))]
pub(crate) unsafe fn name_of(id: ThreadId) -> Option<Name> {
    let table: &RawSpinLock<Table, cx::Irq> = &TABLE;
    // SAFETY: the caller's promise.
    let slot = unsafe { table.peek() }.slots.get(index(id))?;
    (slot.thread.id() == id).then(|| slot.thread.identity().name.clone())
}

/// For tests of the verifier: a live thread's slot is free.
#[cfg(not(target_os = "none"))]
pub(crate) fn free_slot(id: ThreadId) {
    with(|t| {
        let _ = t.free.push(index(id) as u16);
    });
}

impl Table {
    fn verify(&self) -> Option<&'static str> {
        let listed = |at: &u16| self.slots.get(usize::from(*at)).is_none_or(|slot| slot.listed);
        let twice = |(n, at): (usize, &u16)| self.free.iter().skip(n + 1).any(|other| other == at);
        if self.free.iter().any(listed) {
            return Some("a free slot is listed");
        }
        if self.free.iter().enumerate().any(twice) {
            return Some("a slot is free twice");
        }
        if self.slots.iter().filter(|slot| slot.listed).count() != self.live {
            return Some("the number of live threads is not that of listed slots");
        }
        let named = |(n, slot): (usize, &Slot)| !slot.listed || index(slot.thread.id()) == n;
        if !self.slots.iter().enumerate().all(named) {
            return Some("a thread's number is not that of its slot");
        }
        let dead = |slot: &Slot| slot.listed && slot.thread.state() == State::Dead;
        self.slots.iter().any(dead).then_some("a dead thread was not buried")
    }
}

/// Number of live threads, idle ones not included.
pub fn live() -> usize {
    // One that has just ended is not live, even if its slot is not free yet.
    sched::bury();
    with(|t| t.live)
}

/// What `ps` shows of a thread.
#[derive(Clone, Debug)]
pub struct Info {
    /// Its number.
    pub id: ThreadId,
    /// Its name.
    pub name: Name,
    /// Configured policy.
    pub policy: Policy,
    /// How urgent it is now: its policy's level, or what it inherits.
    pub level: Level,
    /// What it does.
    pub state: State,
    /// What it is for.
    pub kind: Kind,
    /// The CPU that it runs on, is ready on, or ran on last.
    pub cpu: usize,
    /// Nanoseconds that it has run.
    pub runtime_ns: u64,
    /// Nanoseconds since it was made.
    pub age_ns: u64,
    /// What it waits for, "" if nothing.
    pub wchan: &'static str,
    /// Most bytes of stack it used, and what it has.
    pub stack: (usize, usize),
}

/// Calls `f` for each live thread in the order of slots. Threads may come and go meanwhile. Takes no lock of the table's.
pub fn for_each(cx: &mut ThreadCx, mut f: impl FnMut(&mut ThreadCx, Info)) {
    for slot in 0..slots() {
        let reader = rcu::section();
        let info = at(slot).map(describe);
        drop(reader);
        if let Some(info) = info {
            f(cx, info);
        }
    }
}

/// What `ps` shows of the live thread of this number.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread.
pub fn info(cx: &mut ThreadCx, id: ThreadId) -> Result<Info> {
    let _ = cx;
    let _reader = rcu::section();
    find(id).map(describe).ok_or(Error::NotFound)
}

/// The caller is a reader, so that the thread stays the one that it is.
#[inline(never)]
fn describe(thread: Ref) -> Info {
    let identity = thread.identity();
    Info {
        id: identity.id,
        name: identity.name.clone(),
        policy: thread.policy.get(),
        level: thread.level.get(),
        state: thread.state(),
        kind: identity.kind,
        cpu: thread.home().id.get(),
        runtime_ns: sched::runtime_ns(thread),
        age_ns: crate::time::ticks_to_ns(hw::clock::ticks().saturating_sub(identity.born)),
        wchan: rtmutex::waits_for(thread).unwrap_or_else(|| thread.waiting.wchan()),
        stack: (high_water(thread.0), identity.stack.1 - identity.stack.0),
    }
}

/// Cuts a name to [`NAME_LEN`] bytes on a character boundary.
pub(crate) fn name(text: &str) -> Name {
    let end = (0..=NAME_LEN.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
    let mut name = Name::new();
    let _ = name.push_str(text.get(..end).unwrap_or(""));
    name
}

/// What a stack is filled with before its thread runs.
pub(super) const PAINT: u64 = 0x5afe_5afe_5afe_5afe;

/// Bytes of the thread's stack that were ever used.
pub(crate) fn high_water(thread: &Thread) -> usize {
    let (bottom, top) = thread.identity().stack;
    if !cfg!(target_os = "none") || top == 0 {
        return 0;
    }
    let words = (top - bottom) / size_of::<u64>();
    let untouched = (0..words)
        // SAFETY: the stack is mapped as long as the machine runs; volatile, because its owner may be writing to it.
        .take_while(|&n| unsafe { (bottom as *const u64).add(n).read_volatile() } == PAINT)
        .count();
    top - bottom - untouched * size_of::<u64>()
}

/// Ends the interruptible wait of a thread, now or the next one it begins.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread.
pub fn interrupt(cx: &mut ThreadCx, id: ThreadId) -> Result<()> {
    let _ = cx;
    post(id, signal::INTERRUPT)
}

/// Asks a thread to end: at its next interruptible wait, or when it wakes from one that is not.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread. [`Error::Invalid`]: idle threads cannot end.
pub fn kill(cx: &mut ThreadCx, id: ThreadId) -> Result<()> {
    let _ = cx;
    if id == ThreadId::IDLE {
        return Err(Error::Invalid);
    }
    post(id, signal::KILL)
}

fn post(id: ThreadId, what: u32) -> Result<()> {
    let thread = find(id).ok_or(Error::NotFound)?;
    // Under the lock of its home the thread does not end, so nobody else is hit.
    let interruptible = sched::with_home(thread, |_| {
        if thread.state() == State::Dead || !thread.is_listed_as(id) {
            return None;
        }
        // A thread announces itself and then looks at its signals; this is the other way round, so one sees the other.
        thread.signals.fetch_or(what, SeqCst);
        Some(thread.state.look() == State::Interruptible as u32)
    });
    if interruptible.ok_or(Error::NotFound)? {
        // Another thread may have the slot by now: one that waits looks at what it waits for, others are not woken.
        sched::wake(thread);
    }
    Ok(())
}
