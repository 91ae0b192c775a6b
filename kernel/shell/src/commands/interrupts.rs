//! Which lines fired how often, and who serves them? As `/proc/interrupts` shows it (IQ-22).
use super::{Done, Fail, number, one_or_none};
use core::fmt::Write;
use kernel::{
    ThreadCx,
    console::{self, Writer},
    ipi::Ipi,
    irq::{self, Handler, Irq, LineInfo, Trigger},
    percpu, println,
};

/// Wide enough for `UART overruns:`.
macro_rules! label {
    () => {
        "{:>13}:"
    };
}

/// First line that is not private to a CPU.
const FIRST_SHARED: u32 = 32;

pub(super) fn irq<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    match one_or_none(args)? {
        None => table(cx),
        Some(word) => {
            let info = irq::info(cx, Irq::new(number(word)?)).map_err(|_| Fail::Word(word, "No such interrupt"))?;
            details(cx, &info);
        }
    }
    Ok(())
}

fn table(cx: &mut ThreadCx) {
    let cpus = percpu::online().end();
    let mut out = Writer::new(cx);
    let _ = write!(out, "{:14}", "");
    for cpu in 0..cpus {
        let _ = write!(out, " {:>9}{cpu}", "CPU");
    }
    let _ = writeln!(out);
    drop(out);
    irq::for_each(cx, |cx, line| {
        if !line.handlers.is_empty() || line.total() > 0 {
            row(cx, &line, cpus);
        }
    });
    for ipi in Ipi::ALL {
        ipi_row(cx, ipi, cpus);
    }
    let totals = irq::totals();
    let errors = console::errors();
    counts(cx, "Spurious", &totals.spurious[..cpus]);
    counts(cx, "Unexpected", &totals.unexpected[..cpus]);
    counts(cx, "Err", &[totals.special.iter().sum()]);
    counts(cx, "UART overruns", &[errors.overruns]);
    counts(cx, "UART damaged", &[errors.damaged]);
}

fn counts(cx: &mut ThreadCx, label: &str, counts: &[u32]) {
    let mut out = Writer::new(cx);
    let _ = write!(out, label!(), label);
    for n in counts {
        let _ = write!(out, " {n:>10}");
    }
    let _ = writeln!(out);
}

fn ipi_row(cx: &mut ThreadCx, ipi: Ipi, cpus: usize) {
    let mut out = Writer::new(cx);
    let _ = write!(out, "{:>12}{}:", "IPI", ipi as u32);
    for n in &ipi.counts()[..cpus] {
        let _ = write!(out, " {n:>10}");
    }
    let _ = writeln!(out, "  {}", ipi.name());
}

fn row(cx: &mut ThreadCx, line: &LineInfo, cpus: usize) {
    let mut out = Writer::new(cx);
    let _ = write!(out, label!(), line.irq);
    for n in &line.counts[..cpus] {
        let _ = write!(out, " {n:>10}");
    }
    let _ = write!(out, "  {} {:>4} {:<5}", line.chip, line.hwirq, mode(line.trigger));
    let mut width = 0;
    for (n, h) in line.handlers.iter().enumerate() {
        let between = if n == 0 { "  " } else { ", " };
        let _ = write!(out, "{between}{}", h.name);
        width += between.len() + h.name.len();
    }
    let mut threads = line.handlers.iter().filter(|h| h.thread.is_some()).enumerate().peekable();
    if threads.peek().is_some() {
        let _ = write!(out, "{:1$}", "", 16_usize.saturating_sub(width));
    }
    for (n, h) in threads {
        let _ = write!(out, "{}", if n == 0 { "  " } else { ", " });
        thread(&mut out, h);
    }
    let _ = writeln!(out);
}

/// Name, class, and the number that orders threads of this class.
fn thread(out: &mut Writer<'_>, handler: &Handler) {
    if let Some((name, _, policy)) = &handler.thread {
        let number = if policy.is_rt() { i32::from(policy.rt_priority()) } else { i32::from(policy.nice()) };
        let _ = write!(out, "{name} {} {number}", policy.class_letters());
    }
}

fn mode(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::LevelHigh | Trigger::LevelLow => "Level",
        _ => "Edge",
    }
}

fn details(cx: &mut ThreadCx, line: &LineInfo) {
    println!(cx, "irq {}: {} {}, {}", line.irq, line.chip, line.hwirq, mode(line.trigger));
    if line.irq.number() < FIRST_SHARED {
        match line.enabled_on.is_empty() {
            true => println!(cx, "  disabled"),
            false => println!(cx, "  enabled on CPU {}", line.enabled_on),
        }
    } else {
        println!(cx, "  {}, depth {}", if line.depth == 0 { "enabled" } else { "disabled" }, line.depth);
    }
    println!(cx, "  {} interrupts, {} of them unhandled", line.total(), line.unhandled);
    for h in &line.handlers {
        let mut out = Writer::new(cx);
        let _ = write!(out, "  {}: ", h.name);
        match &h.thread {
            None => {
                let _ = write!(out, "no thread");
            }
            Some((_, id, _)) => {
                let _ = write!(out, "thread {id} (");
                thread(&mut out, h);
                let forced = match h.forced {
                    None => "",
                    Some(forced) if forced.oneshot_added => ", forced, ONESHOT added",
                    Some(_) => ", forced",
                };
                let _ = write!(out, "), {} runs{forced}", h.thread_runs);
            }
        }
        let _ = writeln!(out);
    }
}
