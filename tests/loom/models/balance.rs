//! Can a ready thread wait at one CPU while another runs something less urgent, and neither notice?
use crate::{
    explore,
    word::{Orders, Word, Written},
};
use logic::balance::{Now, Published};
use loom::thread;
use std::sync::Arc;

const LOW: u32 = 1;
const WAITS: u32 = 5;
const HIGH: u32 = 9;

/// At A a thread comes to wait, while B turns from something more to something less urgent.
fn one_sees_the_other<O: Orders>() {
    let cpu = || Published::<Word<O>>::new(Word::new(HIGH), Word::new(0), Word::new(0));
    let cpus = Arc::new([cpu(), cpu()]);
    let b = {
        let cpus = Arc::clone(&cpus);
        thread::spawn(move || {
            let [a, b] = &*cpus;
            b.publish(Now { runs: LOW, ..Now::default() });
            Published::<Word<O>>::then_look();
            a.waits() == WAITS
        })
    };
    let [a, b_published] = &*cpus;
    a.publish(Now { runs: HIGH, waits: WAITS, bound: 0 });
    Published::<Word<O>>::then_look();
    let a_tells = b_published.runs() == LOW;
    let b_pulls = b.join().unwrap();
    assert!(a_tells || b_pulls, "the thread waits beside a CPU that could run it");
}

/// SC-11: at least one of two CPUs sees what the other has published.
#[test]
fn balance_one_sees_the_other() {
    explore(None, one_sees_the_other::<Written>);
}

/// The same without fences.
struct NoFence;
impl Orders for NoFence {
    const FENCES: bool = false;
}

/// SC-11: without the fences neither may see the other.
#[test]
#[should_panic(expected = "the thread waits beside a CPU")]
fn balance_without_fences_fails() {
    explore(None, one_sees_the_other::<NoFence>);
}
