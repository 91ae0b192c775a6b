//! Every on-target test as a trial of its own, listed from the image's test table: on `rt` with either interrupt controller,
//! and on the models that differ most from it. `TOPHALF_MODEL` and `TOPHALF_GIC` in the environment, as `cargo run -- test
//! --model MODEL --gic VERSION` sets them, ask for one of these alone.
#![forbid(unsafe_code)]

use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    fmt::Write as _,
    process::ExitCode,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};
use tophalf::{
    board::Board,
    failure,
    image::{
        Image,
        build::{Recipe, build_aside, build_recipe},
        model::Model,
        table::TestEntry,
    },
    qemu::{Qemu, machine::Gic},
    suite::{all::IMAGE, latency::Longest, run::run},
};

/// What is run if nobody asks for a model or a controller: on each of these, the tests whose names begin so. `none` preempts nobody, and `full` spins
/// where `rt` sleeps. `rtb` differs from both in what tests of models are about, and `voluntary` from `none` in what `preempt=` can
/// change: each costs another image.
const USUAL: [(Model, Gic, &str); 5] = [
    (Model::Rt, Gic::V3, ""),
    (Model::Rt, Gic::V2, ""),
    (Model::None, Gic::V3, ""),
    (Model::Full, Gic::V3, ""),
    (Model::Rtb, Gic::V3, "pm_"),
];

/// An image that is being built, or is there.
type Built = Arc<OnceLock<Result<Image, String>>>;

/// The tests on one model and interrupt controller.
struct Suite {
    model: Model,
    gic: Gic,
    /// The tests whose names begin so.
    names: &'static str,
    image: Built,
    longest: Mutex<Longest>,
}

impl Suite {
    /// Those of one model have one image.
    fn all(parts: &[(Model, Gic, &'static str)]) -> Vec<Arc<Self>> {
        let mut images: Vec<(Model, Built)> = Vec::new();
        let suite = |&(model, gic, names)| {
            let image = match images.iter().find(|(of, _)| *of == model) {
                Some((_, image)) => image.clone(),
                None => {
                    images.push((model, Built::default()));
                    images[images.len() - 1].1.clone()
                }
            };
            Arc::new(Self { model, gic, names, image, longest: Mutex::default() })
        };
        parts.iter().map(suite).collect()
    }
    /// What it is besides the usual, for the trials' names.
    fn kind(&self) -> String {
        let model = (self.model != Model::default()).then(|| self.model.name().to_owned());
        let gic = (self.gic != Gic::default()).then(|| format!("gic {}", self.gic.version()));
        model.into_iter().chain(gic).collect::<Vec<_>>().join(", ")
    }
    fn recipe(&self) -> Recipe<'static> {
        Recipe { model: self.model, ..Recipe::package(IMAGE) }
    }
    /// Its image, which the first that asks builds.
    fn image(&self) -> Result<Image, String> {
        self.image.get_or_init(|| build_aside(&self.recipe()).map_err(|error| failure::explain(&error).0)).clone()
    }
    fn trial(self: &Arc<Self>, test: &TestEntry) -> Trial {
        let (suite, test) = (self.clone(), test.clone());
        let (name, holds) = (test.name.clone(), test.holds_on(self.model));
        let kind = self.kind();
        let body = move || {
            let found = run(&suite.image()?, suite.model, suite.gic, &test).map_err(Failed::from)?;
            suite.longest.lock().unwrap_or_else(PoisonError::into_inner).add(&test.name, &found);
            Ok(())
        };
        Trial::test(name, body).with_kind(kind).with_ignored_flag(!holds)
    }
    /// TR-01: how long the kernel kept interrupts and preemption off. What is beyond the budget has failed its test.
    fn longest(&self) -> String {
        let longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner).to_string();
        longest.lines().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}, gic {}: {line}", self.model.name(), self.gic.version());
            text
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match run_all(&arguments) {
        Ok(status) => status,
        Err(error) => {
            let (text, status) = failure::explain(&error);
            eprintln!("{text}");
            ExitCode::from(status)
        }
    }
}

fn run_all(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let suites = match (Model::of_environment()?, Gic::of_environment()?) {
        (None, None) => Suite::all(&USUAL),
        (model, gic) => Suite::all(&[(model.unwrap_or_default(), gic.unwrap_or_default(), "")]),
    };
    // Before the trials, which run in parallel: an installation has to be told about once, and to fail once.
    Qemu::ensure(Board::Virt)?;
    let image = build_recipe(&suites[0].recipe())?;
    // Every image has the same table.
    let tests = tophalf::tests(&image)?;
    let _ = suites[0].image.set(Ok(image));
    let mut trials = Vec::new();
    for suite in &suites {
        let wanted = tests.iter().filter(|test| test.name.starts_with(suite.names));
        let mut own: Vec<Trial> = wanted.map(|test| suite.trial(test)).collect();
        let runs = own.iter().any(|trial| !trial.has_ignored_flag() && !arguments.is_filtered_out(trial));
        if runs && !arguments.list {
            let suite = suite.clone();
            // Meanwhile the trials of the suites before it run. Who needs it before it is there waits; an error is theirs to tell.
            thread::spawn(move || drop(suite.image()));
        }
        trials.append(&mut own);
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    suites.iter().for_each(|suite| print!("{}", suite.longest()));
    Ok(conclusion.exit_code())
}
