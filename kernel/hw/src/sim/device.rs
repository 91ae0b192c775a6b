//! How does a test bring devices along that only its driver knows?

use super::machine::{Machine, machine};

/// A device with memory-mapped registers. It runs between two instructions: it may change lines, and accesses none.
pub trait Device {
    /// What a read at this offset gives.
    fn read(&mut self, offset: usize) -> u64;
    /// What a write at this offset does.
    fn write(&mut self, offset: usize, value: u64);
}

/// Devices, each with its first address and its size in bytes.
pub(super) type Devices = Vec<(usize, usize, Box<dyn Device>)>;

/// From now on this device answers at `base` and so many bytes behind it.
pub fn attach(base: usize, bytes: usize, device: impl Device + 'static) {
    machine().devices.borrow_mut().push((base, bytes, Box::new(device)));
}

impl Machine {
    /// Which device answers at an address, and the offset in it.
    pub fn device_at(&self, at: usize) -> Option<(usize, usize)> {
        let devices = self.devices.borrow();
        let n = devices.iter().position(|&(base, bytes, _)| (base..base + bytes).contains(&at))?;
        Some((n, at - devices[n].0))
    }
}
