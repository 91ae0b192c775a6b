//! What can happen between two instructions? An event that is due, an interrupt, the end of the run.
use super::{
    explore::Touch,
    machine::{Machine, current},
    steps::Why,
};
use crate::upcall;
use std::panic::Location;

/// A place between two instructions. Every atomic operation, lock, interrupt-mask change and register access is one.
///
/// Does nothing outside a machine. May run an interrupt on the caller's stack; if that preempts, this returns when the
/// caller's context is switched to again.
#[inline]
#[track_caller]
pub fn point() {
    if let Some(machine) = current() {
        machine.pass(Touch::Machine);
    }
}

/// As [`point`], for an access to memory at this address.
#[inline]
#[track_caller]
pub(super) fn memory_point(address: usize, write: bool) {
    if let Some(machine) = current() {
        machine.pass(Touch::Memory { address, write });
    }
}

/// A point at which nothing happens that another CPU could see: it matters to interrupts, not to the order of CPUs.
#[inline]
#[track_caller]
pub(super) fn own_point() {
    if let Some(machine) = current() {
        machine.pass(Touch::Nothing);
    }
}

impl Machine {
    /// Points so far.
    pub fn count(&self) -> u64 {
        self.points.granted.get() - self.points.left.get()
    }

    /// Counts down to the next number of points at which somebody acts, but at least one.
    pub fn grant(&self) {
        let count = self.count();
        let events = self.queue.next_point().min(self.schedule.due());
        let next = events.min(self.config.point_budget).max(count + 1);
        self.points.granted.set(next);
        self.points.left.set(next - count);
    }

    #[inline]
    #[track_caller]
    fn pass(&self, touch: Touch) {
        let left = self.points.left.get() - 1;
        self.points.left.set(left);
        if left == 0 || self.points.attention.get() {
            self.attend(touch, Location::caller());
        }
    }

    #[cold]
    #[inline(never)]
    fn attend(&self, touch: Touch, at: &'static Location<'static>) {
        let unwinding = std::thread::panicking();
        if unwinding || self.device_side.get() {
            // Neither is an instruction of a simulated CPU; what is due waits.
            return self.grant();
        }
        if self.count() >= self.config.point_budget {
            self.livelock();
        }
        self.run_points_due();
        let gives_way = self.schedule.give_way(self, touch, at).is_some();
        self.grant();
        if gives_way {
            self.step_ends(at, Why::GivesWay);
            self.leave();
        }
        loop {
            self.points.attention.set(false);
            self.run_due();
            if self.end.borrow().is_some() {
                self.leave_for_good();
            }
            let cpu = self.cpu();
            if cpu.masked.get() || !cpu.signalled.get() {
                break;
            }
            self.step_ends(at, Why::Interrupted);
            self.deliver();
        }
    }

    /// Takes the interrupt exception on the running stack.
    fn deliver(&self) {
        self.interrupts.set(self.interrupts.get() + 1);
        self.cpu().masked.set(true);
        self.cpu().in_interrupt.set(true);
        // SAFETY: the kernel is linked in; interrupts are masked, as it asks.
        let switch = unsafe { upcall::__tophalf_interrupt() };
        self.cpu().in_interrupt.set(false);
        // SAFETY: a context that the kernel names, or null.
        if let Some(next) = unsafe { switch.next.as_ref() } {
            // SAFETY: the kernel prepared this switch, as in the vector of the target.
            unsafe {
                super::facade::context::switch(&*switch.prev, next);
                upcall::__tophalf_switched();
            }
        }
        // The exception return, on the CPU that this context is on now.
        self.cpu().masked.set(false);
    }

    #[cold]
    fn livelock(&self) -> ! {
        // Code that unwinds goes through points: they must not find the budget spent again.
        self.points.granted.set(u64::MAX);
        self.points.left.set(u64::MAX - self.config.point_budget);
        panic!(
            "livelock: {} points, {} switches, {} interrupts; time {} ns, CPU {}",
            self.config.point_budget,
            self.switches.get(),
            self.interrupts.get(),
            self.now.get(),
            self.here.get()
        )
    }
}
