//! Every on-target test as a trial of its own, listed from the image's test table.
#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use tophalf::{build, failure, qemu::Qemu};

/// The package of the test image.
const IMAGE: &str = "on-target";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            let (text, status) = failure::explain(&error);
            eprintln!("{text}");
            ExitCode::from(status)
        }
    }
}

fn trials() -> anyhow::Result<Vec<Trial>> {
    let image = build(IMAGE)?;
    // Before the trials, which run in parallel: an installation has to be told about once, and to fail once.
    Qemu::ensure()?;
    let trial = |test: tophalf::image::table::TestEntry| {
        let image = image.clone();
        Trial::test(test.name.clone(), move || tests::run(&image, &test).map_err(Failed::from))
    };
    Ok(tophalf::tests(&image)?.into_iter().map(trial).collect())
}
