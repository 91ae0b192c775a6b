//! What the interrupt tests share: counters, a booted machine that is verified at its end, and the log of what the chip saw.
use crate::{
    gic::alike,
    harness::{run_with, warnings},
};
use hw::{
    gic::Version,
    sim::{self, Access, Block, Config, Outcome, Register},
    sysreg::{Mpidr, Pmccntr},
};
use kernel::{
    ThreadCx,
    irq::{self, Handled, Irq, Request, Trigger},
    sched, thread,
};
use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicU32, Ordering::SeqCst},
};
use tock_registers::interfaces::Readable;

/// The line that most tests use.
pub const IRQ: Irq = Irq::new(100);

/// Counts what happens, shared between a test and its handlers.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicU32>);

impl Count {
    pub fn new() -> Self {
        Self::default()
    }
    /// Counts one more; answers how many there are then.
    pub fn up(&self) -> u32 {
        self.0.fetch_add(1, SeqCst) + 1
    }
    pub fn get(&self) -> u32 {
        self.0.load(SeqCst)
    }
    pub fn set(&self, value: u32) {
        self.0.store(value, SeqCst);
    }
    /// Who else has it: handlers that still exist.
    pub fn sharers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
    /// A threaded handler that counts.
    pub fn thread(&self) -> impl FnMut(&mut ThreadCx) -> Handled + Send + 'static {
        let count = self.clone();
        move |_| {
            count.up();
            Handled::Yes
        }
    }
    /// A hard handler that counts and says `primary`.
    pub fn hard(
        &self,
        primary: irq::Primary,
    ) -> impl FnMut(&mut kernel::HardIrqCx<'_>) -> irq::Primary + Send + 'static {
        let count = self.clone();
        move |_| {
            count.up();
            primary
        }
    }
}

/// What happened, in its order, shared between a test and its handlers.
#[derive(Clone, Default)]
pub struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn tell(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }
    /// What was told since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Something that is made after the handler that uses it.
pub type Later<T> = Arc<OnceLock<T>>;

/// Boots with these arguments, runs `body`, verifies every line, and expects exactly these warnings, by a part of each: on a
/// machine with each interrupt controller.
#[track_caller]
pub fn warned_with(
    config: Config,
    bootargs: &str,
    expected: &[&str],
    body: impl FnOnce(&mut ThreadCx) + Clone + 'static,
) -> Outcome {
    warned_on(Config { gic: Version::V2, ..config.clone() }, bootargs, expected, body.clone());
    warned_on(config, bootargs, expected, body)
}
#[track_caller]
fn warned_on(config: Config, bootargs: &str, expected: &[&str], body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let outcome = run_with(config, bootargs, |cx| {
        body(cx);
        assert_eq!(irq::verify(cx), Ok(()));
    });
    let found = warnings(&outcome);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.contains(e));
    assert!(same, "expected warnings {expected:?}, console:\n{}", outcome.console);
    outcome
}
/// As [`warned_with`] on the default machine.
#[track_caller]
pub fn warned(expected: &[&str], body: impl FnOnce(&mut ThreadCx) + Clone + 'static) -> Outcome {
    warned_with(Config::default(), "", expected, body)
}
/// As [`warned`], nothing on the console at all.
#[track_caller]
pub fn clean(body: impl FnOnce(&mut ThreadCx) + Clone + 'static) {
    assert_eq!(warned(&[], body).console, "");
}

/// An edge-triggered request on [`IRQ`].
pub fn edge(name: &str) -> Request<'_> {
    Request::new(IRQ, name).trigger(Trigger::EdgeRising)
}

/// The device raises an edge; the interrupt is taken before this returns if it can be.
pub fn fire(irq: Irq) {
    sim::irq::pend(irq.number());
    sim::point();
}
/// The device asserts its line; the interrupt is taken before this returns if it can be.
pub fn assert_line(irq: Irq) {
    sim::irq::set_line(irq.number(), true);
    sim::point();
}
/// The device lets go of its line.
pub fn release_line(irq: Irq) {
    sim::irq::set_line(irq.number(), false);
}

/// Makes the running thread FIFO.
pub fn be_fifo(cx: &mut ThreadCx, priority: i32) {
    sched::set(cx, thread::current_id(), crate::harness::fifo(priority)).unwrap();
}

/// Every register access while `f` runs, except to the timer, which is idle but gives the scheduler the time.
pub fn registers(f: impl FnOnce()) -> Vec<String> {
    alike(record(f).iter().map(Access::to_string))
}

fn record(f: impl FnOnce()) -> Vec<Access> {
    sim::clear_registers();
    sim::log_registers(true);
    f();
    sim::log_registers(false);
    let timer = |a: &Access| matches!(a.what, Register::System(name) if name.starts_with("Cnt"));
    sim::registers().into_iter().filter(|a| !timer(a)).collect()
}

const fn gicc(offset: usize) -> Register {
    Register::Memory { block: Block::Gicc, offset, width: 4 }
}
const GICC_IAR: Register = gicc(0xc);
const GICC_EOIR: Register = gicc(0x10);
const GICC_DIR: Register = gicc(0x1000);

/// What an access means for line [`IRQ`]; nothing for the timer's interrupts, the wait that ends a mask, and reads of states.
fn meaning(access: &Access) -> Option<&'static str> {
    const BIT: u64 = 1 << (IRQ.number() % 32);
    const WORD: usize = 4 * (IRQ.number() as usize / 32);
    match (access.what, access.write) {
        (Register::System("IccIar1" | "IccEoir1" | "IccDir") | GICC_IAR | GICC_EOIR | GICC_DIR, _)
            if access.value != IRQ.number().into() =>
        {
            None
        }
        (Register::System("IccIar1") | GICC_IAR, false) => Some("ack"),
        (Register::System("IccEoir1") | GICC_EOIR, true) => Some("eoir"),
        (Register::System("IccDir") | GICC_DIR, true) => Some("dir"),
        (Register::System("Mpidr"), false) => Some("handler"),
        (Register::System("Pmccntr"), false) => Some("thread"),
        (Register::Memory { block: Block::Gicd, offset, .. }, true) if access.value == BIT => match offset - WORD {
            0x180 => Some("mask"),
            0x100 => Some("unmask"),
            0x200 => Some("resend"),
            _ => panic!("unexpected {access}"),
        },
        (Register::Memory { .. }, false) => None,
        _ => panic!("unexpected {access}"),
    }
}

/// Marks its place in [`chip_log`]: "handler".
pub fn mark_handler() {
    let _ = Mpidr.get();
}
/// Marks its place in [`chip_log`]: "thread".
pub fn mark_thread() {
    let _ = Pmccntr.get();
}

/// What the chip was told about [`IRQ`] while `f` ran, and the marks, as words.
pub fn chip_log(f: impl FnOnce()) -> String {
    record(f).iter().filter_map(meaning).collect::<Vec<_>>().join(" ")
}
