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
    failure::{FAILED, Failure},
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
const COMMAND: &str = "cyclictest -t5 -p80 -i1000 -d500 -l1000 -q -N --load";

/// Nanoseconds from which on latencies are not told apart: more where the kernel is not preempted while somebody computes.
const fn limit(model: Model) -> u64 {
    match model {
        Model::None | Model::Voluntary => 1_000_000,
        Model::Full | Model::Rtb | Model::Rt => 20_000,
    }
}

/// Measures each model, says a table, draws the histograms of the most urgent thread, and says whether they show what they should.
pub fn run(name: &str, sink: &mut dyn Sink) -> Result<u8> {
    let measured = |model: Model| Ok((model, measure(model)?));
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
    let histogram = |(model, report): &(Model, Report)| {
        report.threads.first().map(|thread| Histogram {
            title: model.name().to_owned(),
            note: format!("avg {}, max {} us", us(thread.avg), us(thread.max)),
            step: report.steps.get(1).copied().unwrap_or(1),
            counts: thread.counts.clone(),
            overflows: thread.overflows,
        })
    };
    let histograms: Vec<Histogram> = reports.iter().filter_map(histogram).collect();
    let path = save(name, &histogram::render(&scale, &histograms))?;
    let (words, status) = match wrong(&reports) {
        None => (AS_CLAIMED.to_owned(), 0),
        Some(what) => (format!("NOT as claimed: {what}"), FAILED),
    };
    sink.text(format!("{words}\n\npicture: {}\n", path.display()).as_bytes())?;
    Ok(status)
}

const AS_CLAIMED: &str = "\
As claimed: the most urgent thread waits for whoever computes under `none` and `voluntary`, for whoever has a spinlock under
`full` and `rtb`, and for neither under `rt`.";

/// What the reports do not show and should: that the longest wait of the most urgent thread falls with each kind of model.
fn wrong(reports: &[(Model, Report)]) -> Option<String> {
    use Model::{Full, None, Rt, Rtb, Voluntary};
    let longest = |wanted: Model| {
        let (_, report) = reports.iter().find(|(model, _)| *model == wanted)?;
        Some((wanted.name(), report.threads.first()?.max))
    };
    let pairs = [(Rt, Full), (Rt, Rtb), (Full, None), (Full, Voluntary), (Rtb, None), (Rtb, Voluntary)];
    pairs.into_iter().find_map(|(shorter, longer)| match (longest(shorter), longest(longer)) {
        (Some((_, less)), Some((_, more))) if less < more => Option::None,
        (Some((better, less)), Some((worse, more))) => {
            Some(format!("it is {} us late under `{better}` and {} us under `{worse}`", us(less), us(more)))
        }
        _ => Some("a model was not measured".into()),
    })
}

/// Minimum, mean and maximum by model, in microseconds.
fn table(reports: &[(Model, Report)]) -> String {
    let [min, avg, max] = ["min", "avg", "max"].map(|word| format!("{word:>9}"));
    let mut out = format!("{:<10} {:>29}   {:>29}\n", "", "most urgent thread, us", "least urgent thread, us");
    out.push_str(&format!("{:<10} {min} {avg} {max}   {min} {avg} {max}\n", "model"));
    for (model, report) in reports {
        let numbers = |thread: Option<&Thread>| {
            let times = thread.map_or([0; 3], |t| [t.min, t.avg, t.max]);
            times.map(|ns| format!("{:>5}.{:03}", ns / 1_000, ns % 1_000)).join(" ")
        };
        let (urgent, last) = (numbers(report.threads.first()), numbers(report.threads.last()));
        out.push_str(&format!("{:<10} {urgent}   {last}\n", model.name()));
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
        let table = table(&[(Model::Full, report.clone()), (Model::Rt, report)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert_eq!(lines[3], "rt             0.544     1.500     4.272       1.632     1.500     4.272");
        assert!(lines[1..].iter().all(|line| line.len() == lines[1].len()), "{table}");
    }

    #[test]
    fn each_kind_of_model_is_better_than_the_one_before() {
        let of = |longest: [u64; 5]| {
            let report = |max| Report { threads: vec![Thread { max, ..Thread::default() }], steps: vec![] };
            wrong(&Model::ALL.into_iter().zip(longest.map(report)).collect::<Vec<_>>())
        };
        assert_eq!(of([200_000, 200_000, 20_000, 21_000, 3_000]), None);
        let late = "it is 3 us late under `rt` and 3 us under `full`";
        assert_eq!(of([200_000, 200_000, 3_000, 20_000, 3_000]).as_deref(), Some(late));
        let late = "it is 200 us late under `rtb` and 199 us under `voluntary`";
        assert_eq!(of([201_000, 199_000, 20_000, 200_000, 3_000]).as_deref(), Some(late));
        assert!(wrong(&[]).is_some());
    }
}
