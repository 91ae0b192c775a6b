//! Which commands are there, and what do they say when they cannot do what was asked?
use super::{INTERRUPTED, LINE_WORDS, Line};
use kernel::{Error, ThreadCx, println, thread::ThreadId};
use logic::words::{parse_i64_in, parse_u64_in};

mod chrt;
mod cyclictest;
mod interrupts;
#[cfg(any(feature = "latency", not(target_os = "none")))]
mod latency;
mod rcu;
mod system;
mod tasks;
mod taskset;
mod threads;

/// Why a command did not do it.
enum Fail<'a> {
    /// Its words make no sense: the usage is shown.
    Usage,
    /// This word, and what is wrong with it.
    Word(&'a str, &'static str),
    /// It has said so itself.
    Status(i32),
    /// ^C.
    Interrupted,
}

/// What a command returns.
type Done<'a> = core::result::Result<(), Fail<'a>>;

/// What is said of a number that is none, or not one that is accepted.
const INVALID: &str = "Invalid argument";

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    /// What its arguments can begin with, for completion.
    words: &'static [&'static str],
    run: Run,
}

type Run = for<'a> fn(&mut ThreadCx, &[&'a str]) -> Done<'a>;

const fn command(
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    words: &'static [&'static str],
    run: Run,
) -> Command {
    Command { name, arguments, about, words, run }
}

/// Those that every image has, and the latency tracers' own.
const COUNT: usize = 22 + cfg!(any(feature = "latency", not(target_os = "none"))) as usize;

/// In the order in which `help` lists them.
static COMMANDS: [Command; COUNT] = [
    command(
        "bench",
        "[ipi]",
        "count what the kernel's operations cost; ipi: a wake-up on another CPU",
        &["ipi"],
        system::bench,
    ),
    command("bt", "PID|-a", "show the calls that a thread is in; -a: where each CPU is", &["-a"], threads::bt),
    command(
        "chrt",
        "-p PID | -f|-r|-o|-b|-i -p PRIO PID",
        "show or set a thread's policy and priority",
        &["-f", "-r", "-o", "-b", "-i", "-p"],
        chrt::chrt,
    ),
    command(
        "cyclictest",
        "[-t [N]] [-p PRIO] [-i US] [-d US] [-l LOOPS] [-D TIME] [-h US] [-N] [-q] [--load[=hogs,locks,irqs,console]]",
        "measure how late threads wake up; ^C ends it; -N: in nanoseconds",
        &["-t", "-p", "-i", "-d", "-l", "-D", "-h", "-N", "-q", "--load"],
        cyclictest::cyclictest,
    ),
    command("dmesg", "[N]", "print the log again, or its last N records", &[], system::dmesg),
    command("echo", "[WORD]...", "print words; $? is the last command's status", &["$?"], system::echo),
    command("false", "", "fail", &[], |_, _| Err(Fail::Status(1))),
    command("free", "", "show memory, thread slots and stacks", &[], system::free),
    command("help", "[COMMAND]", "list commands, or describe one", &[], help),
    command("irq", "[N]", "show interrupt counts, or one line in detail", &[], interrupts::irq),
    command("kill", "PID", "end a thread at its next wait", &[], tasks::kill),
    #[cfg(any(feature = "latency", not(target_os = "none")))]
    command(
        "latency",
        "[reset | threshold KIND LENGTH | records KIND]",
        "show the longest sections with interrupts or preemption off",
        &["reset", "threshold", "records"],
        latency::latency,
    ),
    command("poweroff", "", "stop the machine", &[], system::poweroff),
    command("ps", "[-l]", "list threads; -l: what they wait for, stack used", &["-l"], threads::ps),
    command("rcu", "", "show grace periods, whom they wait for, and callbacks", &[], rcu::rcu),
    command("reboot", "", "start the machine again", &[], system::reboot),
    command("sleep", "TIME", "wait: 250us, 10ms, 2s; ^C ends it", &[], tasks::sleep),
    command(
        "spawn",
        "NAME [-f PRIO|-r PRIO|-n NICE] [-t TIME] [busy|sleep]",
        "start a thread that keeps the CPU busy, or sleeps, for 10s",
        &["-f", "-r", "-n", "-t", "busy", "sleep"],
        tasks::spawn,
    ),
    command(
        "taskset",
        "-p [MASK] PID | -cp [LIST] PID",
        "show or set the CPUs that a thread may run on",
        &["-p", "-cp"],
        taskset::taskset,
    ),
    command("true", "", "succeed", &[], |_, _| Ok(())),
    command(
        "uname",
        "[-asrvm]",
        "show name; -r: version, -v: preemption model, -m: architecture, -a: all",
        &["-a", "-s", "-r", "-v", "-m"],
        system::uname,
    ),
    command("uptime", "", "show time since boot, idle time and event counts", &[], system::uptime),
    command("yield", "", "let equally urgent threads run first", &[], tasks::yield_),
];

