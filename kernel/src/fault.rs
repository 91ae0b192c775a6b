//! What does the kernel say when the CPU stops at an instruction it cannot execute?
//!
//! One report: what happened, where, which thread, all registers, and the calls that led there. Then the machine stops. A fault
//! while reporting stops it at once; one on another CPU leaves the report alone.
use crate::{ipi, report, sched, stacks, thread};
use aarch64_esr::Cause;
use core::fmt::Write;
use hw::{
    aarch64::{
        cpu_stacks::{self, Stack},
        mmu,
    },
    upcall::Fault,
};

mod aarch64_esr;

/// Frames of a backtrace.
const DEPTH: usize = 32;

#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_fault(fault: &Fault) -> ! {
    if hw::power::is_ending() {
        hw::cpu::halt();
    }
    let running = report::begin_stop();
    let out = &mut report::Text;
    let cause = Cause::of(fault);
    let guard = cause.is_abort().then(|| Guard::of(fault.far as usize)).flatten();
    let me = thread::current();
    let _ = write!(out, "\nBUG: ");
    let _ = match guard {
        Some(Guard::Thread) => write!(out, "stack overflow of thread {} ({})", me.id(), me.name()),
        Some(Guard::Cpu(cpu, which)) => {
            write!(out, "stack overflow of CPU {cpu}, {which}, in thread {} ({})", me.id(), me.name())
        }
        None => write!(out, "{cause} in thread {} ({})", me.id(), me.name()),
    };
    let _ = writeln!(
        out,
        " on CPU {}\n  FAR={:#x} ESR={:#x} ELR=[<{:#018x}>] SPSR={:#x} SP={:#x} vector {}, preempt count {:#x}",
        report::this_cpu(),
        fault.far,
        fault.esr,
        fault.elr,
        fault.spsr,
        fault.sp,
        fault.vector,
        me.preempt.count().0
    );
    for (n, chunk) in fault.x.chunks(4).enumerate() {
        for (m, value) in chunk.iter().enumerate() {
            let _ = write!(out, "  x{:<2} {value:016x}", 4 * n + m);
        }
        let _ = writeln!(out);
    }
    report::name_running(out, running);
    let _ = writeln!(out, "backtrace:");
    frame(out, 0, fault.elr as usize);
    walk(out, 1, fault.x[29] as usize);
    report::stop(running)
}

/// Whose stack a guard page is for.
enum Guard {
    Thread,
    Cpu(usize, &'static str),
}

impl Guard {
    fn of(address: usize) -> Option<Self> {
        if stacks::guard(address).is_some() {
            return Some(Self::Thread);
        }
        let (cpu, stack) = cpu_stacks::guard(address)?;
        let which = match stack {
            Stack::Interrupt => "interrupt stack",
            Stack::Boot => "idle stack",
            Stack::Fault => "fault stack",
        };
        Some(Self::Cpu(cpu, which))
    }
}

fn frame(out: &mut report::Text, n: usize, address: usize) {
    let _ = writeln!(out, "  #{n:<2} [<{address:#018x}>]");
}

/// Why a chain of frame records ends.
enum End {
    /// At the thread's first function.
    Root,
    /// A frame pointer that leads nowhere.
    Frame(usize),
    /// A return address that leads nowhere.
    Return(usize),
    /// After [`DEPTH`] frames.
    Deep,
}
impl End {
    fn note(&self, out: &mut report::Text) {
        let _ = match self {
            End::Root => Ok(()),
            End::Frame(fp) => writeln!(out, "  (frame pointer {fp:#x} is not on a stack)"),
            End::Return(address) => writeln!(out, "  (return address {address:#x} is not code)"),
            End::Deep => writeln!(out, "  (more than {DEPTH} frames)"),
        };
    }
}

/// Follows frame records from `fp` on: pairs of the caller's frame pointer and the return address. Hands out the addresses.
fn follow(first: usize, mut fp: usize, mut each: impl FnMut(usize, usize)) -> End {
    for n in first..DEPTH {
        if fp == 0 {
            return End::Root;
        }
        if !fp.is_multiple_of(16) || !is_stack(fp) {
            return End::Frame(fp);
        }
        // SAFETY: an aligned address on a mapped stack.
        let (caller, address) =
            unsafe { ((fp as *const usize).read_volatile(), (fp as *const usize).add(1).read_volatile()) };
        if address == 0 {
            return End::Root;
        }
        if !mmu::is_code(address) {
            return End::Return(address);
        }
        each(n, address);
        fp = caller;
    }
    End::Deep
}

fn walk(out: &mut report::Text, first: usize, fp: usize) {
    follow(first, fp, |n, address| frame(out, n, address)).note(out);
}

/// Whether a frame record can lie here.
fn is_stack(at: usize) -> bool {
    cpu_stacks::contains(at) || stacks::contains(at)
}

/// The calls that led here, for BUGs and panics.
#[inline(never)]
pub(crate) fn backtrace_here() {
    let fp: usize;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, x29", out(reg) fp, options(nomem, nostack)) };
    let out = &mut report::Text;
    let _ = writeln!(out, "backtrace:");
    walk(out, 0, fp);
}

/// The calls that the thread is in that this CPU's interrupt has interrupted.
pub(crate) fn backtrace_interrupted(out: &mut report::Text) {
    walk(out, 0, hw::aarch64::interrupted());
}

fn heading(out: &mut report::Text, thread: thread::Ref) {
    let _ = writeln!(out, "backtrace of thread {} ({}):", thread.id(), thread.name());
}

/// The calls that a thread is in, printed at once. Of one that runs on another CPU, that CPU tells.
///
/// # Errors
/// [`NotFound`](crate::Error::NotFound): no such live thread.
pub fn backtrace_of(cx: &mut crate::ThreadCx, id: thread::ThreadId) -> crate::Result<()> {
    if id == thread::current_id() {
        report::whole(|out| {
            heading(out, thread::Ref(thread::current()));
            backtrace_here();
        });
        return Ok(());
    }
    if let Err(cpu) = backtrace_suspended(id)? {
        if let Some(thread) = thread::table::find(id) {
            report::whole(|out| heading(out, thread));
        }
        ipi::backtrace(cx, crate::CpuSet::of(cpu));
    }
    Ok(())
}

/// As [`backtrace_of`], from any context; if it runs, the answer is the number of its CPU, and nothing is printed.
pub(crate) fn backtrace_suspended(id: thread::ThreadId) -> crate::Result<core::result::Result<(), usize>> {
    // Its slot is not used again meanwhile.
    let _reader = crate::rcu::section();
    let thread = thread::table::find(id).ok_or(crate::Error::NotFound)?;
    // Printing takes long: the addresses are collected before.
    let mut addresses = heapless::Vec::<usize, DEPTH>::new();
    let followed = sched::while_suspended(thread, || {
        // SAFETY: it does not run, and its stack stays mapped.
        let (fp, pc) = unsafe { thread.context.frame() };
        // There is room for as many as are handed out.
        let _ = addresses.push(pc);
        follow(1, fp, |_, address| _ = addresses.push(address))
    });
    Ok(followed.map(|end| {
        report::whole(|out| {
            heading(out, thread);
            addresses.iter().enumerate().for_each(|(n, &address)| frame(out, n, address));
            end.note(out);
        });
    }))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let unknown = core::panic::Location::caller();
    match info.location() {
        Some(site) => report::bug_stop("PANIC", format_args!("{}", info.message()), site),
        None => report::bug_stop("PANIC", format_args!("{}", info.message()), unknown),
    }
}
