//! Is every priority, owner and queue as a model has it that works them out anew, whatever threads do to their locks and to
//! each other? (RM-02 to RM-11, LK-07, OW-01.4)
//!
//! Eight threads and eight mutexes follow random scripts: take, try, wait with a time-out, interruptibly or with detection,
//! give back in any order, change anybody's priority, interrupt, kill. After each step, when nobody has anything to do,
//! all that can be seen is compared and the kernel's own verifier asked. On one CPU a step is several commands at once,
//! executed in the order that priorities make; on four it is one; and in `racing` four CPUs do not wait for each other at all.
use counts::{ALL, Counts, What};
use hw::sim::{Rng, seeds};
use play::on_a_machine;
use script::{Op, Script};
use std::cell::Cell;

mod counts;
mod naive;
mod play;
mod racing;
mod script;

/// Scripts that a machine plays, one after another.
const SCRIPTS: usize = 40;

/// A shorter script that goes wrong, too, on a machine of its own.
fn shrink(cpus: usize, seed: u64, mut script: Script) -> Option<(Script, String)> {
    let wrong = |script: &Script| on_a_machine(cpus, seed, vec![script.clone()]).wrong;
    let mut why = wrong(&script)?;
    let mut n = script.steps.len();
    while n > 0 {
        n -= 1;
        for at in (0..script.steps[n].len()).rev() {
            let mut shorter = script.clone();
            // An empty step stays: time goes on. So do the ends: every thread has to.
            if shorter.steps[n].remove(at).1 == Op::Exit {
                continue;
            }
            if shorter.is_allowed()
                && let Some(w) = wrong(&shorter)
            {
                (script, why) = (shorter, w);
            }
        }
    }
    Some((script, why))
}

/// Plays the scripts of `machines` seeds and answers what happened, and in how many scripts.
fn compare(cpus: usize, machines: u64) -> (Counts, usize) {
    let (all, scripts) = (Cell::new(Counts::default()), Cell::new(0));
    seeds(machines, |seed| {
        let rng = Rng::new(seed ^ 0x7363_7269_7074);
        let drawn: Vec<_> = (0..SCRIPTS).map(|_| Script::draw(&rng, cpus > 1)).collect();
        let found = on_a_machine(cpus, seed, drawn.clone());
        if let Some(wrong) = found.wrong {
            let script = drawn[found.played].clone();
            match shrink(cpus, seed, script.clone()) {
                Some((short, why)) => {
                    panic!("script {} of seed {seed}: {wrong}\nshorter:\n{short:?}{why}", found.played)
                }
                None => panic!("script {} of seed {seed}: {wrong}\n{script:?}alone it passes", found.played),
            }
        }
        let mut counts = all.get();
        counts.add(&found.counts);
        all.set(counts);
        scripts.set(scripts.get() + found.played);
    });
    (all.get(), scripts.get())
}

/// Whatever the scripts are for has happened in one of twenty of them at least.
fn assert_often((counts, scripts): (Counts, usize), never: &[What]) {
    for what in ALL.into_iter().filter(|what| !never.contains(what)) {
        assert!(counts.of(what) >= scripts / 20, "{what:?}: {} times in {scripts} scripts", counts.of(what));
    }
}

/// RM-02..RM-11: several commands at once, in the order that priorities make.
#[test]
fn on_one_cpu() {
    assert_often(compare(1, 190), &[]);
}

/// RM-02..RM-11: one command after another, on whatever CPUs.
#[test]
fn on_four_cpus() {
    assert_often(compare(4, 65), &[What::Steal, What::OtherWoken]);
}
