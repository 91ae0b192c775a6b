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
    suite::{
        all::IMAGE,
        latency::Longest,
        run::{On, run},
    },
};

/// What is run if nobody asks for a model or a controller: on each of these, the tests whose names begin so. `none` preempts nobody, and `full` spins
/// where `rt` sleeps. `rtb` differs from both in what tests of models are about, and `voluntary` from `none` in what `preempt=` can
/// change: each costs another image.
const USUAL: [(On, &str); 5] = [
    (virt(Model::Rt, Gic::V3), ""),
    (virt(Model::Rt, Gic::V2), ""),
    (virt(Model::None, Gic::V3), ""),
    (virt(Model::Full, Gic::V3), ""),
    (virt(Model::Rtb, Gic::V3), "pm_"),
];

const fn virt(model: Model, gic: Gic) -> On {
    On { model, board: Board::Virt, gic }
}

/// An image that is being built, or is there.
type Built = Arc<OnceLock<Result<Image, String>>>;

/// The tests on one model, board and interrupt controller.
struct Suite {
    on: On,
    /// The tests whose names begin so.
    names: &'static str,
    image: Built,
    longest: Mutex<Longest>,
}

impl Suite {
    /// Those of one model have one image.
    fn all(parts: &[(On, &'static str)]) -> Vec<Arc<Self>> {
        let mut images: Vec<(Model, Built)> = Vec::new();
        let suite = |&(on, names): &(On, &'static str)| {
            let image = match images.iter().find(|(of, _)| *of == on.model) {
                Some((_, image)) => image.clone(),
                None => {
                    images.push((on.model, Built::default()));
                    images[images.len() - 1].1.clone()
                }
            };
            Arc::new(Self { on, names, image, longest: Mutex::default() })
        };
        parts.iter().map(suite).collect()
    }
    /// What it is besides the usual, for the trials' names.
    fn kind(&self) -> String {
        let On { model, board, gic } = self.on;
        let usual = On::default();
        let model = (model != usual.model).then(|| model.name().to_owned());
        let board = (board != usual.board).then(|| board.name().to_owned());
        let gic = (gic != usual.gic).then(|| format!("gic {}", gic.version()));
        model.into_iter().chain(board).chain(gic).collect::<Vec<_>>().join(", ")
    }
    fn recipe(&self) -> Recipe<'static> {
        Recipe { model: self.on.model, board: self.on.board, ..Recipe::package(IMAGE) }
    }
    /// Its image, which the first that asks builds.
    fn image(&self) -> Result<Image, String> {
        self.image.get_or_init(|| build_aside(&self.recipe()).map_err(|error| failure::explain(&error).0)).clone()
    }
    fn trial(self: &Arc<Self>, test: &TestEntry) -> Trial {
        let (suite, test) = (self.clone(), test.clone());
        let (name, holds) = (test.name.clone(), test.holds_on(self.on.model));
        let skipped = test.skipped.is_some();
        let kind = self.kind();
        // Why it is not run is in the list.
        let kind = test.skipped.iter().fold(kind, |kind, reason| format!("{kind}: {reason}"));
        let body = move || {
            let found = run(&suite.image()?, suite.on, &test).map_err(Failed::from)?;
            suite.longest.lock().unwrap_or_else(PoisonError::into_inner).add(&test.name, &found);
            Ok(())
        };
        Trial::test(name, body).with_kind(kind).with_ignored_flag(!holds || skipped)
    }
    /// TR-01: how long the kernel kept interrupts and preemption off. What is beyond the budget has failed its test.
    fn longest(&self) -> String {
        let longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner).to_string();
        longest.lines().fold(String::new(), |mut text, line| {
            let On { model, board, gic } = self.on;
            let _ = match board {
                Board::Virt => writeln!(text, "{}, gic {}: {line}", model.name(), gic.version()),
                Board::Raspi4 => writeln!(text, "{}, {}: {line}", model.name(), board.name()),
            };
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
    let suites = match (Model::of_environment()?, Board::of_environment()?, Gic::of_environment()?) {
        (None, None, None) => Suite::all(&USUAL),
        (model, board, gic) => {
            let (model, board) = (model.unwrap_or_default(), board.unwrap_or_default());
            Suite::all(&[(On { model, board, gic: gic.unwrap_or_default() }, "")])
        }
    };
    // Before the trials, which run in parallel: an installation has to be told about once, and to fail once.
    Qemu::ensure(suites[0].on.board)?;
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
