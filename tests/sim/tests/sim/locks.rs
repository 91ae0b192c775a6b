//! What does the raw spinning lock do when it is held already (LK-01)?
use crate::harness::{run, run_to_bug};
use kernel::sync::RawSpinLock;

/// LK-01.2: the owner locks again: a BUG that says so.
#[test]
fn locking_twice_is_a_bug() {
    run_to_bug("recursion", |cx| {
        let lock: RawSpinLock<()> = RawSpinLock::new(());
        let mut guard = lock.lock(cx);
        let _ = lock.lock_in(guard.cx());
    });
}

/// LK-01: trying a held lock fails without spinning or changing it; with two held, either may go first.
#[test]
fn trying_a_held_lock_fails() {
    run(|cx| {
        let (a, b): (RawSpinLock<u32>, RawSpinLock<u32>) = (RawSpinLock::new(1), RawSpinLock::new(2));
        let mut held = a.lock(cx);
        assert!(a.try_lock(held.cx()).is_none());
        assert!(a.is_locked() && !b.is_locked());
        *b.try_lock(held.cx()).unwrap() += 1;
        assert!(a.is_locked() && !b.is_locked());
        assert_eq!((*held, *b.lock_in(held.cx())), (1, 3));
        drop(held);
        assert!(a.try_lock(cx).is_some());
        assert!(!a.is_locked());
    });
}
