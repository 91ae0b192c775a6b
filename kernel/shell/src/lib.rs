//! What does a user at the console get? Lines are read, edited, split into commands and run, one after another.
//!
//! | file | question |
//! |---|---|
//! | `session` | how does a line come from the keys? |
//! | `commands` | which commands are there, and what do they say when they cannot? |
//! | `commands/…` | what does each do? |
//! | `cyclictest` | how late do threads wake up? |
//! | `load` | what keeps the kernel busy meanwhile? |
//!
//! It uses the kernel as any application does. Nobody waits for it but a person, so it is compiled for size.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

use kernel::{ThreadCx, bootargs, thread};
use logic::words::{Script, Words};

mod commands;
pub mod cyclictest;
pub mod load;
mod session;

/// Bytes of a line, and so of a command.
const LINE_BYTES: usize = 256;
/// Words of a command.
const LINE_WORDS: usize = 32;
/// A command's words, its name first.
type Line = Words<LINE_BYTES, LINE_WORDS>;

/// Exit status of what ^C interrupted (a shell's 128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// The default image's main thread: runs the lines of the boot argument `exec` and returns the status of the last
/// command, or serves whoever sits at the console, for ever.
pub fn main(cx: &mut ThreadCx) -> i32 {
    match bootargs::text("exec") {
        Some(script) => run_line(cx, &script),
        None => session::run(cx),
    }
}

/// Runs the commands of a line, or of several; returns the status of the last one.
pub fn run_line(cx: &mut ThreadCx, line: &str) -> i32 {
    run_after(cx, line, 0)
}

/// As [`run_line`], where `$?` is `status` until a command has run.
fn run_after(cx: &mut ThreadCx, line: &str, mut status: i32) -> i32 {
    let mut script = Script::new(line);
    let mut words = Line::new();
    // A line that is wrong somewhere is not begun.
    if let Err(error) = script.clone().check(&mut words) {
        kernel::println!(cx, "shell: {error}");
        return 1;
    }
    while let Some(Ok(())) = script.next_command(&mut words, status) {
        status = commands::run(cx, &words);
        if thread::interrupted(cx) {
            status = INTERRUPTED;
        }
        if status == INTERRUPTED {
            break;
        }
    }
    status
}
