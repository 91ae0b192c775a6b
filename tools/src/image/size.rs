//! How large is an image's code?

use super::Image;
use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionFlags, elf};

/// Bytes in executable sections.
pub fn text(image: &Image) -> Result<u64> {
    let bytes = std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
    let file = object::File::parse(&*bytes)?;
    let executable = |flags| match flags {
        SectionFlags::Elf { sh_flags, .. } => sh_flags & elf::SHF_EXECINSTR == elf::SHF_EXECINSTR,
        _ => false,
    };
    Ok(file.sections().filter(|section| executable(section.flags())).map(|section| section.size()).sum())
}
