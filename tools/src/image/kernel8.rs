//! Can a Raspberry Pi's firmware load this image? Then as the flat file that it loads.

use super::{Image, flat};
use crate::{card::content::LOAD_ADDRESS, failure::Failure};
use anyhow::{Context, Result};
use object::{Architecture, Object, ObjectSegment};

/// The bytes of `kernel8.img`.
///
/// # Errors
/// The image cannot be read, or is for another machine: the board would stay dark, without a word.
pub fn bytes(image: &Image) -> Result<Vec<u8>> {
    let elf = std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
    let wrong = |what: String| {
        Failure::new(format!("{} is not an image for a Raspberry Pi 4: {what}", image.elf.display()))
            .hint("leave `--elf` out to have one built")
    };
    let file = object::File::parse(&*elf).map_err(|error| wrong("not an ELF file".into()).cause(error))?;
    if file.architecture() != Architecture::Aarch64 {
        return Err(wrong(format!("it is for {:?}", file.architecture())).into());
    }
    let loaded = file.segments().filter(|segment| segment.data().is_ok_and(|data| !data.is_empty()));
    match loaded.map(|segment| segment.address()).min() {
        Some(LOAD_ADDRESS) => flat::binary(image),
        Some(other) => Err(wrong(format!("it is linked for {other:#x}, not {LOAD_ADDRESS:#x}")).into()),
        None => Err(wrong("it is empty".into()).into()),
    }
}
