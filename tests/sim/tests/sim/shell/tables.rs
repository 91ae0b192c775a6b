//! What do `ps`, `irq`, `dmesg`, `uptime` and `free` show?
use super::{printed, request};
use crate::harness::{fifo, first_number, pend, run};
use core::time::Duration;
use hw::gic::Which;
use kernel::{
    Policy, ThreadCx,
    irq::{Flags, Handled, Irq, Request, Trigger, inject},
    sched,
    thread::{Builder, ThreadId},
    time,
};

/// A thread that only sleeps.
fn sleeper(cx: &mut ThreadCx, name: &str, policy: Policy) -> ThreadId {
    Builder::new(name)
        .policy(policy)
        .spawn(cx, |cx| while time::sleep(cx, Duration::from_secs(60)).is_ok() {})
        .unwrap()
        .id()
}

/// Whether a row of `ps` is one of the kernel's own threads.
fn is_service(row: &str) -> bool {
    let pid: u32 = row.split_whitespace().next().unwrap().parse().unwrap();
    (2..first_number(1)).contains(&pid)
}

/// IP-06.1: the most urgent first, equals by number, PRI = RTPRIO + 40 or 19 - nice.
#[test]
fn ps_sorts_by_priority() {
    let text = printed("ps", |cx| {
        sleeper(cx, "ksoftirqd/0", Policy::other(0).unwrap());
        sleeper(cx, "backup", Policy::batch(5).unwrap());
        let lines = [
            request(cx, 137, "enp4s0", 85, Flags::empty()),
            request(cx, 40, "rtc0", 90, Flags::empty()),
            request(cx, 41, "snd", 85, Flags::empty()),
        ];
        time::sleep(cx, Duration::from_millis(1)).unwrap();
        lines
    });
    let (services, own): (Vec<_>, Vec<_>) = text.lines().skip(1).partition(|row| is_service(row));
    let softirqd = first_number(1);
    let expected = [
        format!("{:5} FF      90   - 130   0   0.0 S    irq/40-rtc0", softirqd + 3),
        format!("{:5} FF      85   - 125   0   0.0 S    irq/137-enp4s0", softirqd + 2),
        format!("{:5} FF      85   - 125   0   0.0 S    irq/41-snd", softirqd + 4),
        "    1 TS       -   0  19   0   0.0 R    main".into(),
        format!("{softirqd:5} TS       -   0  19   0   0.0 S    ksoftirqd/0"),
        format!("{:5} B        -   5  14   0   0.0 S    backup", softirqd + 1),
    ];
    assert_eq!(text.lines().next(), Some("  PID CLS RTPRIO  NI PRI PSR  %CPU STAT COMMAND"));
    assert_eq!(own, expected, "{text}");
    assert_eq!(services.len() as u32, softirqd - 2, "{text}");
    assert!(services.iter().any(|row| row.ends_with(" TS       - -20  39   0   0.0 D    console")), "{text}");
}

/// IP-06.2: a thread that became RR 1 is shown as `RR 1 - 41`.
#[test]
fn ps_shows_a_changed_policy() {
    let text = printed("ps", |cx| {
        let id = sleeper(cx, "ksoftirqd/0", Policy::other(0).unwrap());
        sched::set(cx, id, Policy::rr(1).unwrap()).unwrap();
        time::sleep(cx, Duration::from_millis(1)).unwrap();
    });
    let row = text.lines().skip(1).find(|row| !is_service(row)).unwrap();
    assert_eq!(row, format!("{:5} RR       1   -  41   0   0.0 S    ksoftirqd/0", first_number(1)));
}

/// IP-06: %CPU is the share of the time since the thread's start, up to now.
#[test]
fn ps_shows_who_used_the_cpu() {
    let text = printed("ps", |cx| {
        hw::sim::spend(250_000_000);
        time::sleep(cx, Duration::from_millis(750)).unwrap();
    });
    assert!(text.contains("    1 TS       -   0  19   0  25.0 R    main\n"), "{text}");
}

/// SC-13: `ps -l` says what a thread waits for.
#[test]
fn ps_long_shows_what_a_thread_waits_for() {
    let text = printed("ps -l", |cx| {
        sleeper(cx, "sleeper", fifo(7));
        request(cx, 100, "dev", 50, Flags::empty())
    });
    assert!(text.starts_with("  PID CLS RTPRIO  NI PRI PSR  %CPU STAT WCHAN            STACK COMMAND\n"), "{text}");
    let first = first_number(1);
    for row in [
        format!("{first:5} FF       7   -  47   0   0.0 S    nanosleep            0 sleeper\n"),
        format!("{:5} FF      50   -  90   0   0.0 S    irq_thread           0 irq/100-dev\n", first + 1),
    ] {
        assert!(text.contains(&row), "{text}");
    }
}

