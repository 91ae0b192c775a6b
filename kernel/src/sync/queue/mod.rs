//! How do threads and interrupts pass values on to threads? The message queue.
//!
//! A bounded queue that owns the messages in it. Senders wait while it is full, receivers while it is empty, the most
//! urgent first, equals in the order in which they came. Nobody is overtaken by a newcomer, and one message wakes one
//! receiver at most:
//!
//! - A message that comes while receivers wait is **promised** to the most urgent of them. It stays in its place until
//!   that one runs and takes it; no one else can. If it was killed meanwhile, the promise goes to the next.
//! - A place that comes free while senders wait is filled at once with the message of the most urgent of them, by whoever
//!   made the place: whoever takes messages in a loop gets those of the waiting senders too, before they have run.
//!
//! Messages leave in the order in which they came in; which of two receivers that were let go takes the first of two
//! messages is decided by who runs first.
//!
//! A message is moved with interrupts masked, so it has [`MAX_MESSAGE`] bytes at most. Larger things are passed on as a
//! `Box` or as a place of a [`Pool`](crate::pool::Pool).
//!
//! ```
//! # kernel::simulation::boot(Default::default(), "", |cx| {
//! use kernel::{sync::MessageQueue, thread};
//! static READINGS: MessageQueue<(u32, u64), 8> = MessageQueue::new();
//!
//! let logger = thread::Builder::new("logger").spawn(cx, |cx| {
//!     let (_sensor, value) = READINGS.receive(cx);
//!     value
//! });
//! // A hard handler, which cannot wait, would say `try_send`.
//! READINGS.send(cx, (1, 42));
//! assert_eq!(logger.unwrap().join(cx), Ok(42));
//! # });
//! ```
mod inner;
mod unsent;

pub use unsent::Unsent;

use crate::{
    context_check,
    cx::{AtomicCx, Context, Irq, ThreadCx},
    error::Error,
    irq_flags, sched,
    sync::{
        raw::RawSpinLock,
        wait::{self, Given, Limits, Sorted, is_killed, reported, until_granted},
    },
    thread::{self, Ref},
    time::Instant,
};
use inner::{End, Inner, LetGo, Parcel};

/// The largest message, in bytes.
pub const MAX_MESSAGE: usize = 128;

/// What threads are shown to wait for.
const SEND: &str = "queue_send";
const RECEIVE: &str = "queue_receive";

/// Up to `N` messages on their way from senders to receivers.
pub struct MessageQueue<T, const N: usize> {
    inner: RawSpinLock<Inner<T, N>, Irq>,
}

impl<T, const N: usize> Default for MessageQueue<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Sorted for MessageQueue<T, N> {
    fn resort(&self, waiter: Ref) {
        // SAFETY: interrupts are masked, which `resort` asks for; the token does not leave this function.
        let masked = unsafe { AtomicCx::<Irq>::new() };
        wait::resort(self.inner.lock_in(&masked).list_of(waiter), waiter);
    }
}

impl<T, const N: usize> MessageQueue<T, N> {
    /// An empty queue. One without a place, or of messages of more than [`MAX_MESSAGE`] bytes, does not compile.
    pub const fn new() -> Self {
        const {
            assert!(N > 0, "a queue has a place for one message at least");
            assert!(size_of::<T>() <= MAX_MESSAGE, "pass on a Box or a place of a pool instead");
        }
        Self { inner: RawSpinLock::new(Inner::new()) }
    }
    /// How many messages it has room for.
    pub const fn capacity(&self) -> usize {
        N
    }
    /// How many messages could be taken now: those that are promised to a woken receiver do not count. As all such
    /// answers, out of date as soon as it is known.
    pub fn len(&self) -> usize {
        self.locked(|inner| inner.available())
    }
    /// Whether a receiver would have to wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many messages could be put in now. With [`len`](Self::len) that makes [`capacity`](Self::capacity), except for
    /// messages that are promised.
    pub fn space(&self) -> usize {
        self.locked(|inner| inner.space())
    }
    /// Whether a sender would have to wait.
    pub fn is_full(&self) -> bool {
        self.space() == 0
    }
    /// A copy of the message that is next, which stays. From any context.
    pub fn peek(&self) -> Option<T>
    where
        T: Copy,
    {
        self.locked(|inner| inner.next().copied())
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Inner<T, N>) -> R) -> R {
        let off = irq_flags::Off::new();
        let result = f(&mut self.inner.lock_in(off.cx()));
        drop(off);
        result
    }
}

