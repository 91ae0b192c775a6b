//! The command `tophalf`, which `cargo run` starts: reads the command line, carries it out, explains what went wrong.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;
use tophalf::{cli::Cli, commands, failure};

fn main() -> ExitCode {
    match commands::execute(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let (text, status) = failure::explain(&error);
            if !failure::is_broken_pipe(&error) {
                eprintln!("{text}");
            }
            ExitCode::from(status)
        }
    }
}
