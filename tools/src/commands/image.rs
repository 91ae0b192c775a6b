//! `image`: where is the image, and what would a boot loader load?

use crate::{
    cli::ImageArgs,
    image::{
        build::{Recipe, build_recipe},
        flat,
    },
    say::{print, say},
};
use anyhow::{Context, Result};

/// Carries the command out.
pub fn execute(args: &ImageArgs) -> Result<u8> {
    let recipe = Recipe { model: args.model.chosen()?, ..Recipe::package(args.board.board.name()) };
    let image = build_recipe(&recipe)?;
    print(image.elf.display())?;
    if let Some(out) = &args.raw {
        let bytes = flat::binary(&image)?;
        std::fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
        say(format_args!("{}: {} bytes, arm64 Image format", out.display(), bytes.len()));
    }
    Ok(0)
}