/// Sending.
impl<T: 'static, const N: usize> MessageQueue<T, N> {
    /// Puts a message behind all others, waiting until there is a place.
    #[inline]
    #[track_caller]
    pub fn send(&self, cx: &mut ThreadCx, message: T) {
        context_check::might_sleep(cx);
        if let Err(message) = self.put(message, End::Back) {
            // Without limits only a place ends the wait.
            let _ = self.wait_to_send(cx, message, End::Back, Limits::none(SEND));
        }
    }
    /// As [`send`](Self::send), if there is a place before `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](Error::TimedOut), with the message.
    #[track_caller]
    pub fn send_until(&self, cx: &mut ThreadCx, message: T, deadline: Instant) -> Result<(), Unsent<T>> {
        self.send_limited(cx, message, End::Back, Limits::until(deadline, SEND))
    }
    /// As [`send`](Self::send), unless the thread is interrupted before there is a place.
    ///
    /// # Errors
    /// [`Interrupted`](Error::Interrupted), with the message.
    #[track_caller]
    pub fn send_interruptible(&self, cx: &mut ThreadCx, message: T) -> Result<(), Unsent<T>> {
        self.send_limited(cx, message, End::Back, Limits::interruptible(SEND))
    }
    /// As [`send`](Self::send), if there is a place now. From any context.
    ///
    /// # Errors
    /// [`WouldBlock`](Error::WouldBlock), with the message.
    #[inline]
    pub fn try_send(&self, cx: &impl Context, message: T) -> Result<(), Unsent<T>> {
        let _ = cx;
        self.put(message, End::Back).map_err(|message| Unsent { error: Error::WouldBlock, message })
    }
    /// Puts a message before all others, waiting until there is a place. Those who wait for a place do not overtake each
    /// other: whoever is the most urgent gets it, and then its message goes to the front.
    #[track_caller]
    pub fn send_front(&self, cx: &mut ThreadCx, message: T) {
        // Without limits only a place ends the wait.
        let _ = self.send_limited(cx, message, End::Front, Limits::none(SEND));
    }
    /// As [`send_front`](Self::send_front), if there is a place before `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](Error::TimedOut), with the message.
    #[track_caller]
    pub fn send_front_until(&self, cx: &mut ThreadCx, message: T, deadline: Instant) -> Result<(), Unsent<T>> {
        self.send_limited(cx, message, End::Front, Limits::until(deadline, SEND))
    }
    /// As [`send_front`](Self::send_front), unless the thread is interrupted before there is a place.
    ///
    /// # Errors
    /// [`Interrupted`](Error::Interrupted), with the message.
    #[track_caller]
    pub fn send_front_interruptible(&self, cx: &mut ThreadCx, message: T) -> Result<(), Unsent<T>> {
        self.send_limited(cx, message, End::Front, Limits::interruptible(SEND))
    }
    /// As [`send_front`](Self::send_front), if there is a place now. From any context.
    ///
    /// # Errors
    /// [`WouldBlock`](Error::WouldBlock), with the message.
    pub fn try_send_front(&self, cx: &impl Context, message: T) -> Result<(), Unsent<T>> {
        let _ = cx;
        self.put(message, End::Front).map_err(|message| Unsent { error: Error::WouldBlock, message })
    }
    /// Puts a message behind all others in any case; if the queue is full, the first one makes room and is the answer.
    /// From any context. In a queue of one place that is a mailbox, which has the latest value.
    pub fn send_over(&self, cx: &impl Context, message: T) -> Option<T> {
        let _ = cx;
        let off = irq_flags::Off::new();
        let (displaced, receiver) = self.inner.lock_in(off.cx()).put_over(message);
        wake([None, receiver], off);
        displaced
    }

    /// Given back: there is no place.
    #[inline(always)]
    fn put(&self, message: T, end: End) -> Result<(), T> {
        let off = irq_flags::Off::new();
        let receiver = self.inner.lock_in(off.cx()).put(message, end)?;
        match receiver {
            Some(receiver) => wake([None, Some(receiver)], off),
            None => off.end(),
        }
        Ok(())
    }
    #[track_caller]
    fn send_limited(&self, cx: &mut ThreadCx, message: T, end: End, limits: Limits) -> Result<(), Unsent<T>> {
        context_check::might_sleep(cx);
        match self.put(message, end) {
            Ok(()) => Ok(()),
            Err(message) => self.wait_to_send(cx, message, end, limits),
        }
    }
    #[inline(never)]
    fn wait_to_send(&self, cx: &mut ThreadCx, message: T, end: End, limits: Limits) -> Result<(), Unsent<T>> {
        let me = Ref(thread::current());
        let parcel = Parcel::new(message, end);
        let off = irq_flags::Off::new();
        let mut inner = self.inner.lock_in(off.cx());
        if !inner.is_full() {
            // SAFETY: nobody else has seen it.
            let receiver = inner.put(unsafe { parcel.open() }, end).unwrap_or(None);
            drop(inner);
            wake([None, receiver], off);
            return Ok(());
        }
        me.waiting.begin();
        me.waiting.stand_in(Some(self));
        inner.queue_sender(me, &parcel);
        sched::set_state(limits.state());
        drop(inner);
        drop(off);
        // Moved in in the last moment, or off the list with the message: never both, never neither.
        let result = self.wait_in_list(cx, me, &limits);
        // SAFETY: not granted, and in no list any more: nobody else has taken it or will.
        let unsent = result.map_err(|error| Unsent { error, message: unsafe { parcel.open() } });
        if is_killed() {
            // Nothing unwinds: what is on this stack would not be dropped.
            drop(unsent);
            thread::exit(cx);
        }
        unsent.inspect_err(|unsent| _ = reported::<()>(Err(unsent.error)))
    }
}

