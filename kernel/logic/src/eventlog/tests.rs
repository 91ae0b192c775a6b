//! Events recorded in turn, beside each other and in the middle of each other.

use super::*;
use std::vec::Vec;

fn seqs<const C: usize, const N: usize>(log: &EventLog<C, N>) -> Vec<u64> {
    log.drain().map(|event| event.seq).collect()
}

#[test]
fn hc_01_1_ten_events_in_a_log_of_eight() {
    let log = EventLog::<1, 8>::new();
    for i in 1..=10 {
        log.record(0, 100 + i, Kind(7), i, !i);
    }
    assert_eq!(log.dropped(), 2);
    let events: Vec<Event> = log.drain().collect();
    let expected = |i| Event { seq: i, cpu: 0, time: 100 + i, kind: Kind(7), a: i, b: !i };
    assert_eq!(events, (3..=10).map(expected).collect::<Vec<_>>());
    assert_eq!((log.dropped(), log.seq()), (2, 10));
    assert!(seqs(&log).is_empty());
}

#[test]
fn hc_01_2_four_cpus_record_at_once() {
    const EACH: u64 = 10_000;
    // Too large for a test's stack.
    static LOG: EventLog<4, 16384> = EventLog::new();
    let log = &LOG;
    std::thread::scope(|scope| {
        for cpu in 0..4 {
            scope.spawn(move || (0..EACH).for_each(|i| log.record(cpu, 0, Kind(0), i, 0)));
        }
    });
    let events: Vec<Event> = log.drain().collect();
    assert_eq!((events.len() as u64, log.dropped()), (4 * EACH, 0));
    assert!(events.is_sorted_by(|one, next| one.seq < next.seq));
    for cpu in 0..4 {
        assert!(events.iter().filter(|event| event.cpu == cpu).map(|event| event.a).eq(0..EACH));
    }
}

#[test]
fn a_drain_beside_the_writers_sees_whole_events_in_order() {
    const EACH: u64 = 100_000;
    let log = EventLog::<2, 8>::new();
    let mut yielded = 0;
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let log = &log;
            scope.spawn(move || (0..EACH).for_each(|i| log.record(cpu, i, Kind(i as u16), i, !i)));
        }
        let mut last = [None; 2];
        while yielded + log.dropped() < 2 * EACH {
            for event in log.drain() {
                assert_eq!((event.time, event.kind, event.b), (event.a, Kind(event.a as u16), !event.a));
                assert!(last[event.cpu] < Some((event.seq, event.a)));
                last[event.cpu] = Some((event.seq, event.a));
                yielded += 1;
            }
        }
    });
    yielded += log.drain().count() as u64;
    assert_eq!(yielded + log.dropped(), 2 * EACH);
}

#[test]
fn a_drain_that_is_not_finished_leaves_the_rest() {
    let log = EventLog::<2, 8>::new();
    (0..6).for_each(|i| log.record(i % 2, 0, Kind(0), 0, 0));
    assert!(log.drain().take(2).map(|event| event.seq).eq(1..=2));
    log.record(0, 0, Kind(0), 0, 0);
    assert_eq!(seqs(&log), [3, 4, 5, 6, 7]);
    log.record(2, 0, Kind(0), 0, 0);
    assert!(seqs(&log).is_empty(), "an unknown CPU records nothing");
}

const STEPS: [Step; 6] = [Step::Look, Step::Draw, Step::ClaimIndex, Step::ClaimSlot, Step::Write, Step::Complete];

/// A record interrupted at each step by records that are interrupted at each step, up to twice round the log.
#[test]
fn interrupted_records_stay_whole_and_in_order() {
    for (outer, inner) in STEPS.iter().flat_map(|outer| STEPS.map(|inner| (*outer, inner))) {
        for (many, more) in (0..10).flat_map(|many| (0..10).map(move |more| (many, more))) {
            let log = EventLog::<1, 4>::new();
            let event = |tag: u64| Event { seq: 0, cpu: 0, time: tag, kind: Kind(tag as u16), a: tag, b: !tag };
            log.record(0, 0, Kind(0), 0, !0);
            let mut tag = 1;
            let mut first = true;
            log.record_stepwise(event(tag), |step| {
                if step != outer || !core::mem::take(&mut first) {
                    return;
                }
                for i in 0..many {
                    tag += 1;
                    let mut first = i == 0;
                    log.record_stepwise(event(tag), |step| {
                        if step == inner && core::mem::take(&mut first) {
                            for _ in 0..more {
                                tag += 1;
                                log.record_stepwise(event(tag), |_| {});
                            }
                        }
                    });
                }
            });
            let context = (outer, inner, many, more);
            let events: Vec<Event> = log.drain().collect();
            for event in &events {
                assert_eq!((event.time, event.kind, event.b), (event.a, Kind(event.a as u16), !event.a), "{context:?}");
            }
            assert!(events.is_sorted_by(|one, next| one.seq < next.seq), "{context:?}");
            assert_eq!(events.len() as u64 + log.dropped(), tag + 1, "{context:?}");
            assert!(!events.is_empty() && seqs(&log).is_empty(), "{context:?}");
        }
    }
}

#[test]
fn an_unfinished_event_holds_up_a_drain_but_not_the_last_one() {
    let log = EventLog::<1, 8>::new();
    let event = Event { seq: 0, cpu: 0, time: 0, kind: Kind(0), a: 0, b: 0 };
    log.record(0, 0, Kind(0), 0, 0);
    log.record_stepwise(event, |step| {
        if step == Step::Write {
            log.record(0, 0, Kind(0), 0, 0);
            assert_eq!(seqs(&log), [1]);
            assert!(log.drain_unfinished().map(|event| event.seq).eq([3]));
            assert_eq!(log.dropped(), 1);
        }
    });
    assert!(seqs(&log).is_empty());
}
