//! Do grace periods wait for readers, and for nobody else? (RC-01 to RC-05)
use crate::harness::{MS, fair, fifo, run, start};
use kernel::{
    rcu::{self, RcuPtr},
    sync::Semaphore,
    thread,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// RC-01.1, RC-03.1: `synchronize` returns only after a reader that lost its CPU has left.
#[test]
fn waits_for_a_preempted_reader() {
    run(|cx| {
        let (left, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let (flag, go) = (left.clone(), gate.clone());
        let mut reader = start(cx, "reader", fair(), move |cx| {
            let guard = rcu::read(cx);
            hw::sim::spend(MS);
            flag.store(1, SeqCst);
            drop(guard);
            go.down(cx);
        });
        let mut updater = start(cx, "updater", fifo(40), move |cx| {
            kernel::time::sleep(cx, core::time::Duration::from_micros(500)).unwrap();
            assert_eq!(rcu::stats().blocked_readers, 1);
            rcu::synchronize(cx).unwrap();
            assert_eq!(left.load(SeqCst), 1);
        });
        thread::yield_now(cx);
        updater.join(cx).unwrap();
        gate.up(cx).unwrap();
        reader.join(cx).unwrap();
        assert_eq!(rcu::stats().blocked_readers, 0);
        assert!(rcu::stats().grace_periods > 0);
    });
}

/// RC-06: what is retired is dropped after a grace period, by a thread.
#[test]
fn retired_values_are_freed() {
    struct Counted(Arc<AtomicU32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    run(|cx| {
        let drops = Arc::new(AtomicU32::new(0));
        let place = RcuPtr::new(Counted(drops.clone()));
        let mut guard = rcu::read(cx);
        let (section, inner) = guard.split();
        let old = place.load(section).unwrap();
        place.replace(Counted(drops.clone())).unwrap().free(inner);
        assert_eq!((drops.load(SeqCst), old.0.load(SeqCst)), (0, 0));
        drop(guard);
        rcu::barrier(cx).unwrap();
        assert_eq!(drops.load(SeqCst), 1);
        drop(place);
        rcu::barrier(cx).unwrap();
        assert_eq!(drops.load(SeqCst), 2);
    });
}
