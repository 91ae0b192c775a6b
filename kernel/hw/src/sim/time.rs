//! What moves virtual time? Waiting for an interrupt, spin hints and the functions here; nothing else.
use super::{
    End,
    machine::{Machine, machine},
    point,
};

/// Virtual time in ns since the start.
pub fn time() -> u64 {
    machine().now.get()
}

/// Busy for `ns` of this context's own time: the clock moves through every event on the way, and interrupts are taken
/// at their time if they are not masked. Time that passes while the context is preempted does not count.
pub fn spend(ns: u64) {
    let machine = machine();
    let mut left = ns;
    point();
    while left > 0 {
        let step = machine.step(left);
        left -= step;
        point();
    }
}

/// Busy until the clock has moved by `ns`, whoever moves it.
pub fn advance(ns: u64) {
    let machine = machine();
    let until = machine.now.get().saturating_add(ns);
    point();
    while machine.now.get() < until {
        machine.step(until - machine.now.get());
        point();
    }
}

impl Machine {
    /// When something happens next by itself: an event, a timer, the UART's receive time-out.
    pub fn next_event(&self) -> Option<u64> {
        let timers = self.cpus.iter().filter_map(|cpu| cpu.timer.fires_at());
        let devices = [self.queue.next_time(), self.uart.borrow().time_out()];
        timers.chain(devices.into_iter().flatten()).min()
    }

    /// Moves time by at most `ns`, not past the next event; returns by how much.
    fn step(&self, ns: u64) -> u64 {
        let now = self.now.get();
        let wanted = now.saturating_add(ns);
        let until = self.next_event().map_or(wanted, |event| wanted.min(event.max(now)));
        self.set_time(until);
        until - now
    }

    /// Sets the time and lets everything happen that is due then.
    pub fn set_time(&self, time: u64) {
        if time >= self.config.time_limit {
            self.now.set(self.config.time_limit);
            return self.stop(End::OutOfTime);
        }
        self.now.set(self.now.get().max(time));
        for cpu in 0..self.cpus.len() {
            self.update_timer(cpu);
        }
        if self.uart.borrow().time_out().is_some_and(|at| at <= time) {
            self.change_uart(|uart| uart.timed_out());
        }
        self.run_due();
    }

    pub fn wait_for_interrupt(&self) {
        let cpu = self.cpu();
        if !cpu.signalled.get() {
            cpu.asleep.set(true);
            self.leave();
        }
    }

    pub fn relax(&self) {
        self.step(self.config.relax);
    }
}
