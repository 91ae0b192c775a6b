//! How does the board restart, asked to or hung? By the power manager's watchdog (Linux `drivers/watchdog/bcm2835_wdt.c`).
//!
//! With the boot argument `watchdog=SECONDS` the board restarts when CPU 0 has not been idle for so long: some thread, or an
//! interrupt that does not end, keeps everything that is less urgent away. The idle loop counts how often it waits for an
//! interrupt; a timer looks at that number, and where it has moved, winds the watchdog up again.
use core::time::Duration;
use hw::{
    atomic::{AtomicBool, Ordering::SeqCst},
    mmio::{Mmio, Reg, Rw},
};
use kernel::{
    HardIrqCx, ThreadCx, bootargs, log, sched,
    time::{self, HrTimer, Restart},
};
use logic::words::parse_u64_in;
use spin::Once;
use tock_registers::interfaces::{Readable, Writeable};

/// What a write needs in its upper byte to be taken.
const PASSWORD: u32 = 0x5a00_0000;
/// `RSTC`: what happens when the time is over, and that all of the chip is reset then.
const CONFIGURATION: u32 = 3 << 4;
const FULL_RESET: u32 = 2 << 4;
/// `WDOG`: the time that is left, in 1/65,536 of a second.
const TICKS_OF_A_SECOND: u32 = 1 << 16;
const MOST: u32 = 0xf_ffff;
/// Soon: about 150 us.
const SOON: u32 = 10;
/// The boot argument.
pub const ARGUMENT: &str = "watchdog";

/// What to write to `WDOG` for so many seconds; `None` if it does not count so far, or would be over at once.
const fn seconds(seconds: u32) -> Option<u32> {
    match seconds.checked_mul(TICKS_OF_A_SECOND) {
        Some(ticks @ 1..=MOST) => Some(PASSWORD | ticks),
        _ => None,
    }
}
/// What to write to `RSTC`, which reads as `now`, to have the time run and the chip reset at its end.
const fn armed(now: u32) -> u32 {
    PASSWORD | now & !(0xff00_0000 | CONFIGURATION) | FULL_RESET
}

hw::global! {
    /// The board is to restart: the watchdog is not wound up any more.
    static RESTARTS: AtomicBool = AtomicBool::new(false);
    /// What looks whether CPU 0 is idle.
    static TIMER: Once<HrTimer> = Once::new();
}

/// The power manager's watchdog.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog(Mmio);

impl Watchdog {
    /// That of the power manager at `base`.
    pub const fn new(base: Mmio) -> Self {
        Self(base)
    }
    fn wind_up(&self, time: u32) {
        let (control, timer): (Reg<u32, (), Rw>, Reg<u32, (), Rw>) = (self.0.reg(0x1c), self.0.reg(0x24));
        timer.set(time);
        control.set(armed(control.get()));
    }
    /// Restarts the board. Returns, if at all, when it has not come to that within a second.
    pub fn restart(&self) {
        RESTARTS.store(true, SeqCst);
        self.wind_up(PASSWORD | SOON);
        let second = hw::clock::frequency();
        let from = hw::clock::ticks();
        while hw::clock::ticks().wrapping_sub(from) < second {
            hw::cpu::relax();
        }
    }
    /// Does what the boot argument asks for; says what is wrong with it. For a board's services.
    pub fn start(self, cx: &mut ThreadCx) {
        let Some(text) = bootargs::text(ARGUMENT) else { return };
        let good = parse_u64_in(&text, 1..=15).ok().and_then(|n| Some((n, seconds(n as u32)?)));
        let Some((n, time)) = good else {
            kernel::println!(cx, "watchdog={text}: 1 to 15 seconds are possible; there is no watchdog");
            return;
        };
        // Four looks while the time lasts: one that comes late is not too late.
        let period = Duration::from_millis(n * 250);
        let mut idle = Idle::default();
        let timer = HrTimer::new(cx, move |_: &mut HardIrqCx<'_>, expiry| {
            if idle.moved(sched::idle_waits_of(0)) && !RESTARTS.load(SeqCst) {
                self.wind_up(time);
            }
            expiry.forward(time::now(), period);
            Restart::Yes
        });
        // Boot runs on CPU 0, and a timer stays where it was started.
        let started = TIMER.call_once(|| timer).start_after(cx, period);
        if started.is_ok() {
            self.wind_up(time);
            log::info!("watchdog: the board restarts when CPU 0 is not idle for {} s", n);
        }
    }
}

/// Whether a CPU has been idle since the last look.
#[derive(Default)]
struct Idle(u64);

impl Idle {
    /// `waits`: how often its idle loop has waited so far.
    fn moved(&mut self, waits: u64) -> bool {
        core::mem::replace(&mut self.0, waits) != waits
    }
}

#[cfg(test)]
mod tests;
