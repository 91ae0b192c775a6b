//! Every on-target test as a trial of its own, listed from the image's test table.
#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};
use tophalf::{
    failure,
    image::{
        build::{Recipe, build_recipe},
        model::Model,
        table::TestEntry,
    },
    qemu::Qemu,
    suite::{all::IMAGE, latency::Longest, run::run},
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let longest = Arc::new(Mutex::new(Longest::default()));
    match trials(&longest) {
        Ok(trials) => {
            let conclusion = libtest_mimic::run(&arguments, trials);
            // TR-01: how long the kernel kept interrupts and preemption off. What is beyond the budget has failed its test.
            println!("{}", longest.lock().unwrap_or_else(PoisonError::into_inner));
            conclusion.exit_code()
        }
        Err(error) => {
            let (text, status) = failure::explain(&error);
            eprintln!("{text}");
            ExitCode::from(status)
        }
    }
}

fn trials(longest: &Arc<Mutex<Longest>>) -> anyhow::Result<Vec<Trial>> {
    let image = build_recipe(&Recipe { model: Model::of_environment()?, ..Recipe::package(IMAGE) })?;
    // Before the trials, which run in parallel: an installation has to be told about once, and to fail once.
    Qemu::ensure()?;
    let trial = |test: TestEntry| {
        let (image, longest) = (image.clone(), longest.clone());
        Trial::test(test.name.clone(), move || {
            let found = run(&image, &test).map_err(Failed::from)?;
            longest.lock().unwrap_or_else(PoisonError::into_inner).add(&test.name, &found);
            Ok(())
        })
    };
    Ok(tophalf::tests(&image)?.into_iter().map(trial).collect())
}
