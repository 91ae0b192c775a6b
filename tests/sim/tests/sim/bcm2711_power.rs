//! Does a Raspberry Pi restart when CPU 0 is no longer idle, and only then? Is a VideoCore that is silent given up? (BU-05)
use crate::harness::{MS, become_policy, fifo, ms, run_with};
use bcm2711::{
    mailbox::{Error, Mailbox},
    watchdog::Watchdog,
};
use hw::{
    mmio::Mmio,
    sim::{Config, Device},
};
use kernel::time;
use std::{cell::RefCell, rc::Rc};

const POWER: usize = 0xfe10_0000;
const MAILBOX: usize = 0xfe00_b000;
const SECOND: u64 = 1_000 * MS;

/// The chip's side.
#[derive(Default)]
struct Registers {
    /// When the time was set that is left, and to what.
    times: Vec<(u64, u64)>,
    /// What happens when it is over.
    control: u64,
}

#[derive(Clone, Default)]
struct Power(Rc<RefCell<Registers>>);

impl Device for Power {
    fn read(&mut self, offset: usize) -> u64 {
        if offset == 0x1c { self.0.borrow().control } else { 0 }
    }
    fn write(&mut self, offset: usize, value: u64) {
        // Without the password nothing is taken.
        if value >> 24 != 0x5a {
            return;
        }
        match offset {
            0x1c => self.0.borrow_mut().control = value & 0x00ff_ffff,
            0x24 => self.0.borrow_mut().times.push((hw::sim::time(), value & 0x00ff_ffff)),
            _ => {}
        }
    }
}

impl Power {
    /// When it was wound up, since this was asked last, and for how many seconds.
    fn wound_up(&self) -> Vec<(u64, u64)> {
        let mut power = self.0.borrow_mut();
        power.times.drain(..).map(|(at, ticks)| (at, ticks >> 16)).collect()
    }
    fn runs(&self) -> bool {
        self.0.borrow().control >> 4 & 3 == 2
    }
}

fn long() -> Config {
    Config { frequency: 1_000_000_000, time_limit: 60 * SECOND, ..Config::default() }
}

/// Idle, it is wound up four times a period; with somebody busy whom nothing preempts, not once, and it runs out. The timer's own
/// interrupts go on all the while: they are not what counts.
#[test]
fn bu_05_the_watchdog_is_wound_up_by_an_idle_cpu_alone() {
    run_with(long(), "watchdog=2", |cx| {
        let power = Power::default();
        hw::sim::attach(POWER, 0x1000, power.clone());
        // SAFETY: the simulated device answers there.
        Watchdog::new(unsafe { Mmio::new(POWER) }).start(cx);
        assert!(power.runs());
        assert_eq!(power.wound_up().len(), 1);
        time::sleep(cx, ms(10_000)).unwrap();
        let idle = power.wound_up();
        assert!((19..=21).contains(&idle.len()), "{idle:?}");
        assert!(idle.windows(2).all(|pair| pair[1].0 - pair[0].0 <= SECOND) && idle.iter().all(|&(_, s)| s == 2));
        become_policy(cx, fifo(99));
        hw::sim::spend(3 * SECOND);
        let busy = power.wound_up();
        // The look that comes first finds that the CPU was idle before.
        assert!(busy.len() <= 1 && power.runs(), "{busy:?}");
        time::sleep(cx, ms(1_000)).unwrap();
        assert!(!power.wound_up().is_empty());
    });
}

/// Without the argument, and with one that is wrong, nothing is set.
#[test]
fn bu_05_there_is_no_watchdog_by_default() {
    for bootargs in ["", "watchdog=0", "watchdog=16", "watchdog=", "watchdog=x"] {
        let outcome = run_with(long(), bootargs, |cx| {
            let power = Power::default();
            hw::sim::attach(POWER, 0x1000, power.clone());
            // SAFETY: the simulated device answers there.
            Watchdog::new(unsafe { Mmio::new(POWER) }).start(cx);
            time::sleep(cx, ms(1_000)).unwrap();
            assert!(power.wound_up().is_empty() && !power.runs());
        });
        let said = outcome.console.contains("1 to 15 seconds are possible; there is no watchdog");
        assert_eq!(said, !bootargs.is_empty(), "{bootargs}: {}", outcome.console);
    }
}

/// A restart is a short time with a full reset at its end.
#[test]
fn bu_05_a_restart_is_a_short_watchdog() {
    run_with(long(), "", |_| {
        let power = Power::default();
        hw::sim::attach(POWER, 0x1000, power.clone());
        let before = hw::sim::time();
        // SAFETY: the simulated device answers there.
        Watchdog::new(unsafe { Mmio::new(POWER) }).restart();
        assert!(power.runs());
        assert_eq!(power.wound_up(), [(before, 0)]);
        assert!(hw::sim::time() - before >= SECOND, "it waits for the reset");
    });
}

/// Mailboxes of a VideoCore that never takes anything.
struct Silent;

impl Device for Silent {
    fn read(&mut self, offset: usize) -> u64 {
        // Both status registers: full and empty.
        if matches!(offset, 0x898 | 0x8b8) { 3 << 30 } else { 0 }
    }
    fn write(&mut self, _: usize, _: u64) {}
}

/// Who asks gets an answer after a bounded number of looks; the message is not given to anybody else afterwards.
#[test]
fn bu_05_a_silent_videocore_is_given_up() {
    run_with(long(), "", |_| {
        hw::sim::attach(MAILBOX, 0x1000, Silent);
        // SAFETY: the simulated device answers there.
        let firmware = Mailbox::new(unsafe { Mmio::new(MAILBOX + 0x880) });
        assert_eq!(firmware.memory(), Err(Error::Silent));
        assert_eq!(firmware.memory(), Err(Error::Busy));
    });
}
