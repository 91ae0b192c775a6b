//! How does a CPU leave one thread's stack and continue another's?
//!
//! Only what a called function must preserve is saved: whoever calls [`switch`] expects the rest to be lost, and a
//! preempted thread saved the rest in its exception frame before.
use core::cell::Cell;

/// Where a thread that does not run left off: its stack pointer, below which lie x19–x30.
#[repr(C)]
pub struct Context {
    sp: Cell<usize>,
}

/// x19–x30 as `switch` stores them, lowest address first.
#[repr(C)]
struct Saved {
    x19_x28: [usize; 10],
    x29: usize,
    x30: usize,
}

impl Context {
    /// A context that was not prepared and does not run.
    pub const fn empty() -> Self {
        Self { sp: Cell::new(0) }
    }
    /// Makes the next switch to this context start `__tophalf_thread(argument)` on the given stack.
    ///
    /// # Safety
    /// The stack is mapped, writable, 16-byte aligned at its top, used by nobody else, and the context does not run.
    pub unsafe fn prepare(&self, _stack_bottom: usize, stack_top: usize, argument: usize) {
        let frame = stack_top - size_of::<Saved>();
        let mut saved = Saved { x19_x28: [0; 10], x29: 0, x30: start as *const () as usize };
        saved.x19_x28[0] = argument;
        // SAFETY: inside the stack that the caller gave away.
        unsafe { (frame as *mut Saved).write(saved) };
        self.sp.set(frame);
    }
    /// Only the simulation has a use for it.
    #[inline(always)]
    pub fn set_name(&self, _: &str) {}
    /// This context is the one that runs now.
    pub fn adopt(&self) {}
    /// Frame pointer and resume address of a context that does not run, where a backtrace starts.
    ///
    /// # Safety
    /// The context does not run and its stack is mapped.
    pub unsafe fn frame(&self) -> (usize, usize) {
        // SAFETY: `switch` or `prepare` stored a `Saved` there.
        let saved = unsafe { &*(self.sp.get() as *const Saved) };
        (saved.x29, saved.x30)
    }
}

/// Saves the running thread's state in `prev` and continues `next`.
///
/// # Safety
/// Interrupts are masked, the CPU runs `prev` on SP_EL0, `next` is prepared or was left by `switch`, and no other CPU
/// runs or picks up either of them.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(prev: &Context, next: &Context) {
    core::arch::naked_asm!(
        "stp x19, x20, [sp, #-96]!",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "mov x2, sp",
        "str x2, [x0]",
        "ldr x2, [x1]",
        "mov sp, x2",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp x19, x20, [sp], #96",
        "ret",
    )
}

/// First instructions of a new thread: the frame record chain ends here.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    core::arch::naked_asm!("mov x0, x19", "mov x29, xzr", "mov x30, xzr", "bl {thread}", "brk #1",
        thread = sym thread_entry)
}

unsafe extern "C" fn thread_entry(argument: usize) -> ! {
    // SAFETY: called once on the new thread's own stack, interrupts masked by whoever switched.
    unsafe { crate::upcall::__tophalf_thread(argument) }
}
