//! How does a line come from the keys?
use super::{LINE_BYTES, commands, run_after};
use alloc::boxed::Box;
use kernel::{ThreadCx, boot, console, println, thread};
use logic::line_editor::{LineEditor, Outcome};

const PROMPT: &str = "tophalf> ";
/// Lines that can be called back.
const HISTORY: usize = 16;

/// Serves the console's user for ever; 0 at once if there is no keyboard.
pub(super) fn run(cx: &mut ThreadCx) -> i32 {
    boot::banner(cx);
    if !console::has_keys() {
        println!(cx, "This console has no keyboard and there is no boot argument exec: nothing to do.");
        return 0;
    }
    println!(cx, "`help` lists commands; Ctrl-A x leaves.");
    let mut editor: Box<LineEditor<LINE_BYTES, HISTORY>> = Box::default();
    let mut status = 0;
    loop {
        editor.begin(PROMPT, &mut console::Writer::new(cx));
        while let Some(key) = console::read(cx) {
            let outcome = editor.feed(key, &commands::complete, &mut console::Writer::new(cx));
            match outcome {
                Outcome::Pending => continue,
                Outcome::Line => {
                    console::set_foreground(Some(thread::current_id()));
                    status = run_after(cx, editor.line(), status);
                    console::set_foreground(None);
                    // A ^C that came after the last command is nobody's.
                    thread::interrupted(cx);
                }
                Outcome::Cancelled => status = super::INTERRUPTED,
                Outcome::Eof => println!(cx, "Use `poweroff` to stop the machine."),
            }
            break;
        }
    }
}
