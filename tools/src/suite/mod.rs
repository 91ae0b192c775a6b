//! What do the on-target tests say? [`run`] boots and judges one, [`all`] boots all of them, [`latency`] reads how long the
//! kernel kept interrupts off meanwhile, and [`places`] whether it may do so there.

pub mod all;
pub mod latency;
pub mod places;
pub mod run;
