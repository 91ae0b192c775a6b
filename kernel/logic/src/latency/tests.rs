//! Sections as TR-01 tells them, and any sequence of changes against a line of time.
use super::*;
use proptest::prelude::*;

fn lengths(tracker: &Tracker<u32>, kind: Kind) -> Vec<u64> {
    tracker.findings(kind).records().map(|section| section.length).collect()
}

/// Masks interrupts for `length`, from and to places that tell which section it was.
fn masked(tracker: &mut Tracker<u32>, at: u64, length: u64, nth: u32) {
    tracker.irqs_off(at, 10 * nth);
    tracker.irqs_on(at + length, 10 * nth + 1);
}

fn three_sections() -> Tracker<u32> {
    let mut tracker = Tracker::new();
    for kind in Kind::ALL {
        tracker.set_threshold(kind, Some(100)).unwrap();
    }
    for (nth, length) in [50, 200, 120].into_iter().enumerate() {
        masked(&mut tracker, 1000 * nth as u64, length, nth as u32);
    }
    tracker
}

/// TR-01.1: the longest, with the places where it began and ended; nothing after a reset.
#[test]
fn the_longest_with_both_places() {
    let mut tracker = three_sections();
    let longest = Some(Section { length: 200, start: 10, end: 11 });
    assert_eq!(tracker.findings(Kind::IrqsOff).longest(), longest);
    assert_eq!(tracker.findings(Kind::Either).longest(), longest);
    assert_eq!(tracker.findings(Kind::PreemptOff).longest(), None);
    tracker.reset(Kind::IrqsOff);
    assert_eq!(tracker.findings(Kind::IrqsOff).longest(), None);
    assert_eq!(tracker.findings(Kind::Either).longest(), longest);
}

/// TR-01.2: what is at least as long as the threshold is recorded; a reset forgets the records and keeps the threshold.
#[test]
fn the_threshold_records() {
    let mut tracker = three_sections();
    assert_eq!(lengths(&tracker, Kind::IrqsOff), [200, 120]);
    tracker.reset(Kind::IrqsOff);
    assert_eq!(lengths(&tracker, Kind::IrqsOff), [0; 0]);
    masked(&mut tracker, 5000, 99, 1);
    masked(&mut tracker, 6000, 100, 1);
    assert_eq!(lengths(&tracker, Kind::IrqsOff), [100]);
    tracker.set_threshold(Kind::IrqsOff, None).unwrap();
    masked(&mut tracker, 7000, 500, 1);
    assert_eq!((lengths(&tracker, Kind::IrqsOff), tracker.findings(Kind::IrqsOff).recorded()), (vec![100], 1));
}

#[test]
fn a_bad_threshold_changes_nothing() {
    let mut tracker = three_sections();
    assert_eq!(tracker.set_threshold(Kind::Either, Some(0)), Err(BadThreshold));
    assert_eq!(tracker.findings(Kind::Either).threshold(), Some(100));
}

#[test]
fn the_newest_records_are_kept_in_order() {
    let mut tracker = Tracker::new();
    tracker.set_threshold(Kind::IrqsOff, Some(1)).unwrap();
    for n in 1..=40 {
        masked(&mut tracker, 1000 * n, n, 0);
    }
    assert_eq!(lengths(&tracker, Kind::IrqsOff), (25..=40).collect::<Vec<_>>());
    assert_eq!(tracker.findings(Kind::IrqsOff).recorded(), 40);
}

/// TR-01.3: what happens while tracking is paused is in no section, before and after are two.
#[test]
fn a_pause_is_not_counted() {
    let mut tracker = Tracker::new();
    tracker.set_threshold(Kind::IrqsOff, Some(1)).unwrap();
    tracker.irqs_off(0, 0);
    tracker.pause(30, 1);
    tracker.resume(10_000, 2);
    tracker.irqs_on(10_020, 3);
    let found: Vec<_> = tracker.findings(Kind::IrqsOff).records().collect();
    assert_eq!(found, [Section { length: 30, start: 0, end: 1 }, Section { length: 20, start: 2, end: 3 }]);
}

/// TR-01.4: the union of nested and of overlapping sections counts once.
#[test]
fn the_union_counts_once() {
    let mut tracker = Tracker::new();
    for kind in Kind::ALL {
        tracker.set_threshold(kind, Some(1)).unwrap();
    }
    // Nested: 10 + 20 + 5.
    tracker.preempt_off(0, 0);
    tracker.irqs_off(10, 1);
    tracker.irqs_on(30, 2);
    tracker.preempt_on(35, 3);
    // Overlapping: 100 to 150, 120 to 190.
    tracker.irqs_off(100, 4);
    tracker.preempt_off(120, 5);
    tracker.irqs_on(150, 6);
    tracker.preempt_on(190, 7);
    assert_eq!(lengths(&tracker, Kind::PreemptOff), [35, 70]);
    assert_eq!(lengths(&tracker, Kind::IrqsOff), [20, 50]);
    assert_eq!(lengths(&tracker, Kind::Either), [35, 90]);
    assert_eq!(tracker.findings(Kind::Either).longest(), Some(Section { length: 90, start: 4, end: 7 }));
}

