//! What do the tests have in the kernel's place? Upcalls that go to closures of the machine that runs.
use crate::upcall::{Boot, Fault, Switch};
use std::{cell::RefCell, rc::Rc};

type Vector = Rc<dyn Fn() -> bool>;
type Preempt = Rc<dyn Fn()>;
type Thread = Rc<dyn Fn(usize)>;

#[derive(Default)]
pub(crate) struct Toy {
    pub vector: RefCell<Option<Vector>>,
    pub preempt: RefCell<Option<Preempt>>,
    pub thread: RefCell<Option<Thread>>,
    pub secondary: RefCell<Option<Thread>>,
}
// SAFETY: one value a machine, and a machine is on one host thread.
unsafe impl Sync for Toy {}

crate::global! {
    /// The closures of this machine.
    pub(crate) static TOY: Toy = Toy::default();
}

/// Sets what an interrupt does; it says whether to preempt.
pub(crate) fn on_interrupt(vector: impl Fn() -> bool + 'static) {
    *TOY.vector.borrow_mut() = Some(Rc::new(vector));
}
/// Sets what secondary CPUs run, until they wait for ever.
pub(crate) fn on_secondary(body: impl Fn(usize) + 'static) {
    *TOY.secondary.borrow_mut() = Some(Rc::new(body));
}
/// Sets what contexts run, and what preemption does.
pub(crate) fn install(thread: impl Fn(usize) + 'static, preempt: impl Fn() + 'static) {
    *TOY.thread.borrow_mut() = Some(Rc::new(thread));
    *TOY.preempt.borrow_mut() = Some(Rc::new(preempt));
}

#[unsafe(no_mangle)]
fn __tophalf_boot(_: &Boot) -> ! {
    unreachable!("the simulation boots by a closure")
}
#[unsafe(no_mangle)]
fn __tophalf_secondary(cpu: usize) -> ! {
    let secondary = TOY.secondary.borrow().clone();
    secondary.expect("a secondary CPU without a body")(cpu);
    loop {
        crate::cpu::wait_for_interrupt();
    }
}
#[unsafe(no_mangle)]
extern "C-unwind" fn __tophalf_interrupt() -> Switch {
    let vector = TOY.vector.borrow().clone();
    if vector.expect("an interrupt without a vector")() {
        let preempt = TOY.preempt.borrow().clone();
        // The toys switch by themselves.
        preempt.expect("preemption without a scheduler")();
    }
    Switch { prev: std::ptr::null(), next: std::ptr::null() }
}
#[unsafe(no_mangle)]
extern "C-unwind" fn __tophalf_switched() {}
#[unsafe(no_mangle)]
fn __tophalf_thread(argument: usize) -> ! {
    let thread = TOY.thread.borrow().clone();
    thread.expect("a context without a body")(argument);
    unreachable!("a context's body returned")
}
#[unsafe(no_mangle)]
fn __tophalf_fault(_: &Fault) -> ! {
    unreachable!("the simulation has no faults")
}
