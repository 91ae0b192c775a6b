//! What does the virtual timer of a CPU do? It asserts its PPI once the counter has reached the compare value.
use super::machine::Machine;
use std::cell::Cell;

const ENABLE: u64 = 1;
const IMASK: u64 = 2;
const ISTATUS: u64 = 4;
const SECOND: u64 = 1_000_000_000;

/// `CNTV_CTL_EL0`, `CNTV_CVAL_EL0` and the line.
#[derive(Default)]
pub(super) struct Timer {
    control: Cell<u64>,
    compare: Cell<u64>,
    line: Cell<bool>,
    fires_at: Cell<Option<u64>>,
}

impl Timer {
    /// When the line will rise, in ns; `None` if it is high, masked or disabled.
    pub fn fires_at(&self) -> Option<u64> {
        self.fires_at.get()
    }
}

impl Machine {
    /// The counter: virtual time in ticks of `CNTFRQ_EL0`, rounded down.
    pub fn ticks(&self) -> u64 {
        let (now, frequency) = (self.now.get(), self.config.frequency);
        match now.checked_mul(frequency) {
            Some(product) => product / SECOND,
            None => (u128::from(now) * u128::from(frequency) / u128::from(SECOND)) as u64,
        }
    }
    /// The first ns at which the counter is `ticks` or more; `None`: after the end of time.
    fn time_of(&self, ticks: u64) -> Option<u64> {
        let time = (u128::from(ticks) * u128::from(SECOND)).div_ceil(u128::from(self.config.frequency));
        u64::try_from(time).ok()
    }

    pub fn timer_control(&self) -> u64 {
        let timer = &self.cpu().timer;
        let control = timer.control.get();
        let met = control & ENABLE != 0 && self.ticks() >= timer.compare.get();
        control | if met { ISTATUS } else { 0 }
    }
    pub fn timer_compare(&self) -> u64 {
        self.cpu().timer.compare.get()
    }
    pub fn set_timer_control(&self, value: u64) {
        self.cpu().timer.control.set(value & (ENABLE | IMASK));
        self.rearm();
    }
    pub fn set_timer_compare(&self, value: u64) {
        self.cpu().timer.compare.set(value);
        self.rearm();
    }
    fn rearm(&self) {
        let timer = &self.cpu().timer;
        let armed = timer.control.get() & (ENABLE | IMASK) == ENABLE;
        timer.fires_at.set(if armed { self.time_of(timer.compare.get()) } else { None });
        if !armed || timer.fires_at.get().is_none_or(|at| at > self.now.get()) {
            self.set_timer_line(self.here.get(), false);
        }
        self.update_timer(self.here.get());
    }

    /// Raises the line of a timer whose time has come.
    pub fn update_timer(&self, cpu: usize) {
        let timer = &self.cpus[cpu].timer;
        if timer.fires_at.get().is_some_and(|at| at <= self.now.get()) {
            timer.fires_at.set(None);
            self.set_timer_line(cpu, true);
        }
    }
    fn set_timer_line(&self, cpu: usize, high: bool) {
        if self.cpus[cpu].timer.line.replace(high) != high {
            self.change_gic(|gic| gic.set_line(cpu, self.config.timer_intid, high));
        }
    }
}
