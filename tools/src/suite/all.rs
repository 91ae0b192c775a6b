//! What is the longest that the kernel keeps interrupts off in any on-target test?

use super::{
    latency::Longest,
    run::{On, run},
};
use crate::{
    board::Board,
    failure::Failure,
    image::{
        build::{Recipe, build_recipe},
        model::Model,
        table::tests,
    },
    qemu::Qemu,
    say::bar,
};
use anyhow::Result;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// The package of the test image.
pub const IMAGE: &str = "on-target";

/// Runs every on-target test that holds on this model, as many at once as there are CPUs. One that fails is an error: what it
/// found would not be the kernel's.
pub fn longest(model: Model) -> Result<Longest> {
    let image = build_recipe(&Recipe { model, ..Recipe::package(IMAGE) })?;
    // Once, before several threads look for it.
    Qemu::ensure(Board::Virt)?;
    let tests: Vec<_> = tests(&image)?.into_iter().filter(|test| test.holds_on(model)).collect();
    let bar = bar("on-target tests", tests.len());
    let (next, longest, failed) = (AtomicUsize::new(0), Mutex::new(Longest::default()), Mutex::new(None));
    let work = || {
        while let Some(test) = tests.get(next.fetch_add(1, Relaxed)) {
            match run(&image, On { model, ..On::default() }, test) {
                Ok(found) => longest.lock().unwrap_or_else(PoisonError::into_inner).add(&test.name, &found),
                Err(why) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((test, why));
                }
            }
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(longest.into_inner().unwrap_or_else(PoisonError::into_inner)),
        Some((test, why)) => Err(Failure::new(format!("on-target test `{}` failed: {why}", test.name)).into()),
    }
}
