//! What did the tool write, and is it still as it was? The card's note says so: to its reader, and to the tool at the next time.

use super::{
    content::CardFile,
    firmware::{FILES, SOURCE},
};
use std::fmt::Write;

/// The note's own file.
pub const NAME: &str = "README-tophalf.txt";
/// Its first line. What begins otherwise is not the tool's.
const FIRST_LINE: &str = "Tophalf on a Raspberry Pi 4: what is on this card";
/// What a hash begins with: FNV-1a with 64 bits.
const HASH: &str = "fnv1a64:";

/// Which contents of which files the tool wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(Vec<(String, u64)>);

impl Record {
    /// Reads a note; `None` if it is not the tool's.
    pub fn read(note: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(note);
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let entry = |line: &str| {
            let (before, hash) = line.split_once(HASH)?;
            let name = before.split_whitespace().next()?;
            let hash = u64::from_str_radix(hash.split_whitespace().next()?, 16).ok()?;
            Some((name.to_owned(), hash))
        };
        Some(Self(lines.filter_map(entry).collect()))
    }

    /// Did the tool write this content under this name?
    pub fn knows(&self, name: &str, bytes: &[u8]) -> bool {
        let hash = fnv1a64(bytes);
        self.0.iter().any(|(known, its)| known == name && *its == hash)
    }
}

/// The note. `before` are the tool's own files that are about to be replaced: should that be interrupted, they are known still.
pub fn write(files: &[CardFile], before: &[(&str, &[u8])], firmware: &[bool]) -> Vec<u8> {
    let mut text = format!(
        "{FIRST_LINE}\n\n\
         `cargo run -- flash` of Tophalf {} wrote these files, and writes this note anew each time: what is added to it\n\
         goes. By the hashes it tells whether a file is still its own: one that is not, it replaces only with `--force`,\n\
         and keeps a backup.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut entry = |name: &str, bytes: &[u8], when: &str| {
        // A `String` takes any text.
        let _ = writeln!(text, "  {name:<14} {:>9} bytes  {HASH}{:016x}{when}", bytes.len(), fnv1a64(bytes));
    };
    files.iter().for_each(|file| entry(file.name, &file.bytes, ""));
    before.iter().for_each(|(name, bytes)| entry(name, bytes, "  (before)"));
    text.push_str("\nThe Raspberry Pi's own firmware must be here, too. When this was written:\n\n");
    for (file, there) in FILES.iter().zip(firmware) {
        let state = match (there, file.needed) {
            (true, _) => "there",
            (false, true) => "MISSING",
            (false, false) => "missing: the board starts, but its serial line may be silent;",
        };
        let _ = writeln!(text, "  {:<24} {state:<8} {}", file.path, file.what);
    }
    let _ = writeln!(text, "\nIt comes from\n{SOURCE}.");
    text.into_bytes()
}

/// Tells contents apart that nobody forges (Fowler, Noll, Vo; variant 1a).
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_published() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a64(text.as_bytes()), hash, "{text}");
        }
    }

    /// FL-02: the note of one time tells the next what was written, and what was replaced; nothing else is known.
    #[test]
    fn a_note_is_understood_again() {
        let files = [CardFile { name: "kernel8.img", bytes: b"new".to_vec() }];
        let note = write(&files, &[("kernel8.img", b"old")], &[true, false, true, true]);
        let record = Record::read(&note).unwrap();
        assert!(record.knows("kernel8.img", b"new") && record.knows("kernel8.img", b"old"));
        assert!(!record.knows("kernel8.img", b"other") && !record.knows("config.txt", b"new"));
        let text = String::from_utf8(note).unwrap();
        assert!(
            text.contains("start4.elf               there") && text.contains("fixup4.dat               MISSING"),
            "{text}"
        );
        assert_eq!(Record::read(b"Shopping\nkernel8.img 3 bytes fnv1a64:0000000000000000\n"), None);
        assert_eq!(Record::read(b""), None);
    }
}
