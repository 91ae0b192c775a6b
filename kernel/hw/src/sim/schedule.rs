//! Which CPU goes on? Asked whenever the running one has left its context.
use super::machine::Machine;

/// Where decisions come from.
pub(super) enum Schedule {
    /// The CPU that ran goes on as long as it can, then the next one in order.
    Fixed,
}

impl Schedule {
    /// A CPU that can go on, or `None`: all of them wait.
    pub fn pick(&self, machine: &Machine) -> Option<usize> {
        let count = machine.cpus.len();
        let awake = |n: &usize| {
            let cpu = &machine.cpus[*n];
            cpu.online.get() && (!cpu.asleep.get() || cpu.signalled.get())
        };
        match self {
            Schedule::Fixed => (0..count).map(|n| (machine.here.get() + n) % count).find(awake),
        }
    }
}