/// The commands, in a loop's eyes any number of them: unrolled over the table it would be a block of code for each.
fn commands() -> &'static [Command] {
    core::hint::black_box(&COMMANDS)
}

fn find(name: &str) -> Option<&'static Command> {
    commands().iter().find(|c| c.name == name)
}

/// Runs one command; its exit status.
pub(super) fn run(cx: &mut ThreadCx, line: &Line) -> i32 {
    let words: heapless::Vec<&str, LINE_WORDS> = line.iter().collect();
    let Some((name, args)) = words.split_first() else { return 0 };
    if let Some(file) = line.redirect() {
        println!(cx, "shell: {file}: No such file");
        return 1;
    }
    let Some(command) = find(name) else {
        println!(cx, "{name}: command not found");
        return 1;
    };
    let done = (command.run)(cx, args);
    match done {
        Ok(()) => 0,
        Err(Fail::Usage) => {
            usage(cx, command);
            1
        }
        Err(Fail::Word(word, what)) => {
            println!(cx, "{name}: {word}: {what}");
            1
        }
        Err(Fail::Status(status)) => status,
        Err(Fail::Interrupted) => {
            println!(cx, "^C");
            INTERRUPTED
        }
    }
}

fn usage(cx: &mut ThreadCx, c: &Command) {
    println!(cx, "usage: {}{}{}", c.name, if c.arguments.is_empty() { "" } else { " " }, c.arguments);
}

fn help<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let Some(name) = one_or_none(args)? else {
        for c in commands() {
            println!(cx, "{:<10}{}", c.name, c.about);
        }
        return Ok(());
    };
    let c = find(name).ok_or(Fail::Word(name, "no such command"))?;
    usage(cx, c);
    println!(cx, "{}", c.about);
    Ok(())
}

/// Candidates for the word before the cursor.
pub(super) fn complete(head: &str, candidate: &mut dyn FnMut(&str)) {
    let command = head.rsplit([';', '\n']).next().unwrap_or("").trim_start();
    match command.split_once(' ') {
        None | Some(("help", _)) => commands().iter().for_each(|c| candidate(c.name)),
        Some((name, _)) => find(name).map_or(&[][..], |c| c.words).iter().for_each(|w| candidate(w)),
    }
}

/// The command takes no arguments.
fn none<'a>(args: &[&'a str]) -> Done<'a> {
    if args.is_empty() { Ok(()) } else { Err(Fail::Usage) }
}
/// The command takes one argument.
#[inline(never)]
fn one<'a>(args: &[&'a str]) -> core::result::Result<&'a str, Fail<'a>> {
    one_or_none(args)?.ok_or(Fail::Usage)
}
/// The command takes one argument, or none.
#[inline(never)]
fn one_or_none<'a>(args: &[&'a str]) -> core::result::Result<Option<&'a str>, Fail<'a>> {
    if args.len() <= 1 { Ok(args.first().copied()) } else { Err(Fail::Usage) }
}
/// A word that is a number from 0 to 2^32 - 1.
#[inline(never)]
fn number(word: &str) -> core::result::Result<u32, Fail<'_>> {
    parse_u64_in(word, 0..=u64::from(u32::MAX)).map(|n| n as u32).map_err(|_| Fail::Word(word, INVALID))
}
/// A word that is a number of either sign.
#[inline(never)]
fn signed(word: &str) -> core::result::Result<i32, Fail<'_>> {
    parse_i64_in(word, i64::from(i32::MIN)..=i64::from(i32::MAX))
        .map(|n| n as i32)
        .map_err(|_| Fail::Word(word, INVALID))
}
/// A word that is a thread's number.
fn pid(word: &str) -> core::result::Result<ThreadId, Fail<'_>> {
    number(word).map(ThreadId)
}
/// What is said when the kernel refuses to do something to the thread of this number.
fn of_thread<'a>(word: &'a str) -> impl FnOnce(Error) -> Fail<'a> {
    move |error| refused(word, error)
}
#[inline(never)]
fn refused(word: &str, error: Error) -> Fail<'_> {
    Fail::Word(word, if error == Error::NotFound { "No such task" } else { error.message() })
}
