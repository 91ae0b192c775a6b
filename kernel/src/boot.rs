//! In which order does the kernel come up? A table of steps.
//!
//! On the boot CPU, interrupts masked, one after another; from `threads` on in a thread of its own, which then becomes the
//! application's main thread, while the boot context becomes the CPU's idle thread.
use crate::{
    bh,
    board::{Board, Cpu},
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
    let options = bootargs::parse(machine.bootargs, board.own.bootargs);
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
    /// The CPUs that could run.
    cpus: heapless::Vec<Cpu, { percpu::MAX_CPUS }>,
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
    use crate::{
        device_tree::{self, Machine},
        heap,
        memory::{Free, take},
        stacks,
    };
    use hw::aarch64::mmu::{self, Kind, PAGE};
    const SETUP_HEAP: usize = 1 << 20;

    for &(start, bytes) in board.devices {
        // SAFETY: the board's devices, each once.
        unsafe { mmu::map(start, bytes, Kind::Device) };
    }
    // SAFETY: the entry code mapped the tree.
    let Machine { mut free, cpus, listed, method, gic, bootargs } = unsafe { device_tree::read(boot.device_tree) }
        .unwrap_or_else(|| {
            let me = Cpu { affinity: hw::cpu::affinity(), release: 0 };
            let cpus: heapless::Vec<Cpu, _> = core::iter::once(me).chain(board.own.cpus.iter().copied()).collect();
            Machine { free: Free::new(), listed: cpus.len(), cpus, method: None, gic: None, bootargs: "" }
        });
    if free.iter().next().is_none() {
        free.add(board.ram, board.ram + (board.own.memory)());
    }
    let devices = board.devices.iter().map(|&(start, bytes)| (start, start + bytes));
    // Page 0 stays unmapped, so that who follows a null pointer is found; the others are not for everybody either.
    let used = devices.chain([(0, PAGE)]).chain(cpus.iter().map(|cpu| (cpu.release, cpu.release + 1)));
    used.for_each(|(start, end)| take(&mut free, start, end));
    let (arena, stacks_end) = (mmu::image_end(), mmu::image_end() + stacks::BYTES);
    // The loader has put the image there, and may have put something else behind it.
    if !free.contains(arena, stacks_end) {
        console::set_up(board, "");
        report::bug!("the image ends at {:#x}, and memory up to {:#x}, for stacks, is not free", arena, stacks_end);
    }
    // SAFETY: RAM that nobody has.
    unsafe { stacks::map(arena) };
    take(&mut free, mmu::image_start(), stacks_end);
    for (start, end) in free.iter() {
        // SAFETY: RAM that nobody has, each page once.
        unsafe { mmu::map(start, end - start, Kind::Data) };
    }
    let Some(setup) = free.take(SETUP_HEAP) else {
        // Nothing can be printed yet that would need memory; the report does not.
        console::set_up(board, "");
        report::bug!("not enough memory: there is no free MiB, image and stacks end at {:#x}", stacks_end);
    };
    // SAFETY: mapped above, given away once.
    unsafe { heap::start(setup, SETUP_HEAP, free.iter()) };
    if let Some(method) = method {
        hw::power::firmware(method);
    }
    Found { bootargs, cpus, listed, method, gic }
}

/// The simulated machine has the host's memory; its boot arguments are the test's.
#[cfg(not(target_os = "none"))]
fn memory(_: &Boot, _: &'static Board) -> Found {
    let affinities = hw::sim::affinities().into_iter().take(percpu::MAX_CPUS);
    let cpus: heapless::Vec<Cpu, _> = affinities.map(|affinity| Cpu { affinity, release: 0 }).collect();
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
    secondary::start(cx, &machine.cpus, machine.method, &board.own);
    rcu::start_callbacks(cx)?;
    #[cfg(target_os = "none")]
    record_boot(cx, board);
    console::start(cx, board)?;
    (board.own.services)(cx);
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

/// Lines that nothing is connected to on this board.
pub fn spare_lines() -> impl Iterator<Item = u32> {
    let board: &Once<&'static Board> = &BOARD;
    board.get().into_iter().flat_map(|board| board.own.spare.iter().cloned().flatten())
}

/// Restarts the machine, as the board does it or else by PSCI.
pub fn restart() -> ! {
    let board: &Once<&'static Board> = &BOARD;
    if let Some(restart) = board.get().and_then(|board| board.own.restart) {
        restart();
    }
    hw::power::reset()
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
