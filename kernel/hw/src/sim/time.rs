//! What moves virtual time? Waiting for an interrupt, spin hints and the functions here; nothing else.
use super::{
    End,
    machine::{Machine, machine},
    point,
    steps::Why,
};
use std::panic::Location;

/// Virtual time in ns since the start.
pub fn time() -> u64 {
    machine().now.get()
}

/// Busy for `ns` of this context's own time: the clock moves through every event on the way, and interrupts are taken
/// at their time if they are not masked. Time that passes while the context is preempted does not count. Other CPUs go on
/// meanwhile.
#[track_caller]
pub fn spend(ns: u64) {
    let machine = machine();
    let mut left = ns;
    point();
    while left > 0 {
        left -= machine.busy(left);
        point();
    }
}

/// Busy until the clock has moved by `ns`, whoever moves it.
#[track_caller]
pub fn advance(ns: u64) {
    let machine = machine();
    let until = machine.now.get().saturating_add(ns);
    point();
    while machine.now.get() < until {
        machine.busy(until - machine.now.get());
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

    /// When a CPU can go on, or something happens, if none can now.
    pub fn next_moment(&self) -> Option<u64> {
        let busy = self.cpus.iter().filter(|cpu| cpu.online.get()).filter_map(|cpu| cpu.busy.get()).min();
        busy.into_iter().chain(self.next_event()).min()
    }

    /// The running CPU is busy for at most `ns`, until an interrupt that it can take; returns for how long.
    #[track_caller]
    fn busy(&self, ns: u64) -> u64 {
        assert!(!self.device_side.get(), "a device cannot wait: {}", Location::caller());
        let began = self.now.get();
        let until = began.saturating_add(ns);
        if std::thread::panicking() || self.cpus.len() == 1 {
            // Nobody else to go on: from event to event.
            self.set_time(self.next_event().map_or(until, |event| until.min(event.max(began))));
        } else {
            self.cpu().busy.set(Some(until));
            self.step_ends(Location::caller(), Why::Busy);
            self.leave();
            self.cpu().busy.set(None);
        }
        (self.now.get() - began).min(ns)
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

    #[track_caller]
    pub fn wait_for_interrupt(&self) {
        let cpu = self.cpu();
        if !cpu.signalled.get() {
            cpu.asleep.set(true);
            self.step_ends(Location::caller(), Why::Waits);
            self.leave();
        }
    }

    /// The running CPU executes nothing any more.
    #[track_caller]
    pub fn halt(&self) -> ! {
        self.cpu().online.set(false);
        self.step_ends(Location::caller(), Why::Halts);
        self.leave_for_good()
    }

    #[track_caller]
    pub fn relax(&self) {
        let spins = &self.cpu().spins;
        spins.set(true);
        self.busy(self.config.relax);
        spins.set(false);
    }
}
