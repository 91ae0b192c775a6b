//! `decode`: what does a captured stream say?

use crate::{
    cli::DecodeArgs,
    failure::Failure,
    image::Image,
    stream::{Renderer, inline::Inline},
};
use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{IsTerminal, Read, stdin, stdout},
};

/// Carries the command out.
pub fn execute(args: &DecodeArgs) -> Result<u8> {
    if !args.elf.is_file() {
        return Err(Failure::new(format!("there is no image {}", args.elf.display()))
            .hint("`cargo run -- image` prints where the default image is")
            .into());
    }
    let mut renderer = Renderer::new(&Image { elf: args.elf.clone() })?;
    let mut screen = Inline::new(stdout(), stdout().is_terminal());
    let mut input: Box<dyn Read> = match &args.file {
        Some(path) => Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => Box::new(stdin()),
    };
    let mut buffer = [0; 4096];
    loop {
        match input.read(&mut buffer).context("cannot read the stream")? {
            0 => break,
            count => renderer.feed(&buffer[..count], &mut screen).context("cannot show the stream")?,
        }
    }
    renderer.finish(&mut screen)?;
    screen.end_line()?;
    Ok(0)
}
