//! Where may a real-time kernel keep interrupts or preemption off at all? (PM-07.3)
//!
//! When a test ends the test image prints `place FILE:LINE` for each place where that began, however short it was.

use super::latency::unreadable;
use anyhow::Result;

/// The white list: what the sections are for, and the files, or directories of files, in which they begin. Under `rt` nothing else
/// may keep interrupts or preemption off: not what takes spinlocks or local locks, disables bottom halves, or handles interrupts in
/// threads. A place is that of the caller where the kernel's function names its caller, as locks, guards and waits do.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("interrupt entry and exit, hard handlers, raw locks of lines", &["kernel/src/irq/", "kernel/src/ipi/"]),
    ("the scheduler, and the raw locks of its run queues", &["kernel/src/sched/"]),
    ("raw locks of the timer queue", &["kernel/src/time/queue.rs"]),
    ("raw locks of grace periods, readers and callbacks", &["kernel/src/rcu/"]),
    (
        "raw locks of those who wait, or are there at all",
        &[
            "kernel/src/sync/completion.rs",
            "kernel/src/sync/condvar.rs",
            "kernel/src/sync/event_flags.rs",
            "kernel/src/sync/queue/",
            "kernel/src/sync/robust/",
            "kernel/src/sync/rtmutex/",
            "kernel/src/sync/semaphore.rs",
            "kernel/src/sync/wait.rs",
            "kernel/src/sync/waitqueue.rs",
            "kernel/src/thread/join.rs",
            "kernel/src/thread/table.rs",
        ],
    ),
    (
        "raw locks and guards around a few words: log records, the UART's ring, pins, pools, what a report prints",
        &[
            "kernel/src/log/",
            "kernel/src/pool.rs",
            "kernel/src/report.rs",
            "kernel/src/uart.rs",
            "kernel/bcm2711/src/gpio.rs",
        ],
    ),
    (
        "explicit guards and waits of what measures, makes load and tests",
        &["kernel/shell/src/load.rs", "tests/on-target/"],
    ),
];

/// Reads the places from a test's text.
pub fn parse(text: &str) -> Result<Vec<&str>> {
    let lines = text.lines().map(str::trim).filter(|line| line.split(' ').next() == Some("place"));
    let places = lines.map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["place", place] => Ok(place),
        _ => Err(unreadable(line)),
    });
    Ok(places.collect::<Result<Vec<_>, _>>()?)
}

/// What is wrong with the places of a test that ran to its end.
pub fn wrong(places: &[&str]) -> Option<String> {
    if places.is_empty() {
        return Some("it named no place where interrupts or preemption went off".into());
    }
    let allowed = |place: &str| ALLOWED.iter().any(|(_, files)| files.iter().any(|file| place.starts_with(file)));
    let place = places.iter().find(|place| !allowed(place))?;
    Some(format!(
        "interrupts or preemption went off in {place}, which is not on the white list (tools/src/suite/places.rs)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_among_other_text() {
        let text = "place of birth\r\n";
        assert!(parse(text).is_err());
        let text = "test x\r\nplace kernel/src/a.rs:1\r\nplaces\nplace kernel/src/b.rs:22\nlatency irqsoff 1 x 0 a b\n";
        assert_eq!(parse(text).unwrap(), ["kernel/src/a.rs:1", "kernel/src/b.rs:22"]);
    }

    #[test]
    fn what_is_not_on_the_list_is_named() {
        let good = ["kernel/src/irq/dispatch.rs:50", "kernel/src/time/queue.rs:1", "tests/on-target/src/crew.rs:3"];
        assert_eq!(wrong(&good), None);
        for bad in [
            "kernel/src/bh.rs:7",
            "kernel/src/sync/short.rs:38",
            "kernel/src/time/mod.rs:1",
            "/lib/core/function.rs:1",
            "?",
        ] {
            let text = wrong(&[good[0], bad]).unwrap();
            assert!(text.contains(bad), "{text}");
        }
        assert!(wrong(&[]).is_some());
    }
}
