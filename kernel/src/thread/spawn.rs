//! How does a thread begin?
use super::{
    Identity, JoinHandle, Kind, Ref, State, ThreadId, Traits,
    join::{Joiner, Packet},
    table,
};
use crate::{
    context_check,
    cx::ThreadCx,
    error::{Error, Result},
    mask, percpu, sched, stacks,
};
use alloc::{boxed::Box, sync::Arc};
use logic::{
    cpus::CpuSet,
    policy::Policy,
    slice::{self, Slice},
};

/// What a thread runs.
pub(crate) type Body = Box<dyn FnOnce(&mut ThreadCx) + Send>;

/// Smallest stack that can be asked for, in bytes: an interrupt frame and a few calls.
pub const MIN_STACK: usize = 1024;

/// A thread in the making.
#[must_use = "nothing runs until `spawn`"]
pub struct Builder<'a> {
    name: &'a str,
    policy: Policy,
    stack: usize,
    prefill: bool,
    kind: Kind,
    affinity: CpuSet,
}

impl<'a> Builder<'a> {
    /// A fair thread of this name, which is cut to 31 bytes.
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            policy: sched::NORMAL,
            stack: stacks::SIZE,
            prefill: false,
            kind: Kind::Ordinary,
            affinity: CpuSet::ALL,
        }
    }
    /// With this policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
    /// With at least this many bytes of stack, [`MIN_STACK`] to [`stacks::SIZE`].
    pub fn stack(mut self, bytes: usize) -> Self {
        self.stack = bytes;
        self
    }
    /// Whether every page of the stack is touched before the first statement.
    ///
    /// Stacks are painted when a thread is made, so this holds in any case; it is here to be asked for.
    pub fn stack_prefill(mut self, on: bool) -> Self {
        self.prefill = on;
        self
    }
    /// On these CPUs only; all of them without this.
    pub fn affinity(mut self, cpus: CpuSet) -> Self {
        self.affinity = cpus;
        self
    }
    pub(crate) fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a stack smaller than [`MIN_STACK`], or no CPU of its affinity runs. [`Error::NoResource`]: no slot, no memory, or a stack
    /// larger than there is.
    pub fn spawn<T: Send + 'static>(
        self,
        cx: &mut ThreadCx,
        body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let packet = Arc::new(Packet::new());
        let result = packet.clone();
        let id = self.begin(cx, Box::new(move |cx| result.put(body(cx))), packet.clone())?;
        Ok(JoinHandle::new(id, packet))
    }

    /// What is the same for every body.
    #[inline(never)]
    fn begin(self, cx: &mut ThreadCx, body: Body, joiner: Arc<dyn Joiner>) -> Result<ThreadId> {
        context_check::might_sleep(cx);
        table::make_room(cx);
        let thread = self.make(body)?;
        // SAFETY: not started yet.
        unsafe { *thread.joiner.get() = Some(joiner) };
        let id = thread.id();
        sched::start(thread);
        Ok(id)
    }

    /// A thread that was not started yet.
    pub(crate) fn make(self, body: Body) -> Result<Ref> {
        if self.stack < MIN_STACK || self.affinity.and(percpu::online()).is_empty() {
            return Err(Error::Invalid);
        }
        if self.stack > stacks::SIZE {
            return Err(Error::NoResource);
        }
        let (thread, index) = table::claim()?;
        let Some(stack) = stacks::get(index) else {
            table::unclaim(index);
            return Err(Error::NoResource);
        };
        stacks::paint(stack, table::PAINT);
        let id = table::number(index);
        // SAFETY: claimed and not listed: nobody else sees the thread.
        unsafe {
            *thread.identity.get() =
                Identity { id, name: table::name(self.name), stack, kind: self.kind, born: hw::clock::ticks() };
            *thread.body.get() = Some(body);
            // SAFETY (of the context): the stack belongs to this slot, whose last user has left it for good.
            thread.context.prepare(stack.0, stack.1, core::ptr::from_ref(thread.0) as usize);
        }
        thread.preempt.restore(logic::preempt::Count(0));
        thread.preempt.clear_resched();
        thread.reads.clear();
        thread.signals.store(0, hw::atomic::Ordering::Relaxed);
        thread.policy.set(self.policy);
        thread.level.set(self.policy.level());
        let full = slice::slice_ns(self.policy, sched::rr_timeslice_ms());
        thread.traits.set(if full.is_some() { Traits::SLICED } else { Traits::PLAIN });
        thread.slice.set(Slice::full(full.unwrap_or(0)));
        thread.runtime.set(0);
        thread.affinity.set(self.affinity);
        thread.pins.store(0, core::sync::atomic::Ordering::Relaxed);
        thread.set_home(percpu::any());
        thread.context.set_name(thread.name());
        // Not Dead, or nobody could find it before it runs; not Running, which would mean queued.
        thread.state.set(State::New as u32);
        table::list(thread);
        Ok(thread)
    }
}

/// Starts a fair thread; [`Builder`] has the choices.
///
/// # Errors
/// [`Error::NoResource`]: no slot or no memory.
pub fn spawn<T: Send + 'static>(
    cx: &mut ThreadCx,
    name: &str,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new(name).spawn(cx, body)
}

/// First function of every thread, interrupts masked, the run queue still locked.
#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_thread(argument: usize) -> ! {
    // SAFETY: the first thing after the switch that started this thread.
    unsafe { sched::finish_switch() };
    mask::enable();
    // SAFETY: `make` passed the address of a thread, and threads are never freed.
    let thread: &'static super::Thread = unsafe { &*(argument as *const super::Thread) };
    // SAFETY: the body is this thread's own from the moment it runs.
    let body = unsafe { (*thread.body.get()).take() };
    // SAFETY: this is the entry of a thread; interrupts are on and the preempt count is 0.
    let mut cx = unsafe { ThreadCx::new() };
    if let Some(body) = body {
        body(&mut cx);
    }
    super::exit(&mut cx)
}
