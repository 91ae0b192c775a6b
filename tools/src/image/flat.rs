//! What does a boot loader load? The image's segments at their places, from the lowest address on, without symbols.

use super::{Image, store};
use crate::failure::Failure;
use anyhow::{Context, Result};
use object::{Object, ObjectSegment};
use std::path::PathBuf;

/// A gap between segments that no image has: an address in it is wrong.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The flat binary. What an image does not store (`.bss`) is not in it: its header tells the loader to leave room.
pub fn binary(image: &Image) -> Result<Vec<u8>> {
    let elf = std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
    let file = object::File::parse(&*elf)?;
    let segments = file.segments().map(|segment| Ok((segment.address(), segment.data()?)));
    let mut segments: Vec<_> = segments.collect::<Result<_>>()?;
    segments.retain(|(_, data)| !data.is_empty());
    flatten(&segments).with_context(|| format!("cannot flatten {}", image.elf.display()))
}

/// The file that a Raspberry Pi's firmware, or QEMU in its place, loads: `kernel8.img`, kept under its content's hash.
pub fn kernel8_file(image: &Image) -> Result<PathBuf> {
    store::keep_bytes(&binary(image)?, "kernel8", "img")
}

fn flatten(segments: &[(u64, &[u8])]) -> Result<Vec<u8>> {
    let start = segments.iter().map(|(address, _)| *address).min().context("it has no segments")?;
    let mut flat = Vec::new();
    for (address, data) in segments {
        let from = address - start;
        if from > LARGEST {
            return Err(Failure::new(format!("a segment at {address:#x} is far from the others")).into());
        }
        let from = usize::try_from(from)?;
        flat.resize(flat.len().max(from + data.len()), 0);
        flat[from..from + data.len()].copy_from_slice(data);
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stand_at_their_places() {
        let segments: [(u64, &[u8]); 2] = [(0x4008_0004, b"cd"), (0x4008_0000, b"ab")];
        assert_eq!(flatten(&segments).unwrap(), b"ab\0\0cd");
        assert!(flatten(&[(0, b"x"), (1 << 40, b"y")]).is_err());
        assert!(flatten(&[]).is_err());
    }
}
