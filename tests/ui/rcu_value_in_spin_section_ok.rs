//@ pass
//! RC-01.4: the section of a spinlock is no reader, which may be opened in it.
use kernel::{
    ThreadCx,
    rcu::{self, RcuPtr},
    sync::SpinLock,
};

fn section(cx: &mut ThreadCx, lock: &SpinLock<()>, place: &RcuPtr<u32>) -> Option<u32> {
    lock.with(cx, |(), cx| place.load(&rcu::read(cx)).copied())
}

fn main() {}
