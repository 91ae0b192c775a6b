//! What happens to the machine from outside, and when? Injections and device-side closures, at a time or at a point.
use super::{
    irq,
    machine::{Machine, machine},
    uart,
};
use std::{
    cell::{Cell, RefCell},
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Something that devices do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injection {
    /// An INTID becomes pending ([`irq::pend`]).
    Pend(u32),
    /// A line goes high or low ([`irq::set_line`]).
    Line(u32, bool),
    /// An interrupt is signalled, but acknowledging it returns a special INTID ([`irq::special`]).
    Special(u32),
    /// The UART receives ([`uart::receive`]).
    Receive(Vec<u8>),
}

impl Injection {
    fn happen(self) {
        match self {
            Injection::Pend(intid) => irq::pend(intid),
            Injection::Line(intid, high) => irq::set_line(intid, high),
            Injection::Special(intid) => irq::special(intid),
            Injection::Receive(bytes) => uart::receive(&bytes),
        }
    }
}

/// Lets something happen at a virtual time in ns, or at the next point if that has passed. Events of the same time
/// happen in the order in which they were given.
pub fn at(time: u64, injection: Injection) {
    at_call(time, Box::new(move || injection.happen()));
}

/// As [`at`], for a closure: it runs as a device does, between two instructions, so its points are none.
pub fn at_call(time: u64, call: Box<dyn FnOnce()>) {
    let machine = machine();
    machine.queue.by_time.add(time, call);
    if time <= machine.now.get() {
        machine.points.attention.set(true);
    }
}

/// Lets something happen `points` points from now, at least one: the way to hit every place of a piece of code.
pub fn at_point(points: u64, injection: Injection) {
    at_point_call(points, Box::new(move || injection.happen()));
}

/// As [`at_point`], for a closure.
pub fn at_point_call(points: u64, call: Box<dyn FnOnce()>) {
    let machine = machine();
    machine.queue.by_point.add(machine.count() + points.max(1), call);
    machine.grant();
}

struct Event {
    key: Reverse<(u64, u64)>,
    call: Box<dyn FnOnce()>,
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Event {}

/// Events by time or by point; those of the same key in the order of their arrival.
#[derive(Default)]
struct Ordered {
    events: RefCell<BinaryHeap<Event>>,
    arrivals: Cell<u64>,
    first: Cell<Option<u64>>,
}

impl Ordered {
    fn add(&self, key: u64, call: Box<dyn FnOnce()>) {
        let arrival = self.arrivals.get();
        self.arrivals.set(arrival + 1);
        self.events.borrow_mut().push(Event { key: Reverse((key, arrival)), call });
        self.find_first();
    }
    fn take(&self, until: u64) -> Option<Box<dyn FnOnce()>> {
        if self.first.get()? > until {
            return None;
        }
        let event = self.events.borrow_mut().pop();
        self.find_first();
        event.map(|event| event.call)
    }
    fn find_first(&self) {
        self.first.set(self.events.borrow().peek().map(|event| event.key.0.0));
    }
}

#[derive(Default)]
pub(super) struct Queue {
    by_time: Ordered,
    by_point: Ordered,
}

impl Queue {
    /// When the first event is due.
    pub fn next_time(&self) -> Option<u64> {
        self.by_time.first.get()
    }
    /// At which number of points the first event is due.
    pub fn next_point(&self) -> u64 {
        self.by_point.first.get().unwrap_or(u64::MAX)
    }
}

impl Machine {
    /// Runs the events whose time has come.
    pub fn run_due(&self) {
        while let Some(call) = self.queue.by_time.take(self.now.get()) {
            self.as_device(call);
        }
    }
    /// Runs the events whose number of points has come.
    pub fn run_points_due(&self) {
        while let Some(call) = self.queue.by_point.take(self.count()) {
            self.as_device(call);
        }
    }
    fn as_device(&self, call: Box<dyn FnOnce()>) {
        let was = self.device_side.replace(true);
        call();
        self.device_side.set(was);
    }
}
