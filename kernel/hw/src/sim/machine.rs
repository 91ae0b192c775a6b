//! What is a simulated machine made of, and which one runs on this host thread?
use super::{
    Config, End,
    contexts::{Contexts, Id},
    device::Devices,
    events::Queue,
    gic::Gic,
    global::Values,
    log::Log,
    pl011::Pl011,
    schedule::Schedule,
    steps::Steps,
    timer::Timer,
};
use std::{
    cell::{Cell, RefCell},
    ptr::{null, null_mut},
    sync::atomic::{AtomicU64, Ordering},
};

/// A CPU: a record that names the context it runs.
pub(super) struct Cpu {
    /// The context that this CPU executes. No two CPUs name the same.
    pub runs: Cell<Id>,
    /// Whether it was started and has not halted.
    pub online: Cell<bool>,
    /// Whether it waits for an interrupt.
    pub asleep: Cell<bool>,
    /// Until when it is busy with what takes time.
    pub busy: Cell<Option<u64>>,
    /// Whether that is a spin hint: it is in the middle of something.
    pub spins: Cell<bool>,
    /// Whether interrupts are masked (`DAIF.I`).
    pub masked: Cell<bool>,
    /// Whether it serves an interrupt.
    pub in_interrupt: Cell<bool>,
    /// Whether its interface signals an interrupt; follows the interrupt controller's state.
    pub signalled: Cell<bool>,
    /// `TPIDR_EL1`.
    pub current: Cell<*const ()>,
    /// `TPIDR_EL0`.
    pub local: Cell<*const ()>,
    pub affinity: u32,
    pub timer: Timer,
}

impl Cpu {
    /// Whether it waits for an interrupt, or is busy with its thread's own work.
    fn rests(&self) -> bool {
        self.asleep.get() || self.busy.get().is_some() && !self.spins.get()
    }
}

/// Points are counted down to the next number of points at which somebody wants to act, so that a point at which
/// nothing is due is a decrement and two tests.
pub(super) struct Points {
    /// Points left until `granted`; never 0 outside `point`.
    pub left: Cell<u64>,
    /// Number of points at which somebody acts next.
    pub granted: Cell<u64>,
    /// Something is due at the next point already: an event, an interrupt, the end.
    pub attention: Cell<bool>,
}

pub(super) struct Machine {
    pub points: Points,
    /// The CPU that is executing. Nobody may keep `cpu()` across a point.
    pub here: Cell<usize>,
    pub cpus: Vec<Cpu>,
    pub globals: Values,
    pub id: u64,
    pub config: Config,
    pub schedule: Schedule,
    pub steps: Steps,
    pub contexts: Contexts,
    /// Virtual time in ns.
    pub now: Cell<u64>,
    pub queue: Queue,
    pub gic: RefCell<Gic>,
    pub uart: RefCell<Pl011>,
    pub devices: RefCell<Devices>,
    pub log: Log,
    pub console: RefCell<Vec<u8>>,
    pub end: RefCell<Option<End>>,
    /// Device-side code is running: its points are none.
    pub device_side: Cell<bool>,
    pub switches: Cell<u64>,
    pub interrupts: Cell<u64>,
    /// What the kernel has to say of a run that failed.
    pub obituary: Cell<Option<fn() -> String>>,
}

thread_local! {
    static MACHINE: Cell<*const Machine> = const { Cell::new(null()) };
}

/// The machine of this host thread, if one runs.
#[inline]
pub(super) fn current() -> Option<&'static Machine> {
    // SAFETY: set by `Entered`, which outlives every use: contexts are dead before it is dropped, and nothing else
    // keeps the reference.
    unsafe { MACHINE.get().as_ref() }
}

/// The machine of this host thread.
#[inline]
#[track_caller]
pub(super) fn machine() -> &'static Machine {
    match current() {
        Some(machine) => machine,
        None => no_machine(),
    }
}

#[cold]
#[track_caller]
fn no_machine() -> ! {
    panic!("no simulated machine runs on this host thread: wrap the test in sim::run")
}

/// Makes a machine the one of this host thread for as long as this lives.
pub(super) struct Entered;

impl Entered {
    pub fn new(machine: &Machine) -> Self {
        assert!(MACHINE.get().is_null(), "a simulated machine runs on this host thread already");
        MACHINE.set(machine);
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        MACHINE.set(null());
    }
}

