//! In which order does the kernel come up? A table of steps.
//!
//! On the boot CPU, interrupts masked, one after another; from `threads` on in a thread of its own, which then becomes the
//! application's main thread, while the boot context becomes the CPU's idle thread.
use crate::{
    bh,
    board::Board,
    bootargs::{self, Options},
    console,
    cx::ThreadCx,
    error::Result,
    irq, latency, log, mask, model, percpu, rcu, report, sched, secondary,
    sync::rtmutex,
    thread::{self, Ref},
    time,
};
use alloc::boxed::Box;
use core::time::Duration;
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    gic::Version,
    smp::Method,
    upcall::Boot,
};
use spin::Once;

/// What an application provides: runs as a thread; what it returns is the machine's exit code.
pub type Main = fn(&mut ThreadCx) -> i32;

hw::global! {
    /// Cycle counter when the first thread ran: what boot cost.
    static FIRST_THREAD: AtomicU64 = AtomicU64::new(0);
    static CPUS: AtomicU64 = AtomicU64::new(1);
    /// Nanoseconds on the clock when it was started: the counter may be older than this boot.
    static STARTED: AtomicU64 = AtomicU64::new(0);
    static BOARD: Once<&'static Board> = Once::new();
}

/// Cycles (instructions under QEMU's `-icount shift=0`) from the entry to the first thread.
pub fn cycles_to_first_thread() -> u64 {
    FIRST_THREAD.load(Relaxed)
}

/// Time since this boot.
pub fn uptime() -> Duration {
    time::now().since(time::Instant::from_ns(STARTED.load(Relaxed)))
}

/// Makes a function the machine's entry: `kernel::main!(BOARD, main)`.
#[macro_export]
macro_rules! main {
    ($board:expr, $main:expr) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn __tophalf_boot(boot: &$crate::__private::Boot) -> ! {
            $crate::boot::start(boot, &$board, $main)
        }
    };
}

/// Brings the kernel up on the boot CPU and runs `main` as a thread.
pub fn start(boot: &Boot, board: &'static Board, main: Main) -> ! {
    as_thread(secondary::adopt_cpu(0), boot, board, main)
}

// Apart, because a function may have looked before who the current thread is.
#[inline(never)]
fn as_thread(idle: Ref, boot: &Boot, board: &'static Board, main: Main) -> ! {
    percpu::go_online();
    BOARD.call_once(|| board);
    let machine = memory(boot, board);
    console::set_up(board, machine.bootargs);
    let options = bootargs::parse(machine.bootargs);
    rtmutex::set_inherits(options.inherits);
    bh::set_lock(options.bh_lock);
    CPUS.store(machine.listed as u64, Relaxed);
    step("clock", time::start());
    STARTED.store(time::now().as_ns(), Relaxed);
    step("interrupt controller", irq::start(board, machine.gic, options.end));
    irq::enable_private();
    step("threads", first_thread(board, options, machine, main));
    mask::enable();
    sched::adopt_idle_loop(idle)
}

fn step(name: &str, result: Result<()>) {
    if let Err(error) = result {
        report::bug!("boot step {} failed: {}", name, error);
    }
}

/// What boot knows of the machine.
struct Found {
    bootargs: &'static str,
    /// Packed affinities of the CPUs that could run.
    cpus: heapless::Vec<u64, { percpu::MAX_CPUS }>,
    /// CPUs that there are.
    listed: usize,
    /// How firmware starts CPUs.
    method: Option<Method>,
    /// The interrupt controller's version, where it is said.
    gic: Option<Version>,
}

