//! Which seeds does a test run, and how is one of them run again?
//!
//! `TOPHALF_SEED=n` runs that seed alone; `TOPHALF_SEEDS=n` runs so many of each test, for a soak. Both are for the test
//! that a filter of `cargo test` names.
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: not a number")))
}

/// Runs a scenario with each seed from 0 on, `count` of them unless the environment says otherwise.
///
/// # Panics
/// With the panic of the first seed that fails; how to run it again is told before.
pub fn seeds(count: u64, scenario: impl Fn(u64)) {
    let range = match number("TOPHALF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TOPHALF_SEEDS").unwrap_or(count),
    };
    for seed in range {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("NAME");
            eprintln!("seed {seed} failed; to run it again: TOPHALF_SEED={seed} cargo test {name}");
            resume_unwind(payload);
        }
    }
}
