//! What can the machine's interrupt controller do, and how urgent is what this CPU serves?
use crate::{cx::Context, irq};
pub use hw::gic::{Caps, Version};

/// What the controller can do (G2-03).
pub fn caps(_: &impl Context) -> Caps {
    irq::gic().caps()
}

/// Running priority of the CPU that calls: that of the most urgent interrupt that it has acknowledged and whose priority has
/// not dropped; 0xFF if there is none.
pub fn running_priority(_: &impl Context) -> u8 {
    irq::gic().running_priority()
}
