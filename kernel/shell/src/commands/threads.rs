//! Which threads are there, and what are they doing?
use super::{Done, Fail, of_thread, one, pid};
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};
use kernel::{
    Result, ThreadCx,
    console::Writer,
    ipi,
    thread::{self, Info, Kind, State, ThreadId},
};
use logic::cpus::CpuSet;

/// A column that does not apply to every row.
struct OrDash(Option<i32>);
impl Display for OrDash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => n.fmt(f),
            None => f.pad("-"),
        }
    }
}

/// A part of a whole in percent, and the tenths of one.
pub(super) fn percent(part: u64, whole: u64) -> (u64, u64) {
    // A thousand times the nanoseconds of half a year fits.
    let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
    (tenths / 10, tenths % 10)
}

/// The most urgent first (IP-06), equals by number.
fn sorted(cx: &mut ThreadCx) -> Vec<Info> {
    let mut threads: Vec<Info> = Vec::new();
    let key = |t: &Info| (u8::MAX - t.policy.rt_priority(), t.id);
    thread::for_each(cx, |_, t| {
        let place = threads.partition_point(|other| key(other) < key(&t));
        threads.insert(place, t);
    });
    threads
}

pub(super) fn ps<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let long = match args {
        [] => false,
        ["-l"] => true,
        _ => return Err(Fail::Usage),
    };
    let threads = sorted(cx);
    let mut out = Writer::new(cx);
    let _ = write!(out, "  PID CLS RTPRIO  NI PRI PSR  %CPU STAT ");
    let _ = writeln!(out, "{}COMMAND", if long { "WCHAN            STACK " } else { "" });
    out.flush();
    for t in threads {
        let rt = t.policy.is_rt();
        let (percent, tenths) = percent(t.runtime_ns, t.age_ns);
        let _ = write!(
            out,
            "{:>5} {:<3} {:>6} {:>3} {:>3} {:>3} {percent:>3}.{tenths} {:<4} ",
            t.id,
            t.policy.class_letters(),
            OrDash(rt.then_some(i32::from(t.policy.rt_priority()))),
            OrDash((!rt).then_some(i32::from(t.policy.nice()))),
            t.policy.pri_column(),
            t.cpu,
            t.state.letter(),
        );
        if long {
            let wchan = match (t.wchan, t.kind, t.state) {
                // The loop of interrupt threads is too short to say so itself.
                ("", Kind::Irq, State::Interruptible) => "irq_thread",
                ("", ..) => "-",
                (wchan, ..) => wchan,
            };
            let _ = write!(out, "{wchan:<16} {:>5} ", t.stack.0);
        }
        let _ = writeln!(out, "{}", t.name);
        // Whole lines: log records come in between.
        out.flush();
    }
    Ok(())
}

pub(super) fn bt<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    match one(args)? {
        "-a" => {
            ipi::backtrace(cx, CpuSet::ALL);
            Ok(())
        }
        word => backtrace(cx, pid(word)?).map_err(of_thread(word)),
    }
}

#[cfg(target_os = "none")]
fn backtrace(cx: &mut ThreadCx, id: ThreadId) -> Result<()> {
    kernel::fault::backtrace_of(cx, id)
}
/// The simulated machine has the host's stacks.
#[cfg(not(target_os = "none"))]
fn backtrace(_: &mut ThreadCx, id: ThreadId) -> Result<()> {
    thread::policy(id).and(Err(kernel::Error::Unsupported))
}
