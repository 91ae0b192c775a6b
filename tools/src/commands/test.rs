//! `test`: how is one on-target test run again? `cargo test` runs everything; this runs only what needs QEMU.

use crate::{board, cli::TestArgs, failure::FAILED, image::model, project, qemu::machine::GIC_VARIABLE};
use anyhow::{Context, Result};
use std::process::Command;

/// Carries the command out.
pub fn execute(args: &TestArgs) -> Result<u8> {
    // How many CPUs and how much memory is each test's to say.
    args.board.board.check(1, None, args.gic.gic)?;
    // The cargo that runs this tool, so that the test runner is built by the same one.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project::root()?).args(["test", "--package", "tests", "--test", "target", "--"]);
    cargo.env(model::VARIABLE, args.model.chosen()?.name());
    cargo.env(board::VARIABLE, args.board.board.name());
    cargo.env(GIC_VARIABLE, args.gic.gic.unwrap_or_default().version());
    cargo.args(&args.filter);
    cargo.args(args.exact.then_some("--exact")).args(args.list.then_some("--list"));
    let status = cargo.status().context("cannot start cargo")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
}
