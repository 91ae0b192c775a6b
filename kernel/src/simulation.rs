//! How does a test boot the kernel on the simulated machine?
//!
//! ```
//! let outcome = kernel::simulation::boot(Default::default(), "", |cx| {
//!     kernel::time::sleep(cx, core::time::Duration::from_millis(3)).unwrap();
//! });
//! assert_eq!(outcome.end, hw::sim::End::Exit(0));
//! ```
use crate::{
    board::{Board, Own, Uart},
    cx::ThreadCx,
    irq::Irq,
    model::{self, Model},
};
pub use crate::{
    bugs::{Bug, turn_on},
    sync::held::most_at_once,
};
use core::cell::{Cell, RefCell};
use hw::{
    gic::{Facts, Region, V2Facts, V3Facts},
    mmio::Mmio,
    sim::{Config, Outcome},
    upcall::Boot,
};

mod last_events;

type Body = Box<dyn FnOnce(&mut ThreadCx)>;
hw::global! {
    static BODY: RefCell<Option<Body>> = RefCell::new(None);
    static EARLY: RefCell<Option<Body>> = RefCell::new(None);
    static BOOTARGS: Cell<&'static str> = Cell::new("console=semihosting");
}

const fn at(base: usize) -> Mmio {
    // SAFETY: simulated devices answer at these addresses.
    unsafe { Mmio::new(base) }
}

/// The simulated board: QEMU virt's addresses.
pub const BOARD: Board = Board {
    name: "simulation",
    gics: &[
        Facts::V3(V3Facts {
            distributor: at(0x0800_0000),
            regions: &[Region { base: at(0x080a_0000), size: 0x10_0000, stride: 0 }],
        }),
        Facts::V2(V2Facts { distributor: at(0x0800_0000), cpu_interface: at(0x0801_0000) }),
    ],
    uart: Uart { base: at(0x0900_0000), irq: Irq::spi(1), clock: 24_000_000 },
    timer: Irq::ppi(11),
    devices: &[],
    ram: 0,
    own: Own::NOTHING,
};

pub(crate) fn bootargs() -> &'static str {
    BOOTARGS.get()
}

/// Boots a machine with these boot arguments and runs `body` as its main thread; exit code 0 when that returns. The
/// order is fixed until `body` begins. The story of a run that failed ends with the kernel's last events.
pub fn boot(config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    boot_in_order(None, config, bootargs, false, body)
}

/// As [`boot`], in the machine's order from the first instruction on.
pub fn boot_interleaved(config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    boot_in_order(None, config, bootargs, true, body)
}

/// As [`boot`], with a kernel that is built for this model.
pub fn boot_model(model: Model, config: Config, bootargs: &str, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    boot_in_order(Some(model), config, bootargs, false, body)
}

/// As [`boot`]; before, `early` runs on the boot CPU, interrupts masked, as soon as there is one: no thread runs yet.
pub fn boot_early(early: impl FnOnce(&mut ThreadCx) + 'static, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let early: Body = Box::new(early);
    start(Some(early), None, Config::default(), "", false, Box::new(body))
}

fn boot_in_order(
    model: Option<Model>,
    config: Config,
    bootargs: &str,
    interleaved: bool,
    body: impl FnOnce(&mut ThreadCx) + 'static,
) -> Outcome {
    start(None, model, config, bootargs, interleaved, Box::new(body))
}

fn start(
    early: Option<Body>,
    model: Option<Model>,
    config: Config,
    bootargs: &str,
    interleaved: bool,
    body: Body,
) -> Outcome {
    let bootargs: &'static str = Box::leak(format!("console=semihosting {bootargs}").into_boxed_str());
    hw::sim::run(config, move || {
        hw::sim::on_failure(last_events::tell);
        hw::sim::interleave(interleaved);
        *EARLY.borrow_mut() = early;
        *BODY.borrow_mut() = Some(body);
        BOOTARGS.set(bootargs);
        if let Some(model) = model {
            model::build_for(model);
        }
        crate::boot::start(&Boot { device_tree: 0, entry_level: 1 }, &BOARD, main)
    })
}

/// What [`boot_early`] was given, in boot.
pub(crate) fn early() {
    let early = EARLY.borrow_mut().take();
    if let Some(early) = early {
        // SAFETY: a test of what may be called without threads; nothing that sleeps may.
        early(&mut unsafe { ThreadCx::new() });
    }
}

fn main(cx: &mut ThreadCx) -> i32 {
    let body = BODY.borrow_mut().take();
    hw::sim::interleave(true);
    if let Some(body) = body {
        body(cx);
    }
    0
}

#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_boot(_: &Boot) -> ! {
    unreachable!("the simulation enters `boot::start` itself")
}
#[unsafe(no_mangle)]
extern "Rust" fn __tophalf_fault(fault: &hw::upcall::Fault) -> ! {
    crate::report::bug!("fault in the simulation: {:?}", fault.vector)
}
