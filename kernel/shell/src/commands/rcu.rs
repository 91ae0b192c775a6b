//! How do grace periods come along, and what keeps the one in progress? (RC-13)
use super::{Done, none};
use core::fmt::{Display, Write};
use kernel::{
    ThreadCx,
    console::Writer,
    percpu, println,
    rcu::{self, Waits},
    thread, time,
};

pub(super) fn rcu<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    none(args)?;
    let stats = rcu::stats();
    row(cx, "grace periods", format_args!("{} passed", stats.grace_periods));
    match Waits::now() {
        None => row(cx, "in progress", "none"),
        Some(waits) => in_progress(cx, &waits),
    }
    let readers = format_args!("{}, lent priority since boot: {}", stats.blocked_readers, stats.boosted);
    row(cx, "readers blocked", readers);
    println!(cx, "CPU {:>11} {:>11} {:>11}  callbacks run by", "queued", "invoked", "pending");
    for cpu in percpu::online().iter() {
        callbacks(cx, cpu);
    }
    Ok(())
}

fn row(cx: &mut ThreadCx, label: &str, what: impl Display) {
    println!(cx, "{label:<16} {what}");
}

fn in_progress(cx: &mut ThreadCx, waits: &Waits) {
    let age = time::now().since(waits.began).as_millis() as u64;
    row(cx, "in progress", format_args!("number {}, for {age} ms", waits.number()));
    let mut label = "waits for";
    for cpu in waits.cpus() {
        row(cx, core::mem::take(&mut label), cpu);
    }
    for reader in waits.readers() {
        row(cx, core::mem::take(&mut label), reader);
    }
    if waits.more() != 0 {
        row(cx, "", format_args!("{} readers more", waits.more()));
    }
}

fn callbacks(cx: &mut ThreadCx, cpu: usize) {
    let counts = rcu::callbacks_of(cpu);
    let thread = thread::info(cx, rcu::callback_thread(cpu)).map(|t| t.name);
    let name = thread.as_deref().unwrap_or("-");
    let mut out = Writer::new(cx);
    let pending = counts.queued - counts.invoked;
    let _ = writeln!(out, "{cpu:>3} {:>11} {:>11} {pending:>11}  {name}", counts.queued, counts.invoked);
}
