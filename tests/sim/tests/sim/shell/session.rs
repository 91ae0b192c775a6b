//! What does a user at the keyboard see, and what does `exec` print?
use super::text;
use crate::harness::{MS, run, run_with};
use std::{cell::RefCell, rc::Rc};

/// The boot argument `exec` is run instead of a session: only what the commands print, the status of the last one.
#[test]
fn exec_runs_lines_and_returns_the_last_status() {
    let status = Rc::new(RefCell::new(None));
    let seen = status.clone();
    let outcome = run_with(Default::default(), "exec=\"echo a; nosuch%0aecho $?%3b false\"", move |cx| {
        *seen.borrow_mut() = Some(shell::main(cx));
    });
    assert_eq!(
        (text(outcome.console.as_bytes()).as_str(), status.take()),
        ("a\nnosuch: command not found\n1\n", Some(1))
    );
}

/// Without `exec` and without a keyboard there is nothing to do, and that is no failure.
#[test]
fn a_session_needs_a_keyboard() {
    let status = Rc::new(RefCell::new(None));
    let seen = status.clone();
    let outcome = run(move |cx| *seen.borrow_mut() = Some(shell::main(cx)));
    assert_eq!(status.take(), Some(0));
    assert!(outcome.console.contains("no keyboard"), "{}", outcome.console);
}

/// Characters that the receive FIFO takes.
const FIFO: usize = 16;

/// A session at the UART: each burst of keys comes when the shell has dealt with the one before, and as much of it at
/// once as `at_once`. Ends by `poweroff`.
fn session(at_once: usize, bursts: &'static [&'static [u8]]) -> String {
    let outcome = run_with(Default::default(), "console=uart", move |cx| {
        let mut at = hw::sim::time();
        for keys in bursts.iter().chain(&[&b"poweroff\r"[..]]) {
            at += 100 * MS;
            for (n, chunk) in (0..).zip(keys.chunks(at_once)) {
                hw::sim::at(at + n * MS, hw::sim::Injection::Receive(chunk.to_vec()));
            }
        }
        shell::main(cx);
    });
    assert_eq!(outcome.console, "", "nothing goes past the UART");
    screen(&String::from_utf8(outcome.uart).unwrap())
}

/// What a terminal shows that was sent this.
fn screen(sent: &str) -> String {
    let (mut above, mut row, mut column) = (String::new(), Vec::new(), 0);
    let mut rest = sent.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                above.extend(row.drain(..));
                above.push('\n');
            }
            '\x07' => {}
            '\x1b' => {
                assert!(rest.as_str().starts_with("[K"), "{:?}", rest.as_str());
                rest.nth(1);
                row.truncate(column);
            }
            c => {
                row.truncate(column);
                row.push(c);
                column += 1;
            }
        }
    }
    above.extend(row);
    above
}

/// BU-01: the banner names version, board, interrupt controller, CPUs and preemption model. Lines are edited, completed,
/// given up and called back.
#[test]
fn a_session() {
    let text = session(
        FIFO,
        &[
            b"ech\tone\x7f\x7f\x7ftwo\r",
            b"\x1b[A\x08\x08\x08three\r",
            b"given up\x03",
            b"echo $?\r",
            b"\x04",
            b"help ch\t\r",
        ],
    );
    assert_eq!(
        text,
        "Tophalf 0.1.0 on simulation, GICv3, 1 CPU (1 online), model rt
`help` lists commands; Ctrl-A x leaves.
tophalf> echo two
two
tophalf> echo three
three
tophalf> given up^C
tophalf> echo $?
130
tophalf> \n\
Use `poweroff` to stop the machine.
tophalf> help chrt \n\
usage: chrt -p PID | -f|-r|-o|-b|-i -p PRIO PID
show or set a thread's policy and priority
tophalf> poweroff
"
    );
}

/// ^C ends a command that waits, and the rest of its line; what was typed ahead stays.
#[test]
fn an_interrupted_command() {
    let text = session(FIFO, &[b"sleep 1000; echo never\r", b"echo $?\r", b"\x03"]);
    assert!(text.contains("sleep 1000; echo never\n^C\ntophalf> echo $?\n130\ntophalf> "), "{text}");
}

/// Issue 2, deliverable 8: characters for which the UART had no room are counted and shown; the shell lives on.
#[test]
fn an_overrun_is_counted_and_survived() {
    let text = session(100, &[&[b'x'; 100], b"\rirq\r", b"uptime\r"]);
    let row = text.lines().find(|l| l.starts_with("UART overruns:")).unwrap();
    assert!(row.split_whitespace().nth(2).unwrap().parse::<u32>().unwrap() > 0, "{text}");
    assert!(text.contains("1 UART overruns"), "{text}");
    let kept = text.lines().find_map(|l| l.strip_suffix(": command not found")).unwrap();
    assert!((FIFO..100).contains(&kept.len()) && kept.bytes().all(|b| b == b'x'), "{kept}");
}
