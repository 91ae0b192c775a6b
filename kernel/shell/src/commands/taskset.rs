//! How are the CPUs of a thread shown and changed? As util-linux's `taskset` does.
use super::{Done, Fail, INVALID, of_thread};
use kernel::{Error, ThreadCx, println, sched, thread::ThreadId};
use logic::cpus::CpuSet;

pub(super) fn taskset<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let (list, operands) = match args {
        ["-cp" | "-pc", rest @ ..] | ["-c", "-p", rest @ ..] | ["-p", "-c", rest @ ..] => (true, rest),
        ["-p", rest @ ..] => (false, rest),
        _ => return Err(Fail::Usage),
    };
    match *operands {
        [pid] => {
            let id = super::pid(pid)?;
            show(cx, list, pid, id, "current")
        }
        [cpus, pid] => {
            let parsed = if list { CpuSet::parse_list(cpus) } else { CpuSet::parse_mask(cpus) };
            let set = parsed.map_err(|_| Fail::Word(cpus, INVALID))?;
            let id = super::pid(pid)?;
            show(cx, list, pid, id, "current")?;
            sched::set_affinity(cx, id, set).map_err(|error| match error {
                Error::Invalid => Fail::Word(cpus, INVALID),
                error => of_thread(pid)(error),
            })?;
            show(cx, list, pid, id, "new")
        }
        _ => Err(Fail::Usage),
    }
}

fn show<'a>(cx: &mut ThreadCx, list: bool, pid: &'a str, id: ThreadId, which: &str) -> Done<'a> {
    let cpus = sched::affinity(id).map_err(of_thread(pid))?;
    match list {
        true => println!(cx, "pid {id}'s {which} affinity list: {cpus}"),
        false => println!(cx, "pid {id}'s {which} affinity mask: {:x}", cpus.bits()),
    }
    Ok(())
}
