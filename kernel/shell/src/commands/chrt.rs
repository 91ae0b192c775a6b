//! How is a thread's policy shown and changed? As Linux's `chrt` does.
use super::{Done, Fail, INVALID, of_thread, signed};
use kernel::{Policy, ThreadCx, print, sched, thread};

pub(super) fn chrt<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let (mut class, mut of_pid) = (None, false);
    let mut operands = heapless::Vec::<&str, 2>::new();
    for word in args.iter().copied() {
        match word.strip_prefix('-') {
            // Options may be written together.
            Some(letters) if letters.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                for letter in letters.chars() {
                    match letter {
                        'p' => of_pid = true,
                        'f' | 'r' | 'o' | 'b' | 'i' if class.is_none() => class = Some(letter),
                        _ => return Err(Fail::Usage),
                    }
                }
            }
            _ => operands.push(word).map_err(|_| Fail::Usage)?,
        }
    }
    match (of_pid, class, &operands[..]) {
        (true, None, &[pid]) => show(cx, pid),
        // Round robin unless told otherwise, as on Linux.
        (true, class, &[priority, pid]) => set(cx, class.unwrap_or('r'), priority, pid),
        _ => Err(Fail::Usage),
    }
}

fn show<'a>(cx: &mut ThreadCx, pid: &'a str) -> Done<'a> {
    let id = super::pid(pid)?;
    let policy = thread::policy(id).map_err(of_thread(pid))?;
    print!(
        cx,
        "pid {id}'s current scheduling policy: SCHED_{}\npid {id}'s current scheduling priority: {}\n",
        policy.name(),
        policy.rt_priority()
    );
    Ok(())
}

fn set<'a>(cx: &mut ThreadCx, class: char, priority: &'a str, pid: &'a str) -> Done<'a> {
    let number_of = signed(priority)?;
    let id = super::pid(pid)?;
    let before = thread::policy(id).map_err(of_thread(pid))?;
    // A fair thread keeps its nice value; the priority of fair policies is 0.
    let nice = i32::from(before.nice());
    let policy = match class {
        'f' => Policy::fifo(number_of).ok(),
        'r' => Policy::rr(number_of).ok(),
        _ if number_of != 0 => None,
        'o' => Policy::other(nice).ok(),
        'b' => Policy::batch(nice).ok(),
        _ => Some(Policy::idle()),
    };
    sched::set(cx, id, policy.ok_or(Fail::Word(priority, INVALID))?).map_err(of_thread(pid))
}
