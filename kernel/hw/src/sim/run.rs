//! How does a simulated run begin and end?
use super::{
    Access, Config,
    machine::{Entered, Machine},
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `power::exit` with this code; also 0 when `boot` returned.
    Exit(i32),
    /// `power::reset`.
    Reset,
    /// Every CPU waits for an interrupt, no timer is armed and nothing is scheduled.
    Stuck,
    /// Virtual time reached `Config::time_limit`.
    OutOfTime,
    /// Rust code panicked with this message ([`run_catching`] only).
    Panicked(String),
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// What went out past all threads (`hw::text`).
    pub console: String,
    /// What the UART sent.
    pub uart: Vec<u8>,
    /// Virtual time in ns.
    pub time: u64,
    /// Points passed.
    pub points: u64,
    /// Context switches.
    pub switches: u64,
    /// Interrupt exceptions taken.
    pub interrupts: u64,
    /// The register log.
    pub registers: Vec<Access>,
    /// What the CPUs did last, readable.
    pub story: String,
}

/// Boots a machine: `boot` runs on the boot CPU with interrupts masked, and everything it starts runs until the end.
///
/// Nothing that lives in the machine (a reference got through a [`Global`](crate::Global)) may leave it.
///
/// # Panics
/// With the panic of the code that ran, if it did; the console's text is printed before. If this host thread runs a
/// machine already.
pub fn run(config: Config, boot: impl FnOnce() + 'static) -> Outcome {
    let (mut outcome, payload) = execute(config, boot);
    let Some(payload) = payload else { return outcome };
    if !outcome.console.is_empty() {
        let text = std::mem::take(&mut outcome.console);
        eprintln!("--- console of the simulated machine at {} ns ---\n{text}", outcome.time);
    }
    eprintln!("--- the simulated machine's last steps: {}", outcome.story);
    resume_unwind(payload)
}

/// As [`run`], but a panic is an [`End`] like any other.
pub fn run_catching(config: Config, boot: impl FnOnce() + 'static) -> Outcome {
    execute(config, boot).0
}

type Payload = Box<dyn std::any::Any + Send>;

fn execute(config: Config, boot: impl FnOnce() + 'static) -> (Outcome, Option<Payload>) {
    let machine = Machine::new(config);
    let entered = Entered::new(&machine);
    machine.start_cpu(machine.config.boot_cpu, move || {
        boot();
        super::machine::machine().stop(End::Exit(0));
    });
    let payload = catch_unwind(AssertUnwindSafe(|| machine.drive())).err();
    let story = machine.last_words(payload.is_some());
    // Contexts die first: they may be inside anything. Then nobody can use the globals' memory.
    machine.contexts.forget(machine.config.context_stack);
    drop(entered);
    // SAFETY: the contexts are gone and this thread has no machine, so no reference into the globals is used again.
    unsafe { machine.globals.free() };
    let end = match &payload {
        Some(payload) => End::Panicked(message(payload)),
        None => machine.end.take().expect("the host loop runs until there is an end"),
    };
    let outcome = Outcome {
        end,
        console: String::from_utf8_lossy(&machine.console.take()).into_owned(),
        uart: machine.uart.take().into_sent(),
        time: machine.now.get(),
        points: machine.count(),
        switches: machine.switches.get(),
        interrupts: machine.interrupts.get(),
        registers: machine.log.take(),
        story,
    };
    (outcome, payload)
}

fn message(payload: &Payload) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message").to_owned()
}

impl Machine {
    /// The story of a machine that did not end as it should, and what its kernel has to say; else nothing.
    fn last_words(&self, panicked: bool) -> String {
        if !panicked && matches!(*self.end.borrow(), Some(End::Exit(0) | End::Reset)) {
            return String::new();
        }
        // No CPU executes any more: the kernel's points are none.
        self.device_side.set(true);
        let obituary = self.obituary.get().map(|tell| tell()).unwrap_or_default();
        format!("{}\n{obituary}", self.story())
    }

    /// The host loop: continues the context of a CPU that can go on; when none can, time jumps to the next event.
    fn drive(&self) {
        while self.end.borrow().is_none() {
            match self.schedule.pick(self) {
                Some(n) => {
                    self.here.set(n);
                    let cpu = self.cpu();
                    cpu.asleep.set(false);
                    self.look();
                    self.contexts.resume(cpu.runs.get());
                }
                None => match self.next_moment() {
                    Some(time) => self.set_time(time),
                    None => self.stop(End::Stuck),
                },
            }
        }
    }
}
