//! `bench`: what do the kernel's paths cost, beside the budget and other kernels?

use super::{DEFAULT_IMAGE, status};
use crate::{
    bench::{
        budget::{IMAGE_TEXT, IRQS_OFF},
        judged::{self, Judged, Verdict},
        rows::{self, Capture, Row},
    },
    cli::BenchArgs,
    console::{Input, Session},
    failure::{FAILED, Failure},
    image::{
        Image,
        build::{Recipe, build_recipe},
        model::Model,
        size,
    },
    qemu::{Bootargs, Console, Machine, boot::BACKSTOP},
    say::{print, say},
    stream::Renderer,
    suite::{all, latency::Kind},
};
use anyhow::Result;

/// The rows that a command of the kernel's shell prints, on so many CPUs.
fn measure(image: &Image, command: &str, smp: u32) -> Result<Vec<Row>> {
    let bootargs = Bootargs::default().with("exec", command);
    let machine = Machine { smp, ..Machine::deterministic(image, bootargs, Console::Uart) };
    let session = Session { machine: &machine, input: Input::None, limit: Some(BACKSTOP) };
    let mut capture = Capture::default();
    let status = status(session.run(&mut Renderer::new(image)?, &mut capture)?, session.limit);
    let text = String::from_utf8_lossy(&capture.text);
    if status != 0 {
        eprint!("{text}");
        return Err(Failure::new(format!("the kernel's `{command}` ended with status {status}")).status(status).into());
    }
    let rows = rows::parse(&text)?;
    if rows.is_empty() {
        eprint!("{text}");
        return Err(Failure::new(format!("the kernel's `{command}` printed no rows")).into());
    }
    Ok(rows)
}

/// Carries the command out.
pub fn execute(args: &BenchArgs) -> Result<u8> {
    let model = args.model.chosen()?;
    let image = build_recipe(&Recipe { model, ..Recipe::package(DEFAULT_IMAGE) })?;
    let mut rows = measure(&image, "bench", 1)?;
    rows.extend(measure(&image, "bench ipi", 2)?);
    let longest = all::longest(model)?;
    let section = longest.of(Kind::IrqsOff).ok_or_else(|| Failure::new("no on-target test found a section"))?;
    rows.push(Row { id: IRQS_OFF.into(), value: section.length, max: section.length, unit: "instructions".into() });
    let bytes = size::text(&image)?;
    rows.push(Row { id: IMAGE_TEXT.into(), value: bytes, max: bytes, unit: "bytes".into() });
    let judged: Vec<Judged> = rows.into_iter().map(|row| Judged::new(row, model)).collect();
    if args.json {
        print(judged::json(&judged)?)?;
    } else {
        print(judged::table(&judged))?;
        print(
            "\nInstructions (bytes for the image), median and maximum of 1,000, with 200 lines requested and 32 threads ready.\n\
             ipi-thread: on two CPUs, the waker's own instructions until it is done included.\n\
             The goal is what we are after; only a row over its gate fails.\n",
        )?;
        if model != Model::default() {
            print(format_args!("The budgets are for model {}.\n", Model::default().name()))?;
        }
    }
    let missed: Vec<&str> =
        judged.iter().filter(|row| row.verdict() == Verdict::OverGate).map(|row| row.row.id.as_str()).collect();
    if missed.is_empty() {
        return Ok(0);
    }
    say(format_args!("over the gate: {}", missed.join(", ")));
    Ok(FAILED)
}
