//! What must be on the card besides, and does the user have to fetch it? Raspberry Pi's firmware, which is not free to copy here.

use std::{fs, io, path::Path};

/// A file of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Where it has to be, from the root of the card on.
    pub path: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// The board does not start without it.
    pub needed: bool,
}

/// Where Raspberry Pi publishes them.
pub const SOURCE: &str = "the folder `boot` of Raspberry Pi's firmware repository (raspberrypi/firmware on GitHub)";

/// Every one. A Raspberry Pi 4 has its first boot stage in an EEPROM and needs no `bootcode.bin`.
pub const FILES: [Firmware; 4] = [
    needed("start4.elf", "the firmware itself; of the same version as fixup4.dat"),
    needed("fixup4.dat", "fits start4.elf to the board's memory"),
    needed("bcm2711-rpi-4-b.dtb", "the device tree: in it boot arguments and all of the memory reach the kernel"),
    // The kernel connects the pins itself; without this Bluetooth is connected, too.
    Firmware {
        path: "overlays/disable-bt.dtbo",
        what: "takes the PL011 from Bluetooth, for GPIO 14 and 15",
        needed: false,
    },
];

const fn needed(path: &'static str, what: &'static str) -> Firmware {
    Firmware { path, what, needed: true }
}

/// Which of them a card has, in the same order. FAT takes no notice of the case of letters.
///
/// # Errors
/// A folder cannot be read.
pub fn present(dir: &Path) -> io::Result<Vec<bool>> {
    FILES.iter().map(|file| has(dir, file.path)).collect()
}

fn has(dir: &Path, path: &str) -> io::Result<bool> {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().eq_ignore_ascii_case(name) {
            continue;
        }
        match rest {
            Some(rest) if entry.path().is_dir() => return has(&entry.path(), rest),
            None if entry.path().is_file() => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FL-05: what is there is found however it is written; a folder in the place of a file is not it.
    #[test]
    fn found_as_fat_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(present(dir.path()).unwrap(), [false; 4]);
        fs::write(dir.path().join("START4.ELF"), "x").unwrap();
        fs::create_dir(dir.path().join("fixup4.dat")).unwrap();
        fs::create_dir(dir.path().join("Overlays")).unwrap();
        fs::write(dir.path().join("Overlays/disable-bt.dtbo"), "x").unwrap();
        assert_eq!(present(dir.path()).unwrap(), [true, false, false, true]);
    }
}
