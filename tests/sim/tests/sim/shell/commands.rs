//! What do `chrt`, `spawn`, `kill` and `sleep` do, and what is said of what makes no sense?
use super::{golden, printed, request, text};
use crate::harness::{Log, MS, first_number, run, run_model};
use core::time::Duration;
use hw::sim::Config;
use kernel::{
    irq::{self, Flags, Handled, Irq, Request, Trigger},
    model::Model,
    time,
};

/// IP-02.4: priorities that a policy does not have, and a thread that does not exist.
#[test]
fn chrt_refuses_bad_numbers_and_unknown_threads() {
    golden(
        &[
            ("chrt -f -p 0 1", 1),
            ("chrt -f -p 100 1", 1),
            ("chrt -o -p 5 1", 1),
            ("chrt -f -p 50 99", 1),
            ("chrt -r -p 0 1; chrt -b -p 1 1; chrt -i -p -1 1", 1),
        ],
        "chrt: 0: Invalid argument
chrt: 100: Invalid argument
chrt: 5: Invalid argument
chrt: 99: No such task
chrt: 0: Invalid argument
chrt: 1: Invalid argument
chrt: -1: Invalid argument
",
    );
}

/// IP-02: `chrt` sets and shows each policy, and keeps the nice value of a fair thread.
#[test]
fn chrt_sets_and_shows() {
    let nice = first_number(1);
    golden(
        &[
            ("chrt -f -p 80 2; chrt -p 2", 0),
            ("chrt -rp 7 2; chrt -p 2", 0),
            ("chrt -p 8 2; chrt -p 2", 0),
            ("chrt -b -p 0 2; chrt -p 2", 0),
            ("chrt -i -p 0 2; chrt -p 2", 0),
            (&format!("spawn nice -n -7 sleep; chrt -b -p 0 {nice}; chrt -o -p 0 {nice}; chrt -p {nice}"), 0),
        ],
        &format!(
            "pid 2's current scheduling policy: SCHED_FIFO
pid 2's current scheduling priority: 80
pid 2's current scheduling policy: SCHED_RR
pid 2's current scheduling priority: 7
pid 2's current scheduling policy: SCHED_RR
pid 2's current scheduling priority: 8
pid 2's current scheduling policy: SCHED_BATCH
pid 2's current scheduling priority: 0
pid 2's current scheduling policy: SCHED_IDLE
pid 2's current scheduling priority: 0
pid {nice}
pid {nice}'s current scheduling policy: SCHED_OTHER
pid {nice}'s current scheduling priority: 0
"
        ),
    );
    let text = printed(&format!("spawn nice -n -7 sleep; chrt -b -p 0 {nice}; ps"), |_| {});
    assert!(text.contains(&format!("{nice:5} B        -  -7  26   0   0.0")), "{text}");
}

/// IP-02.1: two lines of equal priority are served in the order in which they fired; after `chrt` the second comes first.
#[test]
fn chrt_changes_which_line_is_served_first() {
    run(|cx| {
        let served = Log::new();
        let lines = [100, 101].map(|irq| {
            let served = served.clone();
            Request::new(Irq::new(irq), "dev")
                .threaded(move |_| {
                    served.push(irq);
                    Handled::Yes
                })
                .flags(Flags::ONESHOT)
                .trigger(Trigger::EdgeRising)
                .submit(cx)
                .unwrap()
        });
        let fire_both = || {
            hw::sim::irq::pend(100);
            hw::sim::irq::pend(101);
            hw::sim::point();
        };
        fire_both();
        assert_eq!(served.take(), [100, 101]);
        let second = irq::info(cx, Irq::new(101)).unwrap().handlers[0].thread.as_ref().unwrap().1;
        assert_eq!(shell::run_line(cx, &format!("chrt -f -p 80 {second}")), 0);
        fire_both();
        assert_eq!(served.take(), [101, 100]);
        for line in lines {
            line.free(cx).unwrap();
        }
    });
}

/// IP-02.3: a line whose thread was made an ordinary one is served beside a hog, within one slice of it.
#[test]
fn a_fair_interrupt_thread_is_served_beside_a_hog() {
    run(|cx| {
        let served_at = Log::new();
        let at = served_at.clone();
        let line = Request::new(Irq::new(100), "dev")
            .threaded(move |_| {
                at.push(time::now());
                Handled::Yes
            })
            .flags(Flags::ONESHOT)
            .trigger(Trigger::EdgeRising)
            .submit(cx)
            .unwrap();
        let thread = irq::info(cx, Irq::new(100)).unwrap().handlers[0].thread.as_ref().unwrap().1;
        assert_eq!(shell::run_line(cx, &format!("chrt -o -p 0 {thread}; spawn hog -t 1s")), 0);
        let fired = hw::sim::time() + 100 * MS;
        hw::sim::at(fired, hw::sim::Injection::Pend(100));
        time::sleep(cx, Duration::from_millis(300)).unwrap();
        let [served] = served_at.take()[..] else { panic!("not served once") };
        assert!((fired..fired + 20 * MS).contains(&served.as_ns()), "fired at {fired}, served at {served:?}");
        line.free(cx).unwrap();
    });
}

