//! How many raw locks does a CPU hold at once? Counted in the simulation, for tests of what holds them.
use crate::percpu::MAX_CPUS;
use core::cell::Cell;
use hw::sim;

hw::global! {
    static HELD: [Cell<u32>; MAX_CPUS] = [const { Cell::new(0) }; MAX_CPUS];
    static MOST: Cell<u32> = Cell::new(0);
}

/// This CPU has taken one.
pub(super) fn taken() {
    let held = &HELD[sim::here()];
    held.set(held.get() + 1);
    MOST.set(MOST.get().max(held.get()));
}
/// It gives one back: on the CPU that took it.
pub(super) fn released() {
    let held = &HELD[sim::here()];
    held.set(held.get() - 1);
}
/// The most that a CPU has held at once since this was asked last, locks of run queues among them.
pub fn most_at_once() -> u32 {
    MOST.replace(0)
}
