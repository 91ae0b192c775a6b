//@ pass
//! RC-04: inside the section of a reader the thread's own token is borrowed: nothing there sleeps.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
    sync::Semaphore,
};

fn section(cx: &mut ThreadCx, place: &RcuPtr<u32>, free: &Semaphore) -> Option<u32> {
    free.down(cx);
    let reader = rcu::read(cx);
    place.load(&reader).copied()
}

fn main() {}
