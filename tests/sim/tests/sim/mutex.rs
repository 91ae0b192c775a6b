//! Is a mutex one thread's at a time, and whose is it next? (LK-07, RM-01, RM-02, RM-11)
use crate::harness::{become_policy, exact, fair, fifo, ms, run_with, start, warnings};
use hw::sim::Config;
use kernel::{
    ThreadCx,
    sync::{Mutex, Semaphore},
    thread::{self, ThreadId},
    time,
};
use std::sync::Arc;

/// What a thread runs as now.
pub fn level(cx: &mut ThreadCx, id: ThreadId) -> u8 {
    let mut level = None;
    thread::for_each(cx, |_, info| {
        if info.id == id {
            level = Some(info.level.get());
        }
    });
    level.expect("a live thread")
}

/// RM-02.1: a waiter lends its priority to the owner until the owner gives the lock back; then the waiter owns it.
#[test]
fn a_waiter_lends_its_priority() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let lock = Arc::new(Mutex::new(0));
        let go = Arc::new(Semaphore::new(0));
        let (mine, gate) = (lock.clone(), go.clone());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let mut guard = mine.lock(cx);
            gate.down(cx);
            *guard += 1;
            drop(guard);
            let me = thread::current_id();
            assert_eq!(level(cx, me), 0);
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, owner.id()), 0);
        assert_eq!(lock.owner(), Some(owner.id()));
        let mine = lock.clone();
        let mut waiter = start(cx, "waiter", fifo(20), move |cx| {
            let mut guard = mine.lock(cx);
            assert_eq!(*guard, 1);
            assert_eq!(mine.owner(), Some(thread::current_id()));
            *guard += 1;
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, owner.id()), 20);
        assert_eq!(lock.top_waiter(), Some(waiter.id()));
        go.up(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        owner.join(cx).unwrap();
        waiter.join(cx).unwrap();
        assert_eq!(*lock.lock(cx), 2);
        assert_eq!((lock.owner(), lock.top_waiter()), (None, None));
    });
}

/// RM-02.6: with `pi=off` nobody inherits, whether the owner's policy changes meanwhile or not; any other value is a warning and
/// leaves inheritance on.
#[test]
fn inheritance_can_be_switched_off_at_boot() {
    for (bootargs, lent, complaint) in [
        ("pi=off", false, None),
        ("pi=on", true, None),
        ("pi=off pi=on", true, None),
        ("pi=bogus", true, Some("boot argument pi=bogus is not understood, ignored")),
        ("pi", true, Some("boot argument pi= is not understood, ignored")),
    ] {
        let outcome = run_with(Config::default(), bootargs, move |cx| {
            become_policy(cx, fifo(99));
            let (lock, go) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(0)));
            let (mine, gate) = (lock.clone(), go.clone());
            let mut owner = start(cx, "owner", fair(), move |cx| mine.with(cx, |_, cx| gate.down(cx)));
            time::sleep(cx, ms(1)).unwrap();
            let mine = lock.clone();
            let mut waiter = start(cx, "waiter", fifo(20), move |cx| drop(mine.lock(cx)));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(level(cx, owner.id()), if lent { 20 } else { 0 });
            kernel::sched::set(cx, owner.id(), fifo(10)).unwrap();
            assert_eq!(level(cx, owner.id()), if lent { 20 } else { 10 });
            assert_eq!(kernel::verify::all(cx), Ok(()));
            go.up(cx).unwrap();
            owner.join(cx).unwrap();
            waiter.join(cx).unwrap();
        });
        assert_eq!(warnings(&outcome).len(), usize::from(complaint.is_some()), "{bootargs}: {}", outcome.console);
        assert!(complaint.is_none_or(|text| outcome.console.contains(text)), "{bootargs}: {}", outcome.console);
    }
}
