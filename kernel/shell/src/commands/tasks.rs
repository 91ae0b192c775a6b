//! How does a user wait, start threads and end them?
use super::{Done, Fail, INVALID, none, of_thread, one, pid, signed};
use core::time::Duration;
use kernel::{
    Error, Policy, ThreadCx, println,
    thread::{self, Builder, Kind},
    time,
};
use logic::words::{Unit, parse_duration};

/// How long a demonstration thread lives, unless told otherwise and at most.
const LIFE: Duration = Duration::from_secs(10);
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// How long a demonstration thread sleeps at a time.
const NAP: Duration = Duration::from_millis(10);

fn duration(word: &str) -> core::result::Result<Duration, Fail<'_>> {
    parse_duration(word, Unit::S).map(Duration::from_nanos).map_err(|_| Fail::Word(word, INVALID))
}

pub(super) fn sleep<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let word = one(args)?;
    time::sleep(cx, duration(word)?).map_err(|error| match error {
        Error::Interrupted => Fail::Interrupted,
        _ => Fail::Word(word, error.message()),
    })
}

pub(super) fn yield_<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    thread::yield_now(cx);
    Ok(())
}

pub(super) fn kill<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let word = one(args)?;
    let id = pid(word)?;
    // The shell goes on, and what the kernel needs stays.
    let refused = id == thread::current_id() || thread::info(cx, id).is_ok_and(|t| t.kind != Kind::Ordinary);
    if refused { Err(Error::NotPermitted) } else { thread::kill(cx, id) }.map_err(of_thread(word))
}

pub(super) fn spawn<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let mut words = args.iter().copied();
    let name = words.next().filter(|name| !name.starts_with('-')).ok_or(Fail::Usage)?;
    let (mut policy, mut life, mut busy) = (None, LIFE, true);
    while let Some(word) = words.next() {
        match word {
            "-f" | "-r" | "-n" => {
                let value = words.next().ok_or(Fail::Usage)?;
                let number = signed(value)?;
                let asked = match word {
                    "-f" => Policy::fifo(number),
                    "-r" => Policy::rr(number),
                    _ => Policy::other(number),
                };
                policy = Some(asked.map_err(|_| Fail::Word(value, INVALID))?);
            }
            "-t" => {
                let value = words.next().ok_or(Fail::Usage)?;
                life = duration(value)?;
                if life > LONGEST_LIFE {
                    return Err(Fail::Word(value, INVALID));
                }
            }
            "busy" => busy = true,
            "sleep" => busy = false,
            _ => return Err(Fail::Usage),
        }
    }
    let mut builder = Builder::new(name);
    if let Some(policy) = policy {
        builder = builder.policy(policy);
    }
    // Where it goes on alone: a thread that outranks the shell may be over when this returns.
    let thread = builder
        .spawn(cx, move |cx| {
            let end = time::now().saturating_add(life);
            if busy { keep_busy(cx, end) } else { keep_sleeping(cx, end) }
        })
        .map_err(|error| Fail::Word(name, error.message()))?;
    println!(cx, "pid {}", thread.id());
    Ok(())
}

fn keep_busy(cx: &mut ThreadCx, end: time::Instant) {
    while time::now() < end && !thread::interrupted(cx) {
        hw::cpu::relax();
    }
}

fn keep_sleeping(cx: &mut ThreadCx, end: time::Instant) {
    while time::now() < end && time::sleep(cx, NAP).is_ok() {}
}
