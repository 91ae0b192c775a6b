//! Where does each message go, and who is let go for it? What a queue does under its lock.
//!
//! Two rules hold whenever the lock is free, and rule out that anybody is overtaken:
//!
//! 1. While receivers wait, every message is promised: there is none that a newcomer could take.
//! 2. While senders wait, the queue is full: there is no place that a newcomer could take.
use crate::{sync::wait::ByPriority, thread::Ref};
use core::{cell::UnsafeCell, mem::MaybeUninit};
use heapless::Deque;
use logic::plist::PList;

/// At which end of the queue a message goes in. They leave at the front.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Back,
    Front,
}

/// What a waiting sender lends to the queue: it is moved in as soon as there is a place.
pub(super) struct Parcel<T> {
    message: UnsafeCell<MaybeUninit<T>>,
    end: End,
}

impl<T> Parcel<T> {
    pub(super) const fn new(message: T, end: End) -> Self {
        Self { message: UnsafeCell::new(MaybeUninit::new(message)), end }
    }
    /// # Safety
    /// Once; nobody else reaches the parcel meanwhile.
    pub(super) unsafe fn open(&self) -> T {
        // SAFETY: made with a message, and the caller takes it once.
        unsafe { (*self.message.get()).assume_init_read() }
    }
}

/// Lists of waiters, as noted in a waiter.
const RECEIVERS: usize = 0;
const SENDERS: usize = 1;

pub(super) struct Inner<T, const N: usize> {
    messages: Deque<T, N>,
    /// How many of the messages are for receivers that were let go and have yet to take one.
    promised: usize,
    receivers: PList<Ref, ByPriority>,
    senders: PList<Ref, ByPriority>,
}

/// Who was let go: wake-ups follow when the lock is free.
pub(super) type LetGo = [Option<Ref>; 2];

impl<T, const N: usize> Inner<T, N> {
    pub(super) const fn new() -> Self {
        Self { messages: Deque::new(), promised: 0, receivers: PList::new(), senders: PList::new() }
    }
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.messages.is_full()
    }
    /// Messages that a newcomer could take.
    #[inline(always)]
    pub(super) fn available(&self) -> usize {
        self.messages.len() - self.promised
    }
    /// Places that a newcomer could fill.
    pub(super) fn space(&self) -> usize {
        N - self.messages.len()
    }
    /// The message that is next.
    pub(super) fn next(&self) -> Option<&T> {
        if self.available() == 0 { None } else { self.messages.front() }
    }
    /// Puts a message in and promises it to the most urgent waiting receiver, if there is one. Given back: it is full.
    #[inline(always)]
    pub(super) fn put(&mut self, message: T, end: End) -> Result<Option<Ref>, T> {
        match end {
            End::Back => self.messages.push_back(message)?,
            End::Front => self.messages.push_front(message)?,
        }
        Ok(self.promise())
    }
    /// Lets the most urgent waiting receiver go for a message that nobody else has been promised.
    #[inline(always)]
    fn promise(&mut self) -> Option<Ref> {
        // Here, so that nothing is called where nobody waits.
        self.receivers.first()?;
        let first = self.receivers.pop_first()?;
        self.promised += 1;
        first.waiting.grant();
        Some(first)
    }
    /// Takes the message that is next, if there is one for a newcomer, and lets the most urgent waiting sender go.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<(T, Option<Ref>)> {
        if self.promised != 0 && self.available() == 0 {
            return None;
        }
        Some((self.messages.pop_front()?, self.accept()))
    }
    /// Takes a message for a receiver that was promised one.
    pub(super) fn take_promised(&mut self) -> Option<(T, LetGo)> {
        self.promised -= 1;
        let message = self.messages.pop_front()?;
        let sender = self.accept();
        // What came in may be the first that was not promised to anybody.
        let receiver = if sender.is_some() { self.promise() } else { None };
        Some((message, [sender, receiver]))
    }
    /// A receiver that was promised a message does not get to take it: it goes to the next one that waits.
    pub(super) fn pass_on(&mut self) -> Option<Ref> {
        self.promised -= 1;
        self.promise()
    }
    /// There is a place: moves the message of the most urgent waiting sender in.
    #[inline(always)]
    fn accept(&mut self) -> Option<Ref> {
        // As in `promise`.
        self.senders.first()?;
        let first = self.senders.pop_first()?;
        // SAFETY: a sender in the list lends its parcel until it is granted, and leaves the list under the lock, which is
        // held.
        let parcel = unsafe { &*first.waiting.parcel.get().cast::<Parcel<T>>() };
        // SAFETY: it is out of the list, so this happens once; the sender does not touch it while it is not granted.
        let message = unsafe { parcel.open() };
        let moved = match parcel.end {
            End::Back => self.messages.push_back(message),
            End::Front => self.messages.push_front(message),
        };
        debug_assert!(moved.is_ok(), "a message has just left");
        first.waiting.grant();
        Some(first)
    }
    /// Puts a message behind all others; the first of them makes room if need be.
    pub(super) fn put_over(&mut self, message: T) -> (Option<T>, Option<Ref>) {
        let displaced = if self.is_full() { self.messages.pop_front() } else { None };
        let pushed = self.messages.push_back(message);
        debug_assert!(pushed.is_ok(), "there is room");
        // In the place of another nothing is there that was not there before: as many messages, as many promised.
        let receiver = if displaced.is_none() { self.promise() } else { None };
        (displaced, receiver)
    }

    /// The running thread waits for a message.
    pub(super) fn queue_receiver(&mut self, me: Ref) {
        me.waiting.set_list(RECEIVERS);
        self.receivers.insert(me);
    }
    /// The running thread waits for a place for its parcel, which stays where it is until it is granted or out of the list.
    pub(super) fn queue_sender(&mut self, me: Ref, parcel: &Parcel<T>) {
        me.waiting.set_list(SENDERS);
        me.waiting.parcel.set(core::ptr::from_ref(parcel).cast());
        self.senders.insert(me);
    }
    /// The list in which a waiter is if it is in any.
    pub(super) fn list_of(&mut self, waiter: Ref) -> &mut PList<Ref, ByPriority> {
        if waiter.waiting.list() == SENDERS { &mut self.senders } else { &mut self.receivers }
    }
}
