//! How late do threads wake up under load, by preemption model? `cyclictest` in the default image of each model, side by side.

use crate::{
    bench::rows::Capture,
    commands::{DEFAULT_IMAGE, status},
    console::{Input, Session},
    draw::{
        axis::us,
        histogram::{self, Histogram, Scale},
        save,
    },
    failure::Failure,
    image::{
        build::{Recipe, build_recipe},
        model::Model,
    },
    qemu::{Bootargs, Console, Machine, boot::BACKSTOP},
    stream::{Renderer, Sink},
};
use anyhow::Result;
use cyclictest::{Report, Thread, parse};

mod cyclictest;

/// What the kernel's shell measures: five threads, the most urgent first, in nanoseconds of virtual time.
const COMMAND: &str = "cyclictest -t5 -p80 -i1000 -d500 -l2000 -q -N --load";

/// Nanoseconds from which on latencies are not told apart: more where the kernel is not preempted while somebody computes.
const fn limit(model: Model) -> u64 {
    match model {
        Model::None | Model::Voluntary => 1_000_000,
        Model::Full | Model::Rtb | Model::Rt => 20_000,
    }
}

/// Measures each model, says a table, and draws the histograms of the most urgent thread.
pub fn run(name: &str, sink: &mut dyn Sink) -> Result<u8> {
    let measured = |model: Model| Ok((model.name(), measure(model)?));
    let reports = Model::ALL.into_iter().map(measured).collect::<Result<Vec<_>>>()?;
    sink.text(format!("{COMMAND}\n\n{}\n", table(&reports)).as_bytes())?;
    let scale = Scale {
        title: "How late the most urgent thread wakes up, by preemption model",
        note: COMMAND,
        from: 100,
        decades: 4,
        unit: "us",
        number: us,
    };
    let histogram = |(model, report): &(&str, Report)| {
        report.threads.first().map(|thread| Histogram {
            title: (*model).to_owned(),
            note: format!("avg {}, max {} us", us(thread.avg), us(thread.max)),
            step: report.steps.get(1).copied().unwrap_or(1),
            counts: thread.counts.clone(),
            overflows: thread.overflows,
        })
    };
    let histograms: Vec<Histogram> = reports.iter().filter_map(histogram).collect();
    let path = save(name, &histogram::render(&scale, &histograms))?;
    sink.text(format!("picture: {}\n", path.display()).as_bytes())?;
    Ok(0)
}

/// Minimum, mean and maximum by model, in microseconds.
fn table(reports: &[(&str, Report)]) -> String {
    let [min, avg, max] = ["min", "avg", "max"].map(|word| format!("{word:>9}"));
    let mut out = format!("{:<10} {:>29}   {:>29}\n", "", "most urgent thread, us", "least urgent thread, us");
    out.push_str(&format!("{:<10} {min} {avg} {max}   {min} {avg} {max}\n", "model"));
    for (model, report) in reports {
        let numbers = |thread: Option<&Thread>| {
            let times = thread.map_or([0; 3], |t| [t.min, t.avg, t.max]);
            times.map(|ns| format!("{:>5}.{:03}", ns / 1_000, ns % 1_000)).join(" ")
        };
        let (urgent, last) = (numbers(report.threads.first()), numbers(report.threads.last()));
        out.push_str(&format!("{model:<10} {urgent}   {last}\n"));
    }
    out
}

fn measure(model: Model) -> Result<Report> {
    let command = format!("{COMMAND} -h{}", limit(model));
    let image = build_recipe(&Recipe { model, ..Recipe::package(DEFAULT_IMAGE) })?;
    let machine = Machine::deterministic(&image, Bootargs::default().with("exec", &command), Console::Uart);
    let session = Session { machine: &machine, input: Input::None, limit: Some(BACKSTOP) };
    let mut capture = Capture::default();
    let status = status(session.run(&mut Renderer::new(&image)?, &mut capture)?, session.limit);
    let text = String::from_utf8_lossy(&capture.text);
    if status != 0 {
        eprint!("{text}");
        return Err(Failure::new(format!("`{command}` on model {} ended with status {status}", model.name()))
            .status(status)
            .into());
    }
    parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_model() {
        let thread = |min| Thread { min, avg: 1_500, max: 4_272, ..Thread::default() };
        let report = Report { threads: vec![thread(544), thread(999), thread(1_632)], steps: vec![] };
        let table = table(&[("full", report.clone()), ("rt", report)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert_eq!(lines[3], "rt             0.544     1.500     4.272       1.632     1.500     4.272");
        assert!(lines[1..].iter().all(|line| line.len() == lines[1].len()), "{table}");
    }
}
