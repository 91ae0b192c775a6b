//! What did the latency tracers find?
use super::{Done, Fail, INVALID, number};
use kernel::{
    ThreadCx,
    latency::{self, Kind, Section},
    percpu, println,
};

pub(super) fn latency<'a>(cx: &mut ThreadCx, args: &[&'a str]) -> Done<'a> {
    match *args {
        [] => {
            show(cx);
            Ok(())
        }
        ["reset"] => {
            Kind::ALL.into_iter().for_each(latency::reset);
            Ok(())
        }
        // 0 ends the recording.
        ["threshold", name, length] => {
            let least = Some(u64::from(number(length)?)).filter(|&least| least > 0);
            latency::threshold(kind(name)?, least).map_err(|_| Fail::Word(length, INVALID))
        }
        ["records", name] => {
            let kind = kind(name)?;
            let mut kept = heapless::Vec::<Section, { latency::RECORDS }>::new();
            // With several CPUs, the first of them; their number counts all.
            let recorded = latency::records(kind, |section| {
                let _ = kept.push(section);
            });
            kept.iter().for_each(|section| println!(cx, "{section}"));
            println!(cx, "{recorded} recorded");
            Ok(())
        }
        _ => Err(Fail::Usage),
    }
}

fn kind(name: &str) -> core::result::Result<Kind, Fail<'_>> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(Fail::Word(name, "no such tracer"))
}

/// The longest of each kind and CPU.
fn show(cx: &mut ThreadCx) {
    println!(cx, "{:<15}{:>4}{:>12} {:<13}FROM, TO", "", "CPU", "LONGEST", "");
    for kind in Kind::ALL {
        for cpu in percpu::online().iter() {
            match latency::max_on(kind, cpu) {
                Some(Section { length, start, end, .. }) => println!(
                    cx,
                    "{:<15}{cpu:>4}{length:>12} {:<13}{}:{}, {}:{}",
                    kind.name(),
                    latency::unit(),
                    start.file(),
                    start.line(),
                    end.file(),
                    end.line()
                ),
                None => println!(cx, "{:<15}{cpu:>4}{:>12}", kind.name(), "-"),
            }
        }
    }
}