/// IQ-22.2: sharers are shown in the order of their registration, joined with ", ", and so are their threads.
#[test]
fn irq_lists_sharers() {
    let text = printed("irq", |cx| {
        let lines = [request(cx, 100, "a", 50, Flags::SHARED), request(cx, 100, "bb", 60, Flags::SHARED)];
        for _ in 0..5 {
            pend(cx, Irq::new(100));
        }
        lines
    });
    let row = text.lines().find(|l| l.contains("100:")).unwrap();
    assert_eq!(row, "          100:          5  GICv3  100 Edge   a, bb           irq/100-a FF 50, irq/100-bb FF 60");
}

/// IQ-22.4: an INTID 1023 and one without a line are counted in rows of their own.
#[test]
fn irq_counts_spurious_and_unexpected_interrupts() {
    let text = printed("irq", |cx| {
        hw::sim::irq::special(1023);
        hw::sim::point();
        inject::set_state(cx, Irq::new(120), Which::Enabled, true).unwrap();
        pend(cx, Irq::new(120));
        hw::sim::irq::special(1021);
        hw::sim::point();
    });
    assert_eq!(
        text.lines().filter(|l| !l.starts_with("WARNING")).collect::<Vec<_>>(),
        [
            "                     CPU0",
            "           27:          0  GICv3   27 Level  timer",
            "         IPI0:          0  Rescheduling interrupts",
            "         IPI1:          0  Function call interrupts",
            "         IPI2:          0  CPU stop interrupts",
            "         IPI5:          0  CPU backtrace interrupts",
            "     Spurious:          1",
            "   Unexpected:          1",
            "          Err:          1",
            "UART overruns:          0",
            " UART damaged:          0",
        ]
    );
}

/// IQ-22: one line in detail, with the state of its flow and what its thread did.
#[test]
fn irq_shows_one_line() {
    let thread = first_number(1);
    let text = printed(&format!("irq 100; chrt -o -p 0 {thread}; irq 100; irq 27"), |cx| {
        let line = request(cx, 100, "dev", 50, Flags::empty());
        pend(cx, line.irq());
        pend(cx, line.irq());
        line.disable(cx).unwrap();
        line
    });
    assert_eq!(
        text,
        format!(
            "irq 100: GICv3 100, Edge
  disabled, depth 1
  2 interrupts, 0 of them unhandled
  dev: thread {thread} (irq/100-dev FF 50), 2 runs
irq 100: GICv3 100, Edge
  disabled, depth 1
  2 interrupts, 0 of them unhandled
  dev: thread {thread} (irq/100-dev TS 0), 2 runs
irq 27: GICv3 27, Level
  enabled on CPU 0
  0 interrupts, 0 of them unhandled
  timer: no thread
"
        )
    );
}

/// IQ-05.4: `irq N` says what was forced, and that ONESHOT was added for that.
#[test]
fn irq_shows_what_is_forced() {
    let text = printed("irq 100", |cx| {
        let handler = |_: &mut kernel::BhCx<'_>| Handled::Yes;
        let line = Request::new(Irq::new(100), "dev").trigger(Trigger::EdgeRising).handler(handler).submit(cx).unwrap();
        pend(cx, line.irq());
        line
    });
    assert_eq!(
        text,
        format!(
            "irq 100: GICv3 100, Edge
  enabled, depth 0
  1 interrupts, 0 of them unhandled
  dev: thread {} (irq/100-dev FF 50), 1 runs, forced, ONESHOT added
",
            first_number(1)
        )
    );
}

/// PK-01: `dmesg N` prints the last N records again.
#[test]
fn dmesg_replays() {
    let outcome = run(|cx| {
        for n in 1..=3 {
            kernel::log::info!("record {}", n);
        }
        time::sleep(cx, Duration::from_millis(1)).unwrap();
        assert_eq!(shell::run_line(cx, "dmesg; dmesg 1; dmesg 0"), 0);
    });
    assert_eq!(outcome.console, "record 1\nrecord 2\nrecord 3\nrecord 1\nrecord 2\nrecord 3\nrecord 3\n");
}

/// SC-13: `uptime` and `free` in the simulation, where the heap is the host's.
#[test]
fn uptime_and_free() {
    let text = printed("uptime; free", |cx| {
        hw::sim::spend(500_000_000);
        time::sleep(cx, Duration::from_secs(61)).unwrap();
    });
    let (up, rest) = text.split_once('\n').unwrap();
    assert_eq!(up, "up 0:01:01.500, idle 99.1%");
    let (events, rest) = rest.split_once('\n').unwrap();
    assert!(events.ends_with(" timer interrupts, 0 warnings, 0 UART overruns"), "{events}");
    let used = first_number(1) - 1;
    let (stacks, stack) = (320 * 16384, 16384);
    assert_eq!(
        rest,
        format!(
            "                      total       used       free
threads                 320 {used:10} {:10}
stacks              {stacks:7} {:10} {:10}
",
            320 - used,
            used * stack,
            stacks - used * stack
        )
    );
}
