//! Is a request for a grace period ever left behind (RC-01)?
//!
//! How `rcu_gp` is told that there is something to look at (`kernel/src/rcu/thread.rs`); its wait queue is a lock and who waits.
use crate::{explore, word::Word};
use logic::atomic::{Ordering::SeqCst, Word as _};
use loom::{sync::Mutex, thread};
use std::sync::Arc;

/// Which step is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// Who tells wakes first.
    WakesFirst,
    /// The thread looks, and forgets then that it was told.
    ForgetsLate,
}

struct Gate {
    told: Word,
    waiter: Mutex<Option<thread::Thread>>,
    requests: Mutex<u32>,
    wrong: Wrong,
}

impl Gate {
    fn wake(&self) {
        if let Some(waiter) = self.waiter.lock().unwrap().take() {
            waiter.unpark();
        }
    }
    fn request(&self) {
        *self.requests.lock().unwrap() += 1;
        let wakes_first = self.wrong == Wrong::WakesFirst;
        if wakes_first {
            self.wake();
        }
        self.told.store(1, SeqCst);
        if !wakes_first {
            self.wake();
        }
    }
    fn is_told(&self) -> bool {
        if self.wrong == Wrong::ForgetsLate { self.told.load(SeqCst) != 0 } else { self.told.swap(0, SeqCst) != 0 }
    }
    fn until_told(&self) {
        while !self.is_told() {
            *self.waiter.lock().unwrap() = Some(thread::current());
            if self.is_told() {
                *self.waiter.lock().unwrap() = None;
                return;
            }
            thread::park();
        }
    }
    /// The thread, until it knows of this many requests.
    fn serve(&self, requests: u32) {
        let mut known = 0;
        while known < requests {
            self.until_told();
            known = *self.requests.lock().unwrap();
            if self.wrong == Wrong::ForgetsLate {
                self.told.store(0, SeqCst);
            }
        }
    }
}

/// Two CPUs ask for something. A thread that sleeps on is a deadlock to loom.
fn two_ask(wrong: Wrong) {
    let (told, waiter, requests) = (Word::seq_cst(0), Mutex::new(None), Mutex::new(0));
    let gate = Arc::new(Gate { told, waiter, requests, wrong });
    let (serves, asks) = (Arc::clone(&gate), Arc::clone(&gate));
    let serves = thread::spawn(move || serves.serve(2));
    let asks = thread::spawn(move || asks.request());
    gate.request();
    asks.join().unwrap();
    serves.join().unwrap();
}

/// RC-01: no request for a grace period is left behind.
#[test]
fn told_no_request_is_lost() {
    explore(3, || two_ask(Wrong::Nothing));
}
/// RC-01: a thread that is woken before it was told goes back to sleep.
#[test]
#[should_panic(expected = "deadlock")]
fn told_after_the_wake_up_fails() {
    explore(3, || two_ask(Wrong::WakesFirst));
}
/// RC-01: what comes after the look and before the thread forgets that it was told is forgotten, too.
#[test]
#[should_panic(expected = "deadlock")]
fn told_forgotten_after_the_look_fails() {
    explore(3, || two_ask(Wrong::ForgetsLate));
}
