//! Do the lock-free pieces work whatever order and whatever stale value the memory model allows?
//!
//! The simulation runs one operation after the other; real CPUs do not. [loom](https://docs.rs/loom) explores what they may
//! do, under C++11's memory model, on small scenarios. The sources are `logic`'s own.
//!
//! loom remembers one access of a word by each kind only, so a thread's own load hides another's from its store that
//! follows, and that order is not tried. Where a thread loads and then stores what others load, those others are the
//! spawned threads.
extern crate logic_under_loom as logic;

mod activity;
mod balance;
mod eventlog;
mod grace;
mod handshake;
mod owner;
mod ring;
mod sleeper;
mod spin;
mod told;
mod wakeflag;
mod word;

/// Explores a model: all of it, or as far as runs with at most so many preemptions go.
///
/// What nobody preempts, a wait that yields or sleeps, does not count; few preemptions find most of what there is to find.
pub fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(model);
}
