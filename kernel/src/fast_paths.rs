//! What do the paths cost that are compiled into whoever takes them, where nobody is in the way?
//!
//! Counted here, in code that is compiled as the kernel is: the bench around it is compiled for size alone.
use crate::{
    ThreadCx, rcu,
    sync::{MessageQueue, Mutex, Semaphore},
};
use hw::clock::cycles;

/// Is told a round and what it took.
pub type Note = fn(usize, u64);

/// As long as the messages of other kernels that were measured: 16 bytes.
type Message = [u64; 2];

/// Takes a mutex and gives it back.
#[inline(never)]
pub fn mutex(cx: &mut ThreadCx, rounds: usize, note: Note) {
    let mutex = Mutex::new(());
    for round in 0..rounds {
        let began = cycles();
        drop(mutex.lock(cx));
        note(round, cycles() - began);
    }
}

/// Takes a semaphore's only unit and gives it back.
#[inline(never)]
pub fn semaphore(cx: &mut ThreadCx, rounds: usize, note: Note) {
    let semaphore = Semaphore::new(1);
    for round in 0..rounds {
        let began = cycles();
        semaphore.down(cx);
        // The count is one below where it was.
        let _ = semaphore.up(cx);
        note(round, cycles() - began);
    }
}

/// Sends a message and receives it.
#[inline(never)]
pub fn queue(cx: &mut ThreadCx, rounds: usize, note: Note) {
    let queue = MessageQueue::<Message, 8>::new();
    for round in 0..rounds {
        let message = core::hint::black_box([round as u64, !(round as u64)]);
        let began = cycles();
        queue.send(cx, message);
        let received = queue.receive(cx);
        note(round, cycles() - began);
        core::hint::black_box(received);
    }
}

/// Begins to read, and ends.
#[inline(never)]
pub fn rcu_read(cx: &mut ThreadCx, rounds: usize, note: Note) {
    for round in 0..rounds {
        let began = cycles();
        drop(rcu::read(cx));
        note(round, cycles() - began);
    }
}
