//! Where do random numbers come from? From a seed, the same on every host.
use std::cell::Cell;

/// SplitMix64 (Steele, Lea, Flood 2014): every seed gives another sequence, neighbouring seeds too.
pub struct Rng(Cell<u64>);

impl Rng {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }
    /// The next number.
    pub fn draw(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.draw() % bound
    }
}
