//! `lab`: which studies are there, and what does one show?

use crate::{
    cli::LabArgs,
    labs::{self, LABS},
    say::print,
    stream::split::Split,
};
use anyhow::Result;

/// Carries the command out.
pub fn execute(args: &LabArgs) -> Result<u8> {
    let Some(name) = &args.name else {
        LABS.iter().try_for_each(|lab| print(format_args!("{:<20} {}", lab.name, lab.about)))?;
        return Ok(0);
    };
    labs::run(name, args.model.chosen()?, &mut Split::standard())
}