impl Machine {
    pub fn new(config: Config) -> Box<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        config.check();
        let cpu = |n| Cpu {
            runs: Cell::new(Id::NONE),
            online: Cell::new(n == config.boot_cpu),
            asleep: Cell::new(false),
            busy: Cell::new(None),
            spins: Cell::new(false),
            masked: Cell::new(true),
            in_interrupt: Cell::new(false),
            signalled: Cell::new(false),
            current: Cell::new(null_mut()),
            local: Cell::new(null_mut()),
            affinity: config.affinity(n),
            timer: Timer::default(),
        };
        Box::new(Self {
            points: Points {
                left: Cell::new(config.point_budget),
                granted: Cell::new(config.point_budget),
                attention: Cell::new(false),
            },
            here: Cell::new(config.boot_cpu),
            cpus: (0..config.cpus).map(cpu).collect(),
            globals: Values::default(),
            id: IDS.fetch_add(1, Ordering::Relaxed),
            schedule: Schedule::new(&config.order, config.cpus),
            steps: Steps::default(),
            contexts: Contexts::default(),
            now: Cell::new(0),
            queue: Queue::default(),
            gic: RefCell::new(Gic::new(&config)),
            uart: RefCell::new(Pl011::new(config.uart_clock)),
            devices: RefCell::default(),
            log: Log::new(config.log_registers),
            console: RefCell::default(),
            end: RefCell::default(),
            device_side: Cell::new(false),
            switches: Cell::new(0),
            interrupts: Cell::new(0),
            obituary: Cell::new(None),
            config,
        })
    }

    /// The CPU that is executing.
    #[inline]
    pub fn cpu(&self) -> &Cpu {
        &self.cpus[self.here.get()]
    }

    /// Changes the interrupt controller, then looks which CPUs it signals.
    pub fn change_gic<R>(&self, change: impl FnOnce(&mut Gic) -> R) -> R {
        let mut gic = self.gic.borrow_mut();
        let result = change(&mut gic);
        let mut awakened = false;
        for (n, cpu) in self.cpus.iter().enumerate() {
            awakened |= !cpu.signalled.replace(gic.signals(n)) && cpu.signalled.get() && n != self.here.get();
        }
        drop(gic);
        if awakened {
            self.awakened();
        }
        self.look();
        result
    }

    /// Whether a CPU has something to do at this moment: it does not wait, or what it waits for has come.
    pub fn can_go_on(&self, n: usize) -> bool {
        let cpu = &self.cpus[n];
        let interrupt = cpu.signalled.get();
        cpu.online.get()
            && (!cpu.asleep.get() || interrupt)
            && cpu.busy.get().is_none_or(|until| until <= self.now.get() || interrupt && !cpu.masked.get())
    }

    /// Whether a CPU is in a spin hint: it may look again at any moment at what it spins for, though that is no reason for
    /// anybody else to wait. With interrupts masked it spins for a lock, and sees nothing new until that is released.
    pub fn can_look_again(&self, n: usize) -> bool {
        let cpu = &self.cpus[n];
        cpu.busy.get().is_some() && cpu.spins.get() && !cpu.masked.get()
    }

    /// Whether every CPU waits for an interrupt or is busy with its thread's own work: none is in the middle of something.
    pub fn is_at_rest(&self) -> bool {
        self.cpus.iter().all(|cpu| !cpu.online.get() || cpu.rests())
    }

    /// Whether every CPU but the running one rests, and will until time moves or this one does something.
    pub fn others_are_at_rest(&self) -> bool {
        let mut others = (0..self.cpus.len()).filter(|&n| n != self.here.get() && self.cpus[n].online.get());
        others.all(|n| self.cpus[n].rests() && !self.can_go_on(n))
    }

    /// A CPU can go on that could not: the schedule may want to know.
    pub fn awakened(&self) {
        self.schedule.awakened(self.count());
        self.grant();
    }

    /// Lets the next point see an interrupt that can be delivered here.
    #[inline]
    pub fn look(&self) {
        let cpu = self.cpu();
        if cpu.signalled.get() && !cpu.masked.get() {
            self.points.attention.set(true);
        }
    }

    /// Changes the UART, then puts its interrupt line where it belongs.
    pub fn change_uart<R>(&self, change: impl FnOnce(&mut Pl011) -> R) -> R {
        let mut uart = self.uart.borrow_mut();
        let was = uart.line();
        let result = change(&mut uart);
        let is = uart.line();
        drop(uart);
        if was != is {
            self.change_gic(|gic| gic.set_line(0, self.config.uart_intid, is));
        }
        result
    }

    /// Ends the run at the next point; the first reason counts.
    pub fn stop(&self, end: End) {
        self.end.borrow_mut().get_or_insert(end);
        self.points.attention.set(true);
    }
}