/// Maps devices, stacks and heap; reads the device tree.
#[cfg(target_os = "none")]
fn memory(boot: &Boot, board: &'static Board) -> Found {
    use crate::{device_tree, heap, stacks};
    use hw::aarch64::mmu::{self, BLOCK, Kind, PAGE};
    /// What is assumed without a device tree.
    const LEAST_RAM: usize = 64 << 20;
    const SETUP_HEAP: usize = 1 << 20;

    for &(start, bytes) in board.devices {
        // SAFETY: the board's devices, each once.
        unsafe { mmu::map(start, bytes, Kind::Device) };
    }
    // SAFETY: the entry code mapped the tree.
    let machine = unsafe { device_tree::read(boot.device_tree) };
    let (ram_end, tree) = match &machine {
        Some(m) => (m.ram.0 + m.ram.1, m.tree.0),
        None => (board.ram + LEAST_RAM, 0),
    };
    // SAFETY: RAM behind the image, and in front of the device tree if that lies there: nobody's.
    let stacks_end = unsafe { stacks::map(mmu::image_end()) };
    let end = if tree >= stacks_end { tree & !(BLOCK - 1) } else { ram_end & !(PAGE - 1) };
    if end < stacks_end + 2 * SETUP_HEAP {
        // Nothing can be printed yet that would need memory; the report does not.
        console::set_up(board, "");
        report::bug!("not enough memory: RAM ends at {:#x}, stacks at {:#x}", end, stacks_end);
    }
    // SAFETY: as above; mapped here, given away once.
    unsafe {
        mmu::map(stacks_end, end - stacks_end, Kind::Data);
        heap::start(stacks_end, SETUP_HEAP, end);
    }
    if let Some(method) = machine.as_ref().and_then(|m| m.method) {
        hw::power::firmware(method);
    }
    match machine {
        Some(m) => Found { bootargs: m.bootargs, cpus: m.cpus, listed: m.listed, method: m.method, gic: m.gic },
        None => Found { bootargs: "", cpus: heapless::Vec::new(), listed: 1, method: None, gic: None },
    }
}

/// The simulated machine has the host's memory; its boot arguments are the test's.
#[cfg(not(target_os = "none"))]
fn memory(_: &Boot, _: &'static Board) -> Found {
    let cpus: heapless::Vec<u64, _> = hw::sim::affinities().into_iter().take(percpu::MAX_CPUS).collect();
    let listed = cpus.len();
    crate::simulation::early();
    let (bootargs, method, gic) = (crate::simulation::bootargs(), Some(Method::PsciHvc), Some(hw::sim::gic_version()));
    Found { bootargs, cpus, listed, method, gic }
}

fn first_thread(board: &'static Board, options: Options, machine: Found, main: Main) -> Result<()> {
    let body = Box::new(move |cx: &mut ThreadCx| {
        FIRST_THREAD.store(hw::clock::cycles(), Relaxed);
        step("services", services(cx, board, options, &machine));
        #[cfg(target_os = "none")]
        crate::heap::set_up_done();
        let code = main(cx);
        log::flush(cx);
        report::end(code)
    });
    let thread = thread::Builder::new("main").make(body)?;
    #[cfg(target_os = "none")]
    crate::heap::threads_run();
    sched::start(thread);
    Ok(())
}

/// What needs a thread to be set up.
fn services(cx: &mut ThreadCx, board: &'static Board, options: Options, machine: &Found) -> Result<()> {
    irq::request_timer(cx, board.timer)?;
    irq::set_detector(options.detector);
    irq::set_debug_shirq(options.debug_shirq);
    if options.threadirqs {
        irq::force_threads();
    }
    log::set_level(options.level);
    irq::start_reaper(cx)?;
    rcu::start(cx)?;
    secondary::start(cx, &machine.cpus, machine.method);
    rcu::start_callbacks(cx)?;
    #[cfg(target_os = "none")]
    record_boot(cx, board);
    console::start(cx, board)?;
    latency::tell::booted();
    Ok(())
}

/// What `dmesg` begins with; too early for the console.
#[cfg(target_os = "none")]
fn record_boot(cx: &mut ThreadCx, board: &Board) {
    let (_, heap) = crate::heap::usage(cx);
    log::info!(
        "booted on {}: {} with {} lines, clock at {} Hz, heap of {} KiB, {} thread slots",
        board.name,
        irq::gic().version().name(),
        irq::gic().lines(),
        hw::clock::frequency(),
        heap.total as u64 / 1024,
        thread::MAX_THREADS as u64
    );
}

/// The banner: version, board, interrupt controller, CPUs, preemption model.
pub fn banner(cx: &mut ThreadCx) {
    let board: &Once<&'static Board> = &BOARD;
    let cpus = CPUS.load(Relaxed);
    crate::println!(
        cx,
        "Tophalf {} on {}, {}, {} CPU{} ({} online), model {}",
        env!("CARGO_PKG_VERSION"),
        board.get().map_or("?", |b| b.name),
        irq::gic().version().name(),
        cpus,
        if cpus == 1 { "" } else { "s" },
        percpu::online().count(),
        model::current().name()
    );
}
