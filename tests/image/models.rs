//! Is the image of each preemption model what it is called, and what it is good for? (PM-01, TM-07)

use crate::{DEFAULT, PROMPT, answer, expect_status, image_of, live_image, picture};
use anyhow::{Context, Result, ensure};
use tests::say;
use tophalf::{
    bench::rows,
    image::model::Model,
    qemu::{Bootargs, Console, Machine},
};

/// Boots this model's image: what it says before its first prompt. Its banner and `uname -v`, which asks the kernel, both say `is`.
fn boot(model: Model, bootargs: Bootargs, is: Model) -> Result<String> {
    let context = || format!("{} with `{bootargs}`", model.name());
    let mut machine = live_image(&image_of(DEFAULT, model)?, bootargs.clone())?;
    let greeting = machine.wait_for(PROMPT).with_context(context)?;
    let banner = greeting.lines().find(|line| line.starts_with("Tophalf ")).with_context(context)?;
    let expected = format!("model {}", is.name());
    ensure!(banner.split(", ").last() == Some(&expected), "{}: `{banner}` does not say `{expected}`", context());
    let said = answer(&mut machine, "uname -v")?;
    ensure!(said.lines().next() == Some(&expected), "{}: `uname -v` says `{said}`", context());
    Ok(greeting)
}

/// PM-01.2: every model's image says which it is. How it behaves is looked at on the target (`tests/on-target/src/models.rs`).
pub fn every_model() -> Result<()> {
    for model in Model::ALL {
        let greeting = boot(model, Bootargs::default(), model)?;
        ensure!(!greeting.contains("WARNING"), "{greeting}");
    }
    Ok(())
}

/// PM-01.3: `preempt=` makes a `full` image a `none` one; it cannot make it `rt`, or what does not exist: that is warned of and
/// ignored.
pub fn at_boot() -> Result<()> {
    let preempt = |name: &str| Bootargs::default().with("preempt", name);
    let greeting = boot(Model::Full, preempt("none"), Model::None)?;
    ensure!(!greeting.contains("WARNING"), "{greeting}");
    for (name, warning) in [
        ("rt", "WARNING: preempt=rt ignored: this image is built for model full"),
        ("bogus", "WARNING: boot argument preempt=bogus is not understood, ignored"),
    ] {
        let greeting = boot(Model::Full, preempt(name), Model::Full)?;
        ensure!(greeting.matches("WARNING").count() == 1 && greeting.contains(warning), "{greeting}");
    }
    Ok(())
}

/// PM-01: `bench` counts the same operations on every model, also where the measured thread has to be let in.
pub fn bench() -> Result<()> {
    let rows = |model: Model| -> Result<Vec<String>> {
        let bootargs = Bootargs::default().with("exec", "bench");
        let said = say(&Machine::deterministic(&image_of(DEFAULT, model)?, bootargs, Console::Uart))?;
        expect_status(&said, 0).context(model.name())?;
        let rows = rows::parse(&said.text)?.into_iter();
        // Whoever had waited for the end of a slice would be there after a thousand times as many.
        Ok(rows
            .map(|row| if row.value < 1_000_000 { row.id } else { format!("{} takes {}", row.id, row.value) })
            .collect())
    };
    let expected = rows(Model::Rt)?;
    ensure!(expected.len() > 10, "{expected:?}");
    for model in Model::ALL {
        let found = rows(model)?;
        ensure!(found == expected, "{}: {found:?} instead of {expected:?}", model.name());
    }
    Ok(())
}

/// TM-07.1: the lab checks that under load the most urgent thread is later under `full` than under `rt`, and later still under `none`.
/// Its picture has a histogram of each model.
pub fn lab_latency() -> Result<()> {
    let elements = picture("latency-by-model")?;
    for model in Model::ALL {
        let titles = elements.iter().filter(|(_, text)| text == model.name()).count();
        ensure!(titles == 1, "{} stands in the picture {titles} times", model.name());
    }
    Ok(())
}
