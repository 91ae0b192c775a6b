//! Does a drain of the event log get whole events while a CPU overwrites them?
use crate::explore;
use logic::eventlog::{EventLog, Kind};
use loom::{sync::Arc, thread};

/// Events whose fields belong together are drained together.
#[test]
fn eventlog_drain_never_sees_a_torn_event() {
    explore(3, || {
        let log = Arc::new(EventLog::<1, 1>::new());
        let shared = Arc::clone(&log);
        let drain = thread::spawn(move || {
            for event in shared.drain() {
                assert_eq!((event.time, event.a, event.b), (event.seq, event.seq, event.seq));
            }
        });
        for i in 1..=2 {
            log.record(0, i, Kind(0), i, i);
        }
        drain.join().unwrap();
    });
}
