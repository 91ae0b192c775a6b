//! What are IRQ threads called, how urgent are they, and can that be changed? (IP-01, IP-02)
use crate::{
    harness::fifo,
    irq_kit::{Count, IRQ, Story, be_fifo, clean, edge, fire},
};
use hw::sim;
use kernel::{
    Error, Policy, ThreadCx,
    irq::{self, Flags, Handled, Irq, Line, Primary, Request, Trigger},
    sched,
    thread::{self, ThreadId},
    time,
};
use std::time::Duration;

fn named(cx: &mut ThreadCx, intid: u32, dev: &str) -> String {
    let ask = Request::new(Irq::new(intid), dev).trigger(Trigger::EdgeRising).flags(Flags::ONESHOT);
    let line = ask.threaded(|_| Handled::Yes).submit(cx).unwrap();
    let (name, ..) = irq::info(cx, Irq::new(intid)).unwrap().handlers[0].thread.clone().unwrap();
    line.free(cx).unwrap();
    name.to_string()
}

/// IP-01.1: names are whole up to 31 bytes and then cut on a character boundary.
#[test]
fn names_of_threads() {
    clean(|cx| {
        assert_eq!(named(cx, 128, "enp2s0-rx-0"), "irq/128-enp2s0-rx-0");
        assert_eq!(named(cx, 128, &"d".repeat(40)), format!("irq/128-{}", "d".repeat(23)));
        assert_eq!(named(cx, 40, &"d".repeat(24)), format!("irq/40-{}", "d".repeat(24)), "exactly 31");
        // Two bytes a character: 8 + 2 * 11 = 30, another one would be 32.
        assert_eq!(named(cx, 128, &"ü".repeat(20)), format!("irq/128-{}", "ü".repeat(11)));
        assert_eq!(named(cx, 40, ""), "irq/40-");
    });
}

/// IP-01.2: a FIFO-90 requester's thread is FIFO 50, not inherited; the request can say otherwise.
#[test]
fn the_priority_is_not_inherited() {
    clean(|cx| {
        be_fifo(cx, 90);
        let ask = |priority: Option<Policy>| {
            let ask = edge("dev").threaded(|_| Handled::Yes).flags(Flags::ONESHOT);
            if let Some(policy) = priority { ask.priority(policy) } else { ask }
        };
        let other = Policy::other(5).unwrap();
        for (asked, expected) in [(None, fifo(50)), (Some(fifo(80)), fifo(80)), (Some(other), other)] {
            let line = ask(asked).submit(cx).unwrap();
            assert_eq!(thread::policy(line.thread().unwrap()), Ok(expected));
            line.free(cx).unwrap();
        }
    });
}

/// Two devices, and what their threads do.
fn two_devices(cx: &mut ThreadCx, story: &Story) -> [Line; 2] {
    [(100, "first"), (101, "second")].map(|(intid, name)| {
        let story = story.clone();
        let ask = Request::new(Irq::new(intid), name).trigger(Trigger::EdgeRising).flags(Flags::ONESHOT);
        let ask = ask.threaded(move |_| {
            story.tell(name);
            Handled::Yes
        });
        ask.submit(cx).unwrap()
    })
}

/// IP-02.1: two threads at FIFO 50 run in the order of their wakes; the second, raised to 80, runs first.
#[test]
fn a_raised_thread_runs_first() {
    clean(|cx| {
        let story = Story::new();
        let [first, second] = two_devices(cx, &story);
        let both = |cx: &mut ThreadCx, order: [u32; 2]| {
            be_fifo(cx, 90);
            order.iter().for_each(|&intid| fire(Irq::new(intid)));
            assert!(story.take().is_empty());
            be_fifo(cx, 1);
            story.take()
        };
        assert_eq!(both(cx, [100, 101]), ["first", "second"]);
        assert_eq!(both(cx, [101, 100]), ["second", "first"]);
        sched::set(cx, second.thread().unwrap(), fifo(80)).unwrap();
        assert_eq!(both(cx, [100, 101]), ["second", "first"]);
        assert_eq!(thread::policy(second.thread().unwrap()), Ok(fifo(80)));
        // Raised while it is ready already.
        be_fifo(cx, 90);
        [100, 101].iter().for_each(|&intid| fire(Irq::new(intid)));
        sched::set(cx, first.thread().unwrap(), fifo(81)).unwrap();
        be_fifo(cx, 1);
        assert_eq!(story.take(), ["first", "second"]);
        first.free(cx).unwrap();
        second.free(cx).unwrap();
    });
}

/// IP-02.3: a thread set to OTHER is served within its fair share beside a fair hog.
#[test]
fn a_fair_thread_gets_its_share() {
    clean(|cx| {
        let served = Count::new();
        let line = edge("dev")
            .threaded({
                let served = served.clone();
                move |_| {
                    served.up();
                    Handled::Yes
                }
            })
            .flags(Flags::ONESHOT)
            .submit(cx)
            .unwrap();
        sched::set(cx, line.thread().unwrap(), Policy::other(0).unwrap()).unwrap();
        let mut hog = thread::spawn(cx, "hog", |_| sim::spend(1_000_000_000)).unwrap();
        for n in 1..=5 {
            fire(IRQ);
            time::sleep(cx, Duration::from_millis(100)).unwrap();
            assert_eq!(served.get(), n, "within 100 ms");
        }
        line.free(cx).unwrap();
        hog.join(cx).unwrap();
    });
}

/// IP-02.4: numbers out of range are refused, and so is a thread that is not there.
#[test]
fn wrong_numbers() {
    clean(|cx| {
        let line = edge("dev").threaded(|_| Handled::Yes).flags(Flags::ONESHOT).submit(cx).unwrap();
        for refused in [Policy::fifo(0), Policy::fifo(100), Policy::rr(0), Policy::fifo(-1), Policy::other(20)] {
            assert!(refused.is_err());
        }
        let thread = line.thread().unwrap();
        assert_eq!(thread::policy(thread), Ok(fifo(50)));
        line.free(cx).unwrap();
        assert_eq!(sched::set(cx, thread, fifo(50)), Err(Error::NotFound), "its number is not used again");
        assert_eq!(sched::set(cx, ThreadId(9_999), fifo(50)), Err(Error::NotFound));
    });
}

/// IP-02: a line without a thread has none to change, and says so.
#[test]
fn a_hard_line_has_no_thread() {
    clean(|cx| {
        let line = edge("dev").hard(|_| Primary::Handled).submit(cx).unwrap();
        assert_eq!(line.thread(), None);
        line.free(cx).unwrap();
    });
}
