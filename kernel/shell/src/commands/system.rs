//! How is the machine doing, what did it say, how is it stopped?
use super::{Done, Fail, none, number, one_or_none, threads::percent};
use core::fmt::Write;
use kernel::{
    ThreadCx, boot,
    console::{self, Writer},
    log, model, percpu, print, println, report, sched, stack_size,
    thread::{self, MAX_THREADS},
    time,
};

pub(super) fn uptime<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    let up = boot::uptime();
    let cpus = percpu::online();
    let idle: u64 = cpus.iter().map(sched::idle_ns).sum();
    let (interrupts, _) = time::interrupt_counts(cx);
    let (percent, tenths) = percent(idle, up.as_nanos() as u64 * cpus.count() as u64);
    let seconds = up.as_secs();
    print!(
        cx,
        "up {}:{:02}:{:02}.{:03}, idle {percent}.{tenths}%\n{interrupts} timer interrupts, {} warnings, {} UART overruns\n",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        up.subsec_millis(),
        report::warnings(),
        console::errors().overruns
    );
    Ok(())
}

pub(super) fn uname<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    /// Always printed in this order.
    const FIELDS: [u8; 4] = *b"srvm";
    let mut asked = [false; FIELDS.len()];
    for word in args {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty()).ok_or(Fail::Usage)?;
        for letter in letters.bytes() {
            match FIELDS.iter().position(|&field| field == letter) {
                Some(n) => asked[n] = true,
                None if letter == b'a' => asked = [true; FIELDS.len()],
                None => return Err(Fail::Usage),
            }
        }
    }
    if asked == [false; FIELDS.len()] {
        asked[0] = true;
    }
    let mut out = Writer::new(cx);
    let mut gap = "";
    for (_, &field) in asked.iter().zip(&FIELDS).filter(|(asked, _)| **asked) {
        let _ = match field {
            b's' => write!(out, "{gap}Tophalf"),
            b'r' => write!(out, "{gap}{}", env!("CARGO_PKG_VERSION")),
            b'v' => write!(out, "{gap}model {}", model::current().name()),
            _ => write!(out, "{gap}aarch64"),
        };
        gap = " ";
    }
    let _ = writeln!(out);
    Ok(())
}

pub(super) fn free<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    println!(cx, "{:16}{:>11} {:>10} {:>10}", "", "total", "used", "free");
    #[cfg(target_os = "none")]
    {
        let (setup, running) = kernel::heap::usage(cx);
        row(cx, "heap (set-up)", setup.total, setup.used);
        row(cx, "heap (running)", running.total, running.used);
    }
    let live = thread::live();
    row(cx, "threads", MAX_THREADS, live);
    row(cx, "stacks", MAX_THREADS * stack_size::SIZE, live * stack_size::SIZE);
    let mut most = (0, thread::Name::new());
    thread::for_each(cx, |_, t| {
        if t.stack.0 > most.0 {
            most = (t.stack.0, t.name);
        }
    });
    if most.0 > 0 {
        println!(cx, "most stack used: {} of {} bytes by {}", most.0, stack_size::SIZE, most.1);
    }
    Ok(())
}

fn row(cx: &mut ThreadCx, name: &str, total: usize, used: usize) {
    println!(cx, "{name:<16}{total:>11} {used:>10} {:>10}", total - used);
}

pub(super) fn dmesg<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let count = one_or_none(args)?.map_or(Ok(u32::MAX), number)?;
    log::replay(cx, u64::from(count), console::write_frame);
    let lost = log::dropped();
    if lost > 0 {
        println!(cx, "{lost} records were overwritten before they were printed");
    }
    Ok(())
}

pub(super) fn echo<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let mut out = Writer::new(cx);
    for (n, word) in args.iter().copied().enumerate() {
        let _ = write!(out, "{}{word}", if n == 0 { "" } else { " " });
    }
    let _ = writeln!(out);
    Ok(())
}

pub(super) fn bench<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    let status = match args {
        [] => bench::run(cx),
        ["ipi"] => bench::run_remote(cx),
        _ => return Err(Fail::Usage),
    };
    match status {
        0 => Ok(()),
        status => Err(Fail::Status(status)),
    }
}

pub(super) fn reboot<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    log::flush(cx);
    console::drain(cx);
    boot::restart()
}

pub(super) fn poweroff<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    log::flush(cx);
    console::drain(cx);
    report::end(0)
}
