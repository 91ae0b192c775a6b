//! What was asked for at boot? Options from the boot arguments; a bad one is reported and ignored.
use crate::{log::Severity, model, rcu, report};
use alloc::string::String;
use hw::gic::End;
use logic::bootargs::{Bootargs, Value};
use spin::Once;

hw::global! {
    static LINE: Once<&'static str> = Once::new();
}

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// The board's UART.
    Uart,
    /// The debugger or emulator; the UART is left alone.
    Semihosting,
}

/// Boot options with their defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub end: End,
    pub level: Severity,
    pub detector: bool,
    pub debug_shirq: bool,
    pub inherits: bool,
    pub threadirqs: bool,
    pub bh_lock: bool,
}

/// Where text goes, asked before anything can be reported; the last one counts.
pub(crate) fn console(line: &str) -> Console {
    let last = Bootargs::new(line).flatten().filter(|a| a.key == "console").last();
    let semihosting = last.and_then(|a| a.value).is_some_and(|v| v.is("semihosting"));
    if semihosting { Console::Semihosting } else { Console::Uart }
}

/// Keeps the line and reads the kernel's own options; those of these names are somebody else's.
pub(crate) fn parse(line: &'static str, others: &[&str]) -> Options {
    LINE.call_once(|| line);
    let mut options = Options {
        end: End::Split,
        level: Severity::Info,
        detector: true,
        debug_shirq: false,
        inherits: true,
        threadirqs: false,
        bh_lock: true,
    };
    for arg in Bootargs::new(line) {
        let arg = match arg {
            Ok(arg) => arg,
            Err(bad) => {
                report::warn!("boot argument ignored: {}", bad);
                continue;
            }
        };
        let is = |text: &str| arg.value.is_some_and(|v| v.is(text));
        let known = match arg.key {
            "console" => is("uart") || is("semihosting"),
            "eoimode" if is("0") => {
                options.end = End::Combined;
                true
            }
            "eoimode" => is("1"),
            "loglevel" => {
                let level = [
                    ("error", Severity::Error),
                    ("warn", Severity::Warning),
                    ("info", Severity::Info),
                    ("debug", Severity::Debug),
                ];
                level.iter().find(|(name, _)| is(name)).map(|&(_, l)| options.level = l).is_some()
            }
            "noirqdebug" => {
                options.detector = false;
                arg.value.is_none()
            }
            "debug_shirq" => {
                options.debug_shirq = true;
                arg.value.is_none()
            }
            "threadirqs" => {
                options.threadirqs = arg.value.is_none();
                options.threadirqs
            }
            "pi" if is("on") || is("off") => {
                options.inherits = is("on");
                true
            }
            "pi" => false,
            "bh_lock" if is("true") || is("false") => {
                options.bh_lock = is("true");
                true
            }
            "bh_lock" => false,
            "preempt" => model::choose(is),
            key if key.starts_with("rcu_") => match rcu::set_option(key, arg.value) {
                Some(known) => known,
                None => {
                    report::warn!("unknown boot argument {}, ignored", arg.key);
                    continue;
                }
            },
            // For the application.
            "exec" | "test" | "lab" | "bound" => arg.value.is_some(),
            key if others.contains(&key) => true,
            _ => {
                report::warn!("unknown boot argument {}, ignored", arg.key);
                continue;
            }
        };
        if !known {
            report::warn!("boot argument {}={} is not understood, ignored", arg.key, arg.value.map_or("", |v| v.raw()));
        }
    }
    options
}

/// The value of a boot argument, unescaped; `None` if it was not given.
pub fn text(key: &str) -> Option<String> {
    find(key).and_then(|value| String::from_utf8(value.bytes().collect()).ok())
}

/// The value of a boot argument, unescaped into `buffer`; `None` if it was not given or does not fit.
pub fn value<'b>(key: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
    find(key)?.unescape(buffer).ok()
}

/// The last of that name counts.
fn find(key: &str) -> Option<Value<'static>> {
    let line: &Once<&'static str> = &LINE;
    Bootargs::new(line.get()?).flatten().filter(|a| a.key == key).last()?.value
}
