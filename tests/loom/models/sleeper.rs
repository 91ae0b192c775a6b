//! How does a thread of the models sleep? As the kernel's do (`kernel/src/sched`), with loom's lock for the run queue's.
use crate::word::{Orders, Word, Written};
use logic::{handshake, wakeflag::Announced};
use loom::{sync::Mutex, thread};
use std::cell::RefCell;

const RUNNING: u32 = 0;
const WAITING: u32 = 1;

/// A thread, with the orders of its announced state.
pub struct Sleeper<O = Written> {
    state: Announced<Word<O>>,
    queue: Mutex<()>,
    /// The thread, once it has slept.
    parked: RefCell<Option<thread::Thread>>,
}

// SAFETY: `parked` is reached with `queue` held.
unsafe impl<O> Sync for Sleeper<O> {}
// SAFETY: a thread's handle may go anywhere in its model.
unsafe impl<O> Send for Sleeper<O> {}

impl<O: Orders> Sleeper<O> {
    pub fn new() -> Self {
        Self { state: Announced::new(Word::seq_cst(RUNNING)), queue: Mutex::new(()), parked: RefCell::new(None) }
    }
    /// What a waker does when it has made the condition true.
    pub fn wake(&self) {
        let _queue = self.queue.lock().unwrap();
        if self.state.look() != RUNNING {
            self.state.set(RUNNING);
            if let Some(thread) = &*self.parked.borrow() {
                thread.unpark();
            }
        }
    }
}

impl<O: Orders> handshake::Sleeper for Sleeper<O> {
    fn announce(&self) {
        self.state.announce(WAITING);
    }
    fn block(&self) {
        loop {
            {
                let _queue = self.queue.lock().unwrap();
                if self.state.get() == RUNNING {
                    return;
                }
                *self.parked.borrow_mut() = Some(thread::current());
            }
            thread::park();
        }
    }
    fn stay_awake(&self) {
        self.state.announce(RUNNING);
    }
}