#[test]
fn names_are_those_of_linux() {
    assert_eq!(Kind::ALL.map(Kind::name), ["irqsoff", "preemptoff", "preemptirqsoff"]);
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Irqs(bool),
    Preempt(bool),
    Pause(bool),
    Ignore,
    Watch(Kind, bool),
    Reset(Kind),
}

fn op() -> impl Strategy<Value = Op> {
    let kind = || prop::sample::select(&Kind::ALL[..]);
    prop_oneof![
        6 => any::<bool>().prop_map(Op::Irqs),
        6 => any::<bool>().prop_map(Op::Preempt),
        2 => any::<bool>().prop_map(Op::Pause),
        1 => Just(Op::Ignore),
        1 => (kind(), any::<bool>()).prop_map(|(kind, on)| Op::Watch(kind, on)),
        1 => kind().prop_map(Op::Reset),
    ]
}

/// The sections of one kind, from a line of time with one entry a unit: whether the kind's condition holds there, and
/// whether at its beginning something forbade to count what lasts. Only what began while it was watched counts, and what
/// ended; a reset forgets what was before it.
fn naive(ops: &[(Op, u64)], kind: Kind) -> Vec<(u64, u64)> {
    let (mut masked, mut disabled, mut paused, mut on) = (false, false, false, true);
    let (mut line, mut forget_before) = (vec![], 0);
    for &(op, duration) in ops {
        let mut cut = false;
        match op {
            Op::Irqs(off) => masked = off,
            Op::Preempt(off) => disabled = off,
            Op::Pause(now) => paused = now,
            Op::Ignore => cut = true,
            Op::Watch(k, now) if k == kind => {
                (on, cut) = (now, true);
                if now {
                    forget_before = line.len() as u64;
                }
            }
            Op::Reset(k) if k == kind => {
                cut = true;
                forget_before = line.len() as u64;
            }
            _ => {}
        }
        let holds = !paused
            && match kind {
                Kind::IrqsOff => masked,
                Kind::PreemptOff => disabled,
                Kind::Either => masked || disabled,
            };
        for n in 0..duration {
            line.push((holds, on, cut && n == 0));
        }
    }
    let mut found = vec![];
    let mut at = 0;
    while at < line.len() {
        let length = line[at..].iter().take_while(|entry| entry.0).count();
        let end = at + length;
        if length > 0 && end < line.len() {
            let counts = line[at].1 && line[at..end].iter().all(|entry| !entry.2);
            if counts && end as u64 > forget_before {
                found.push((at as u64, end as u64));
            }
        }
        at = end + 1;
    }
    found
}

proptest! {
    /// Any sequence of changes: each kind finds the sections of the naive model, with the moments of their changes for
    /// places.
    #[test]
    fn as_a_line_of_time_tells(ops in prop::collection::vec((op(), 1u64..8), 1..60)) {
        let mut tracker = Tracker::new();
        for kind in Kind::ALL {
            tracker.set_threshold(kind, Some(1)).unwrap();
        }
        let mut at = 0;
        for &(op, duration) in &ops {
            match op {
                Op::Irqs(true) => tracker.irqs_off(at, at),
                Op::Irqs(false) => tracker.irqs_on(at, at),
                Op::Preempt(true) => tracker.preempt_off(at, at),
                Op::Preempt(false) => tracker.preempt_on(at, at),
                Op::Pause(true) => tracker.pause(at, at),
                Op::Pause(false) => tracker.resume(at, at),
                Op::Ignore => tracker.ignore(),
                Op::Watch(kind, true) => tracker.start(kind),
                Op::Watch(kind, false) => tracker.stop(kind),
                Op::Reset(kind) => tracker.reset(kind),
            }
            at += duration;
        }
        for kind in Kind::ALL {
            let expected = naive(&ops, kind);
            let findings = tracker.findings(kind);
            let found: Vec<_> = findings.records().map(|s| (s.start, s.end)).collect();
            let newest = expected.len().saturating_sub(RECORDS);
            prop_assert_eq!(found, &expected[newest..], "{:?}", kind);
            let longest = expected.iter().map(|(start, end)| end - start).max();
            prop_assert_eq!(findings.longest().map(|s| s.length), longest);
            prop_assert!(findings.longest().is_none_or(|s| s.end - s.start == s.length));
        }
    }
}
