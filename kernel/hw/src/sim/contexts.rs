//! How does a simulated CPU leave one thread's stack and continue another's? Every context is a coroutine.
//!
//! Only the host loop ([`run`](super::run())) resumes coroutines. A context that switches names its successor in the
//! CPU's record and suspends; so does one that waits for an interrupt, naming itself.
use super::{
    machine::{Machine, current, machine},
    point,
};
use crate::upcall;
use corosensei::{Coroutine, Yielder, stack::DefaultStack};
use std::{
    cell::{Cell, RefCell},
    ptr::null,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

type Routine = Coroutine<(), (), (), DefaultStack>;

/// A context of a machine: the machine's number and the record's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Id(u64);

impl Id {
    pub const NONE: Id = Id(0);
    const RECORD_BITS: u32 = 24;

    fn new(machine: &Machine, record: usize) -> Self {
        assert!(record < 1 << Self::RECORD_BITS, "too many contexts");
        Self(machine.id << Self::RECORD_BITS | record as u64)
    }
    fn record(self) -> usize {
        (self.0 & ((1 << Self::RECORD_BITS) - 1)) as usize
    }
    fn machine(self) -> u64 {
        self.0 >> Self::RECORD_BITS
    }
}

/// A coroutine; `None` while it is the one that runs.
struct Record {
    name: RefCell<String>,
    routine: Option<Routine>,
    yielder: Cell<*const Yielder<(), ()>>,
}

#[derive(Default)]
pub(super) struct Contexts {
    records: RefCell<Vec<Record>>,
    unused: RefCell<Vec<usize>>,
}

thread_local! {
    /// Stacks of dead contexts with their sizes, for the next machine on this host thread: mapping one costs more than
    /// most runs.
    static STACKS: RefCell<Vec<(usize, DefaultStack)>> = const { RefCell::new(Vec::new()) };
}
/// Stacks kept for the next machine.
const KEPT_STACKS: usize = 256;

fn stack(size: usize) -> DefaultStack {
    let kept = STACKS.with_borrow_mut(|all| {
        let at = all.iter().rposition(|(s, _)| *s == size)?;
        Some(all.swap_remove(at).1)
    });
    kept.unwrap_or_else(|| DefaultStack::new(size).expect("no memory for a context's stack"))
}

/// Ends a coroutine where it stands and keeps its stack.
fn reset(mut routine: Routine, size: usize) {
    // SAFETY: nothing borrowed from that stack is used again: kernel contexts share statics and heap only. Not
    // unwinding is the point: destructors would call into the kernel from a thread that is no more.
    unsafe { routine.force_reset() };
    STACKS.with_borrow_mut(|all| {
        if all.len() < KEPT_STACKS {
            all.push((size, routine.into_stack()));
        }
    });
}

impl Contexts {
    /// A context that will run `entry`, in `old`'s place if that is a record.
    fn prepare(&self, machine: &Machine, old: Option<usize>, entry: impl FnOnce() + 'static) -> usize {
        let size = machine.config.context_stack;
        let unused = || self.unused.borrow_mut().pop();
        let at = old.or_else(unused).unwrap_or_else(|| {
            let mut records = self.records.borrow_mut();
            records.push(Record { name: RefCell::default(), routine: None, yielder: Cell::new(null()) });
            records.len() - 1
        });
        if let Some(dead) = self.records.borrow_mut()[at].routine.take() {
            reset(dead, size);
        }
        let routine = Routine::with_stack(stack(size), move |yielder, ()| {
            self::machine().contexts.records.borrow()[at].yielder.set(yielder);
            entry();
        });
        self.records.borrow_mut()[at].routine = Some(routine);
        at
    }

    /// Continues a context until it leaves. On the host's stack only.
    pub fn resume(&self, id: Id) {
        let at = id.record();
        let taken = self.records.borrow_mut()[at].routine.take();
        let mut routine = taken.unwrap_or_else(|| panic!("context {at} is live on two CPUs"));
        assert!(!routine.done(), "context {at} is continued after its entry function returned");
        routine.resume(());
        self.records.borrow_mut()[at].routine = Some(routine);
    }

    /// Leaves the running stack; comes back when a CPU that names this context goes on.
    fn leave(&self, id: Id) {
        let yielder = self.records.borrow()[id.record()].yielder.get();
        // SAFETY: the running coroutine's own yielder, alive as long as its stack.
        unsafe { (*yielder).suspend(()) }
    }

    /// What a context is called, for reports.
    pub fn name(&self, id: Id) -> String {
        let records = self.records.borrow();
        let record = records.get(id.record()).filter(|_| id != Id::NONE);
        record.map(|record| record.name.borrow().clone()).filter(|name| !name.is_empty()).unwrap_or("boot".into())
    }

    /// Ends every context where it stands.
    pub fn forget(&self, size: usize) {
        for record in self.records.borrow_mut().drain(..) {
            record.routine.into_iter().for_each(|routine| reset(routine, size));
        }
    }
}

impl Machine {
    /// Gives a CPU its first context.
    pub fn start_cpu(&self, cpu: usize, entry: impl FnOnce() + 'static) {
        let at = self.contexts.prepare(self, None, entry);
        self.cpus[cpu].runs.set(Id::new(self, at));
        self.cpus[cpu].online.set(true);
    }
    /// Leaves the running context without naming another one.
    pub fn leave(&self) {
        self.contexts.leave(self.cpu().runs.get());
    }
    /// Leaves the running context of a machine that has ended.
    pub fn leave_for_good(&self) -> ! {
        loop {
            self.leave();
        }
    }
    fn runs(&self, id: Id) -> bool {
        self.cpus.iter().any(|cpu| cpu.runs.get() == id)
    }
}

/// What a CPU continues when it is switched to.
pub struct Context {
    id: AtomicU64,
}

impl Context {
    /// A context that cannot be switched to before [`prepare`](Self::prepare) or [`adopt`](Self::adopt).
    pub const fn empty() -> Self {
        Self { id: AtomicU64::new(0) }
    }

    fn id(&self) -> Id {
        Id(self.id.load(Relaxed))
    }
    /// The record that this context has in `machine`.
    fn record(&self, machine: &Machine) -> Option<usize> {
        let id = self.id();
        if id == Id::NONE {
            return None;
        }
        assert_eq!(id.machine(), machine.id, "a context of another machine: is it in a `global!`?");
        Some(id.record())
    }

    /// Makes the next switch to this context start `__tophalf_thread(argument)`, interrupts masked. The stack is the
    /// simulation's own; the kernel's stays untouched. What the context ran before is dead and does not run on a CPU.
    ///
    /// # Safety
    /// Nothing uses what lived on the stack that this context had before.
    pub unsafe fn prepare(&self, _stack_bottom: usize, _stack_top: usize, argument: usize) {
        let machine = machine();
        let old = self.record(machine);
        assert!(old.is_none() || !machine.runs(self.id()), "prepare: the context runs on a CPU");
        let at = machine.contexts.prepare(machine, old, move || {
            // SAFETY: the kernel is linked in; `switch` is called with interrupts masked.
            unsafe { upcall::__tophalf_thread(argument) }
        });
        self.id.store(Id::new(machine, at).0, Relaxed);
    }

    /// What reports call it, from when it was prepared or adopted on.
    pub fn set_name(&self, name: &str) {
        let machine = machine();
        if let Some(record) = self.record(machine) {
            machine.contexts.records.borrow()[record].name.replace(name.to_owned());
        }
    }

    /// Makes this context the one that is running.
    pub fn adopt(&self) {
        let machine = machine();
        assert!(self.id() == Id::NONE, "adopt: the context is one already");
        self.id.store(machine.cpu().runs.get().0, Relaxed);
    }
}

impl Drop for Context {
    /// Gives the coroutine's stack back; a context of a machine that has ended has none.
    fn drop(&mut self) {
        let (id, Some(machine)) = (self.id(), current()) else { return };
        if id == Id::NONE || id.machine() != machine.id || machine.runs(id) {
            return;
        }
        let dead = machine.contexts.records.borrow_mut()[id.record()].routine.take();
        if let Some(dead) = dead {
            reset(dead, machine.config.context_stack);
            machine.contexts.unused.borrow_mut().push(id.record());
        }
    }
}

/// Leaves `prev` and continues `next`; returns when somebody switches back to `prev`, on whatever CPU.
///
/// # Safety
/// Called with interrupts masked; `prev` is the running context, `next` is prepared or was switched from, and runs
/// on no CPU. (The simulation checks all of this.)
#[track_caller]
pub unsafe fn switch(prev: &Context, next: &Context) {
    let machine = machine();
    let (from, to) = (prev.id(), next.id());
    let cpu = machine.cpu();
    assert!(cpu.masked.get(), "switch: interrupts are not masked");
    // Until the stack is left others may do something, and must not do it to this context.
    point();
    assert!(cpu.runs.get() == from, "switch: prev is not what runs here");
    assert!(next.record(machine).is_some(), "switch: next was never prepared");
    assert!(!machine.runs(to), "switch: context {} would run on two CPUs", to.record());
    assert!(!std::thread::panicking(), "switch: from a destructor that runs because of a panic");
    machine.switches.set(machine.switches.get() + 1);
    machine.step_ends(std::panic::Location::caller(), super::steps::Why::Switches);
    machine.schedule.switching();
    cpu.runs.set(to);
    machine.contexts.leave(from);
}