/// SC-13.2: bad numbers and unknown threads: the usual text, status 1, also as `$?`; the shell lives on.
#[test]
fn bad_numbers_and_unknown_threads() {
    golden(
        &[
            ("chrt -p abc; echo $?", 0),
            ("chrt -f -p 99999999999999999999 1", 1),
            ("chrt -p 4294967296", 1),
            ("chrt -p 77", 1),
            ("kill 77", 1),
            ("kill -1", 1),
            ("bt 77", 1),
            ("irq 5000", 1),
            ("irq x", 1),
            ("dmesg -3", 1),
            ("sleep 1h", 1),
            ("sleep ''", 1),
            ("spawn x -f 100", 1),
            ("spawn x -n 20", 1),
            ("spawn x -t 3601s", 1),
            ("echo $?", 0),
        ],
        "chrt: abc: Invalid argument
1
chrt: 99999999999999999999: Invalid argument
chrt: 4294967296: Invalid argument
chrt: 77: No such task
kill: 77: No such task
kill: -1: Invalid argument
bt: 77: No such task
irq: 5000: No such interrupt
irq: x: Invalid argument
dmesg: -3: Invalid argument
sleep: 1h: Invalid argument
sleep: : Invalid argument
spawn: 100: Invalid argument
spawn: 20: Invalid argument
spawn: 3601s: Invalid argument
0
",
    );
}

/// SC-13.2: a command that does not exist, one with missing or too many words, a line that is wrong.
#[test]
fn what_makes_no_sense_is_said_and_survived() {
    golden(
        &[
            ("nosuch; echo $?", 0),
            ("nosuch", 1),
            ("chrt", 1),
            ("chrt -z -p 1 1", 1),
            ("chrt -f -r -p 1 1", 1),
            ("chrt -p 1 2 3", 1),
            ("ps -x", 1),
            ("uptime now", 1),
            ("spawn", 1),
            ("spawn x lazily", 1),
            ("spawn x -t", 1),
            ("kill", 1),
            ("echo a > file", 1),
            ("echo never 'run", 1),
            ("help nosuch", 1),
            ("", 0),
            (" ; # nothing", 0),
            ("true; echo still \"here  \" $?", 0),
            ("false", 1),
        ],
        "nosuch: command not found
1
nosuch: command not found
usage: chrt -p PID | -f|-r|-o|-b|-i -p PRIO PID
usage: chrt -p PID | -f|-r|-o|-b|-i -p PRIO PID
usage: chrt -p PID | -f|-r|-o|-b|-i -p PRIO PID
usage: chrt -p PID | -f|-r|-o|-b|-i -p PRIO PID
usage: ps [-l]
usage: uptime
usage: spawn NAME [-f PRIO|-r PRIO|-n NICE] [-t TIME] [busy|sleep]
usage: spawn NAME [-f PRIO|-r PRIO|-n NICE] [-t TIME] [busy|sleep]
usage: spawn NAME [-f PRIO|-r PRIO|-n NICE] [-t TIME] [busy|sleep]
usage: kill PID
shell: file: No such file
shell: syntax error: unterminated ' quote at column 12
help: nosuch: no such command
still here   0
",
    );
}

/// What a slot's second thread has more in its number than the first one.
const SLOT_AGAIN: u32 = 512;

/// SC-13: `spawn` starts a thread of the policy asked for, which ends after its time; `kill` ends it earlier.
#[test]
fn spawned_threads_end_in_time_or_by_kill() {
    let idler = first_number(1);
    let (fair, hog) = (idler + 1, idler + 2);
    let outcome = run(move |cx| {
        assert_eq!(shell::run_line(cx, "spawn idler -r 3 -t 1s sleep; spawn fair -t 1s; spawn hog -f 60 -t 20ms"), 0);
        assert_eq!(shell::run_line(cx, &format!("chrt -p {hog}")), 1, "it outranked the shell, so it is over");
        let kill = format!("chrt -p {idler}; kill {idler}; kill {fair}; sleep 20ms");
        assert_eq!(shell::run_line(cx, &kill), 0);
        assert_eq!(shell::run_line(cx, &format!("chrt -p {idler}")), 1);
        assert_eq!(shell::run_line(cx, &format!("chrt -p {fair}")), 1);
        assert_eq!(shell::run_line(cx, "spawn idler -t 30ms sleep; spawn last -t 30ms; sleep 50ms; ps"), 0);
    });
    assert_eq!(
        text(outcome.console.as_bytes()).split("  PID").next().unwrap(),
        format!(
            "pid {idler}
pid {fair}
pid {hog}
chrt: {hog}: No such task
pid {idler}'s current scheduling policy: SCHED_RR
pid {idler}'s current scheduling priority: 3
chrt: {idler}: No such task
chrt: {fair}: No such task
pid {}
pid {}
",
            SLOT_AGAIN + fair,
            SLOT_AGAIN + idler
        )
    );
    assert!(!outcome.console.contains("idler") && !outcome.console.contains("last"), "{}", outcome.console);
}