/// Receiving.
impl<T: 'static, const N: usize> MessageQueue<T, N> {
    /// Takes the message that is next, waiting until there is one.
    #[inline]
    #[track_caller]
    pub fn receive(&self, cx: &mut ThreadCx) -> T {
        context_check::might_sleep(cx);
        match self.take() {
            Some(message) => message,
            None => self.wait_for_ever(cx),
        }
    }
    /// Takes the message that is next if there is one before `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](Error::TimedOut): nothing was taken.
    #[track_caller]
    pub fn receive_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<T, Error> {
        self.receive_limited(cx, Limits::until(deadline, RECEIVE))
    }
    /// Takes the message that is next unless the thread is interrupted before there is one.
    ///
    /// # Errors
    /// [`Interrupted`](Error::Interrupted): nothing was taken.
    #[track_caller]
    pub fn receive_interruptible(&self, cx: &mut ThreadCx) -> Result<T, Error> {
        self.receive_limited(cx, Limits::interruptible(RECEIVE))
    }
    /// Takes the message that is next if there is one now. From any context.
    #[inline]
    pub fn try_receive(&self, cx: &impl Context) -> Option<T> {
        let _ = cx;
        self.take()
    }
    /// Takes out and drops the messages that are there when it is called, one at a time; answers how many. Those that are
    /// promised stay, and those of waiting senders come in: they were sent later.
    pub fn purge(&self, cx: &mut ThreadCx) -> usize {
        (0..self.len()).map_while(|_| self.try_receive(cx)).count()
    }

    #[inline(always)]
    fn take(&self) -> Option<T> {
        let off = irq_flags::Off::new();
        let (message, sender) = self.inner.lock_in(off.cx()).take()?;
        match sender {
            Some(sender) => wake([None, Some(sender)], off),
            None => off.end(),
        }
        Some(message)
    }
    #[inline(never)]
    fn wait_for_ever(&self, cx: &mut ThreadCx) -> T {
        match self.wait_to_receive(cx, Limits::none(RECEIVE)) {
            Ok(message) => message,
            Err(_) => crate::report::bug!("a wait without limits ended early"),
        }
    }
    #[track_caller]
    fn receive_limited(&self, cx: &mut ThreadCx, limits: Limits) -> Result<T, Error> {
        context_check::might_sleep(cx);
        match self.take() {
            Some(message) => Ok(message),
            None => self.wait_to_receive(cx, limits),
        }
    }
    fn wait_to_receive(&self, cx: &mut ThreadCx, limits: Limits) -> Result<T, Error> {
        let me = Ref(thread::current());
        let off = irq_flags::Off::new();
        let mut inner = self.inner.lock_in(off.cx());
        if let Some((message, sender)) = inner.take() {
            drop(inner);
            wake([sender, None], off);
            return Ok(message);
        }
        me.waiting.begin();
        me.waiting.stand_in(Some(self));
        inner.queue_receiver(me);
        sched::set_state(limits.state());
        drop(inner);
        drop(off);
        // Promised in the last moment, or off the list: never both, never neither.
        let result = self.wait_in_list(cx, me, &limits);
        if is_killed() {
            if result.is_ok() {
                let off = irq_flags::Off::new();
                let next = self.inner.lock_in(off.cx()).pass_on();
                wake([None, next], off);
            }
            thread::exit(cx);
        }
        reported(result)?;
        let off = irq_flags::Off::new();
        let Some((message, let_go)) = self.inner.lock_in(off.cx()).take_promised() else {
            crate::report::bug!("a message that was promised is gone");
        };
        wake(let_go, off);
        Ok(message)
    }
}

impl<T: 'static, const N: usize> MessageQueue<T, N> {
    /// The running thread is in a list and has announced its state: until it is let go, or a limit takes it out.
    fn wait_in_list(&self, cx: &mut ThreadCx, me: Ref, limits: &Limits) -> Result<(), Error> {
        let result = until_granted(cx, limits, wait::park, |cx| {
            self.inner.with(cx, |inner, _| {
                if me.waiting.is_granted() {
                    return Given::Handed;
                }
                inner.list_of(me).remove(me);
                Given::Up
            })
        });
        me.waiting.stand_in(None);
        result
    }
}

/// Wakes those who were let go, and ends the section.
#[inline(never)]
fn wake([first, last]: LetGo, section: irq_flags::Off) {
    if let Some(first) = first {
        sched::wake_masked(first);
    }
    match last {
        Some(last) => sched::wake_last(last, section),
        None => drop(section),
    }
}
