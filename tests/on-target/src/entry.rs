//! How does the image get from its entry to the test? Past a look at the machine that no driver has touched yet.
use crate::{board, bound, facts, table};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::{
    aarch64::mmu::{self, Kind},
    upcall::Boot,
};
use kernel::{ThreadCx, board::Board, console::Writer, latency, percpu};

/// "Command line usage error" of sysexits.h: there is no such test.
const NO_SUCH_TEST: i32 = 64;
/// Longer than any test's name.
const NAME_BYTES: usize = 128;

/// The devices are mapped here, before the kernel's boot.
static BOARD: Board = Board { devices: &[], ..board::BOARD };
static ENTRY_LEVEL: AtomicU64 = AtomicU64::new(0);

/// The exception level that the loader entered the image at.
pub fn level() -> u64 {
    ENTRY_LEVEL.load(Relaxed)
}

#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_boot(boot: &Boot) -> ! {
    for &(start, bytes) in board::BOARD.devices {
        // SAFETY: the board's devices, each once: `BOARD` has none left for the kernel.
        unsafe { mmu::map(start, bytes, Kind::Device) };
    }
    facts::look_at_reset();
    ENTRY_LEVEL.store(boot.entry_level, Relaxed);
    kernel::boot::start(boot, &BOARD, main)
}

fn main(cx: &mut ThreadCx) -> i32 {
    let mut buffer = [0; NAME_BYTES];
    let name = kernel::bootargs::value("test", &mut buffer).unwrap_or_default();
    let Some(test) = table::find(name) else {
        kernel::println!(cx, "no test is called \"{name}\"");
        return NO_SUCH_TEST;
    };
    kernel::println!(cx, "test {name}");
    let _bound = bound::start(cx, test.name());
    // From the end of boot to the end of the test, or to the report that stops the machine, every section of the kernel counts.
    // Several CPUs take turns on the counter, so a section of one would have the others' instructions in it.
    let counts = percpu::online().count() == 1;
    if counts {
        board::park_others(cx);
        latency::say_at_stop();
    }
    test.run(cx);
    let mut out = Writer::new(cx);
    if counts {
        let _ = latency::print(&mut out);
    }
    let _ = latency::print_places(&mut out);
    0
}
