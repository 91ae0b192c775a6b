//@ error: E0616
//! LK-09.6: the values of a local lock are out of reach without its guard.
use kernel::{percpu::MAX_CPUS, sync::LocalLock};

fn sum(mut count: LocalLock<u32>) -> u32 {
    (0..MAX_CPUS).map(|cpu| *count.0[cpu].get_mut()).sum()
}

fn main() {}
