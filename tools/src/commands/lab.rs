//! `lab`: which studies are there, and what does one show?

use super::status;
use crate::{
    cli::LabArgs,
    console::{Input, Session},
    failure::{Failure, USAGE},
    image::build::{Recipe, build_recipe},
    qemu::{Bootargs, Console, Machine, boot::BACKSTOP},
    say::print,
    stream::{Renderer, split::Split},
};
use anyhow::Result;

/// The package that has the studies.
const PACKAGE: &str = "labs";

/// The studies: name, and what one learns.
const LABS: [(&str, &str); 1] = [("irq-path", "every step of one threaded interrupt, with its instruction count")];

/// Carries the command out.
pub fn execute(args: &LabArgs) -> Result<u8> {
    let Some(name) = &args.name else {
        LABS.iter().try_for_each(|(name, about)| print(format_args!("{name:<20} {about}")))?;
        return Ok(0);
    };
    if !LABS.iter().any(|(known, _)| known == name) {
        return Err(Failure::new(format!("there is no lab `{name}`"))
            .status(USAGE)
            .hint("`cargo run -- lab` lists the labs")
            .into());
    }
    let image = build_recipe(&Recipe { model: args.model.chosen()?, ..Recipe::package(PACKAGE) })?;
    let machine = Machine::deterministic(&image, Bootargs::default().with("lab", name), Console::Uart);
    let session = Session { machine: &machine, input: Input::None, limit: Some(BACKSTOP) };
    Ok(status(session.run(&mut Renderer::new(&image)?, &mut Split::standard())?, session.limit))
}