/// SC-13: the shell, the kernel's own threads and interrupt threads cannot be killed from the shell.
#[test]
fn kill_spares_what_the_kernel_needs() {
    let line = first_number(1);
    let kills: String = (1..=line).map(|pid| format!("kill {pid}; ")).collect();
    let text = printed(&(kills + "true"), |cx| request(cx, 100, "dev", 50, Flags::empty()));
    assert_eq!(text, (1..=line).map(|pid| format!("kill: {pid}: Operation not permitted\n")).collect::<String>());
}

/// SC-13: `sleep` takes as long as it was told.
#[test]
fn sleep_sleeps() {
    let outcome = run(|cx| {
        let before = time::now();
        assert_eq!(shell::run_line(cx, "sleep 10ms; sleep 2; sleep 5us"), 0);
        let slept = time::now().since(before);
        assert!((Duration::from_micros(2_010_005)..Duration::from_millis(2_012)).contains(&slept), "{slept:?}");
    });
    assert_eq!(outcome.console, "");
}

/// PM-01: `uname` has Linux's options; `-v` is the model that is in force.
#[test]
fn uname_says_which_model_is_in_force() {
    golden(
        &[
            ("uname; uname -s -s; uname -m", 0),
            ("uname -a", 0),
            ("uname -vr; uname -m -r", 0),
            ("uname -n", 1),
            ("uname -", 1),
            ("uname rt", 1),
        ],
        &"Tophalf
Tophalf
aarch64
Tophalf VERSION model rt aarch64
VERSION model rt
VERSION aarch64
usage: uname [-asrvm]
usage: uname [-asrvm]
usage: uname [-asrvm]
"
        .replace("VERSION", env!("CARGO_PKG_VERSION")),
    );
    for model in Model::ALL {
        let outcome = run_model(model, Config::default(), "", |cx| assert_eq!(shell::run_line(cx, "uname -v"), 0));
        assert_eq!(text(outcome.console.as_bytes()), format!("model {}\n", model.name()));
    }
    let outcome = run_model(Model::Full, Config::default(), "preempt=none", |cx| {
        assert_eq!(shell::run_line(cx, "uname -v"), 0);
    });
    assert_eq!(text(outcome.console.as_bytes()), "model none\n");
}

/// `taskset` shows and sets as util-linux's does, in masks and lists.
#[test]
fn taskset_shows_and_sets() {
    let outcome = crate::harness::smp(4, |cx| {
        let before = kernel::thread::current_id();
        assert_eq!(before.0, 1);
        for (line, status) in [
            ("taskset -p 1", 0),
            ("taskset -cp 0,2-3 1", 0),
            ("taskset -p 0x2 1", 0),
            ("taskset -c -p 1; taskset -p -c 1", 0),
            ("ps", 0),
            ("taskset -p 0 1", 1),
            ("taskset -p 10 1", 1),
            ("taskset -cp 4-5 1", 1),
            ("taskset -cp 1-0 1", 1),
            ("taskset -p f 99", 1),
            ("taskset -p f 0", 1),
            ("taskset", 1),
            ("taskset -p", 1),
            ("taskset 1 1", 1),
        ] {
            assert_eq!(shell::run_line(cx, line), status, "{line}");
        }
    });
    let text = outcome.console.replace("\r\n", "\n");
    let row = text.lines().find(|l| l.ends_with(" main")).unwrap();
    assert_eq!(row.split_whitespace().nth(5), Some("1"), "{row}");
    let shown: Vec<&str> = text.lines().filter(|l| l.contains("affinity") || l.starts_with("taskset")).collect();
    assert_eq!(
        shown,
        [
            "pid 1's current affinity mask: f",
            "pid 1's current affinity list: 0-3",
            "pid 1's new affinity list: 0,2-3",
            "pid 1's current affinity mask: d",
            "pid 1's new affinity mask: 2",
            "pid 1's current affinity list: 1",
            "pid 1's current affinity list: 1",
            "pid 1's current affinity mask: 2",
            "taskset: 0: Invalid argument",
            "pid 1's current affinity mask: 2",
            "taskset: 10: Invalid argument",
            "pid 1's current affinity list: 1",
            "taskset: 4-5: Invalid argument",
            "taskset: 1-0: Invalid argument",
            "taskset: 99: No such task",
            "taskset: 0: No such task",
        ]
    );
}
