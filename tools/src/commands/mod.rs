//! What does each command do? One file each; this one only chooses.

pub mod bench;
pub mod decode;
pub mod flash;
pub mod image;
pub mod lab;
pub mod lint;
pub mod monitor;
pub mod run;
pub mod setup;
pub mod test;

use crate::{
    board::Board,
    cli::{Cli, Command, ModelArgs, RunArgs},
    console::Ending,
    failure::{FAILED, Failure, TIMED_OUT, by_signal},
    image::{
        Image,
        build::{Recipe, build_recipe},
        model::Model,
    },
    qemu::boot::End,
    say::say,
};
use anyhow::Result;
use std::{path::Path, time::Duration};

/// The package of the image that is measured and studied.
pub const DEFAULT_IMAGE: &str = Board::Virt.name();

/// Carries a command out and returns the tool's exit status.
pub fn execute(cli: Cli) -> Result<u8> {
    match cli.command.unwrap_or_else(|| Command::Run(RunArgs::default())) {
        Command::Run(args) => run::execute(&args),
        Command::Test(args) => test::execute(&args),
        Command::Bench(args) => bench::execute(&args),
        Command::Lab(args) => lab::execute(&args),
        Command::Image(args) => image::execute(&args),
        Command::Flash(args) => flash::execute(&args),
        Command::Monitor(args) => monitor::execute(&args),
        Command::Lint => lint::execute(),
        Command::Decode(args) => decode::execute(&args),
        Command::Setup => setup::execute(),
    }
}

/// The exit status that an ending stands for, said aloud where it is not the kernel's own.
pub fn status(ending: Ending, limit: Option<Duration>) -> u8 {
    match ending {
        Ending::Machine(End::Status(status)) => status,
        Ending::Machine(End::TimedOut) => {
            say(format_args!("the kernel did not end within {} s: killed", limit.unwrap_or_default().as_secs()));
            TIMED_OUT
        }
        Ending::Machine(End::Killed) => {
            say("QEMU was killed");
            FAILED
        }
        Ending::Left | Ending::Quiet => 0,
        Ending::OutputGone => FAILED,
        Ending::Signal(signal) => by_signal(signal),
    }
}

/// Says that there is no such image, and how to get one.
fn no_image(elf: &Path, board: Board) -> Failure {
    Failure::new(format!("there is no image {}", elf.display()))
        .hint(format!("`cargo run -- image --board {}` builds one and prints where it is", board.name()))
}

/// The image that was asked for: this file, or one that is built.
fn image(elf: Option<&Path>, board: Board, model: &ModelArgs, features: &[String]) -> Result<Image> {
    match elf {
        Some(elf) if elf.is_file() => Ok(Image { elf: elf.to_owned() }),
        Some(elf) => Err(no_image(elf, board).into()),
        None => {
            let model = Model::chosen(&model.models, features)?;
            // The model's own is the recipe's to add.
            let others = features.iter().map(String::as_str).filter(|&feature| Some(feature) != model.feature());
            let features: Vec<&str> = others.collect();
            build_recipe(&Recipe { features: &features, model, ..Recipe::package(board.name()) })
        }
    }
}
