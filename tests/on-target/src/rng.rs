//! Which random numbers does a script follow?
use kernel::CpuSet;

/// Marsaglia's xorshift64.
pub struct Rng(u64);
impl Rng {
    pub fn new(seed: u64) -> Self {
        // 0 would stay 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.draw() >> 33) % n
    }
    /// At least one of this many CPUs.
    pub fn some_cpus(&mut self, cpus: usize) -> CpuSet {
        CpuSet::from_bits(1 + self.below((1 << cpus) - 1) as u32)
    }
}
