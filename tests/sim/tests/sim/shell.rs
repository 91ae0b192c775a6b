//! What does the shell print for what was typed? Golden texts, as a user sees them.
use crate::harness::{fifo, run};
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Irq, Line, Request, Trigger},
};

mod commands;
mod rcu;
mod session;
mod tables;

/// Runs each line, with its status expected, and gives what all of them printed.
#[track_caller]
fn golden(lines: &[(&str, i32)], expected: &str) {
    let lines: Vec<_> = lines.iter().map(|&(line, status)| (line.to_owned(), status)).collect();
    let outcome = run(move |cx| {
        for (line, status) in lines {
            assert_eq!(shell::run_line(cx, &line), status, "status of {line:?}");
        }
    });
    assert_eq!(text(outcome.console.as_bytes()), expected);
}

/// What was printed, with plain line ends.
fn text(printed: &[u8]) -> String {
    String::from_utf8_lossy(printed).replace("\r\n", "\n")
}

/// Runs a line while `setting` lives, and gives what it printed.
fn printed<T: 'static>(line: &str, setting: impl FnOnce(&mut ThreadCx) -> T + 'static) -> String {
    let line = line.to_owned();
    let outcome = run(move |cx| {
        let kept = setting(cx);
        assert_eq!(shell::run_line(cx, &line), 0, "{line:?}");
        // Lines are left installed: their machine ends here.
        std::mem::forget(kept);
    });
    text(outcome.console.as_bytes())
}

fn request(cx: &mut ThreadCx, irq: u32, name: &str, priority: i32, flags: Flags) -> Line {
    Request::new(Irq::new(irq), name)
        .threaded(|_| Handled::Yes)
        .flags(Flags::ONESHOT | flags)
        .trigger(Trigger::EdgeRising)
        .cookie(name.len())
        .priority(fifo(priority))
        .submit(cx)
        .unwrap()
}
