//! What does `flash` do to a card? A folder is the card, and an ELF file of a few bytes the kernel: nothing is built here.
#![forbid(unsafe_code)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// Where the firmware loads a kernel.
const RASPI4: u64 = 0x8_0000;
const AARCH64: u16 = 183;
const X86_64: u16 = 62;

/// An ELF file with one segment.
fn elf(machine: u16, address: u64, content: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let size = content.len() as u64;
    // Type EXEC, machine, version; entry, program headers, section headers; flags, sizes and counts.
    bytes.extend([2_u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([address, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([64_u16, 56, 1, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    // LOAD, readable and executable; offset, addresses, sizes, alignment.
    bytes.extend([1_u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([HEADERS, address, address, size, size, 1].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(content);
    bytes
}

/// A card, and a kernel that is not on it.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new(kernel: &[u8]) -> Self {
        let desk = Self { dir: TempDir::new().unwrap() };
        fs::create_dir(desk.card()).unwrap();
        desk.take_kernel(kernel);
        desk
    }

    fn card(&self) -> PathBuf {
        self.dir.path().join("card")
    }

    fn take_kernel(&self, kernel: &[u8]) {
        fs::write(self.dir.path().join("kernel.elf"), elf(AARCH64, RASPI4, kernel)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
        tool.arg("flash").arg("--elf").arg(self.dir.path().join("kernel.elf")).arg("--to").arg(self.card());
        tool.arg("--keep").arg(self.dir.path().join("kept"));
        tool.args(arguments);
        tool
    }

    fn flash(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    /// The image that is kept for `monitor`.
    fn kept(&self) -> Vec<u8> {
        fs::read(self.dir.path().join("kept/raspi4.elf")).unwrap_or_default()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.card().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn has(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.card().join(name)).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.card()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// What the tool did.
struct Done {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// FL-01, FL-05: an empty card gets kernel, settings and note, and the user hears what is still missing.
#[test]
fn an_empty_card() {
    let desk = Desk::new(b"kernel");
    let done = desk.flash(&["--board", "raspi4", "--bootargs", "preempt=none pi=off"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert_eq!(desk.names(), ["README-tophalf.txt", "cmdline.txt", "config.txt", "kernel8.img"]);
    assert_eq!(
        (desk.has("kernel8.img").as_str(), desk.has("cmdline.txt").as_str()),
        ("kernel", "preempt=none pi=off\n")
    );
    assert!(desk.has("config.txt").contains("\nkernel_address=0x80000\n"));
    assert!(!desk.has("config.txt").contains("uart_2ndstage"));
    assert!(done.out.contains("kernel8.img                6 bytes  new\n"), "{}", done.out);
    let missing = "does not start without these, too: start4.elf, fixup4.dat, bcm2711-rpi-4-b.dtb\n";
    assert!(done.err.contains(missing) && done.err.contains("overlays/disable-bt.dtbo\n"), "{}", done.err);
}

/// FL-05: what is there of the firmware is not asked for, and the note says so.
#[test]
fn a_card_with_firmware() {
    let desk = Desk::new(b"kernel");
    for name in ["start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb", "overlays/disable-bt.dtbo"] {
        desk.put(name, "firmware");
    }
    let done = desk.flash(&["--firmware-log"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(!done.err.contains("start4.elf") && !done.err.contains("disable-bt"), "{}", done.err);
    assert!(!desk.has("README-tophalf.txt").to_lowercase().contains("missing"));
    assert!(desk.has("config.txt").contains("\nuart_2ndstage=1\n"));
    assert_eq!(desk.has("start4.elf"), "firmware");
}

/// FL-02: the next kernel replaces the one of before without a question, and old boot arguments go.
#[test]
fn the_next_kernel() {
    let desk = Desk::new(b"one");
    desk.flash(&["--bootargs", "pi=off"]);
    desk.take_kernel(b"another");
    // The note is not a place for anybody else's words, and says so.
    let note = desk.has("README-tophalf.txt");
    assert!(note.contains("what is added to it\ngoes"), "{note}");
    desk.put("README-tophalf.txt", &format!("{note}milk, eggs\n"));
    let done = desk.flash(&[]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(!desk.has("README-tophalf.txt").contains("milk"));
    assert_eq!(desk.names(), ["README-tophalf.txt", "config.txt", "kernel8.img"]);
    assert_eq!(desk.has("kernel8.img"), "another");
    assert!(done.out.contains("replaced\n") && done.out.contains("unchanged\n") && done.out.contains("removed"));
}

/// FL-08: the image on the card is kept, for its strings, though the user gave it; where that fails, the card is written none the less.
#[test]
fn the_image_is_kept() {
    let desk = Desk::new(b"one");
    assert_eq!((desk.flash(&["--dry-run"]).status, desk.kept()), (Some(0), vec![]));
    for kernel in [&b"one"[..], b"another"] {
        desk.take_kernel(kernel);
        assert_eq!(desk.flash(&[]).status, Some(0));
        assert_eq!(desk.kept(), elf(AARCH64, RASPI4, kernel));
    }
    fs::remove_dir_all(desk.dir.path().join("kept")).unwrap();
    fs::write(desk.dir.path().join("kept"), "no folder").unwrap();
    desk.take_kernel(b"third");
    let done = desk.flash(&[]);
    assert_eq!((done.status, desk.has("kernel8.img").as_str()), (Some(0), "third"), "{}", done.err);
    assert!(done.out.contains("replaced\n"), "{}", done.out);
    assert!(done.err.contains("the image is not kept: `monitor` needs `--elf "), "{}", done.err);
}

/// FL-03: a file that the tool did not write is named and stays; by force it is replaced and kept.
#[test]
fn somebody_elses_card() {
    let desk = Desk::new(b"kernel");
    desk.put("kernel8.img", "Linux");
    desk.put("config.txt", "arm_64bit=0");
    let done = desk.flash(&[]);
    assert_eq!((done.status, done.out.as_str()), (Some(1), ""));
    assert!(done.err.starts_with("error: ") && done.err.contains("kernel8.img, config.txt"), "{}", done.err);
    assert!(done.err.contains("hint: `--force`"), "{}", done.err);
    assert_eq!(desk.names(), ["config.txt", "kernel8.img"]);
    assert_eq!((desk.has("kernel8.img").as_str(), desk.has("config.txt").as_str()), ("Linux", "arm_64bit=0"));

    let done = desk.flash(&["--force"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.out.contains("kernel8.img.bak"), "{}", done.out);
    assert_eq!((desk.has("kernel8.img.bak").as_str(), desk.has("kernel8.img").as_str()), ("Linux", "kernel"));
    // Now they are the tool's.
    desk.take_kernel(b"next");
    assert_eq!(desk.flash(&[]).status, Some(0));

    desk.put("config.txt", "# my own settings");
    let done = desk.flash(&[]);
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("config.txt") && !done.err.contains("kernel8.img"), "{}", done.err);
}

/// FL-03: somebody else's cmdline.txt is not in the way, but the kernel will read it.
#[test]
fn somebody_elses_arguments() {
    let desk = Desk::new(b"kernel");
    desk.put("cmdline.txt", "root=/dev/mmcblk0p2");
    let done = desk.flash(&[]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.err.contains("cmdline.txt is not this tool's and stays"), "{}", done.err);
    assert_eq!(desk.has("cmdline.txt"), "root=/dev/mmcblk0p2");
}

/// FL-06: what would be done is told, its status is that of doing it, and nothing is done.
#[test]
fn a_dry_run() {
    let desk = Desk::new(b"kernel");
    let done = desk.flash(&["--dry-run"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    assert!(done.out.contains("kernel8.img                6 bytes  new\n"), "{}", done.out);
    assert!(done.err.contains("nothing was written"), "{}", done.err);
    assert!(desk.names().is_empty());
    // Root may write there all the same.
    fs::set_permissions(desk.card(), fs::Permissions::from_mode(0o555)).unwrap();
    let dry = desk.flash(&["--dry-run"]);
    let done = desk.flash(&[]);
    assert_eq!(dry.status, done.status, "{}{}", dry.err, done.err);
    fs::set_permissions(desk.card(), fs::Permissions::from_mode(0o755)).unwrap();
    desk.names().iter().for_each(|name| fs::remove_file(desk.card().join(name)).unwrap());
    desk.put("config.txt", "mine");
    let done = desk.flash(&["--dry-run"]);
    assert_eq!(done.status, Some(1));
    assert!(done.out.contains("in the way"), "{}", done.out);
    assert_eq!(desk.names(), ["config.txt"]);
}

#[test]
fn the_same_for_a_script() {
    let desk = Desk::new(b"kernel");
    desk.put("config.txt", "mine");
    let done = desk.flash(&["--force", "--json"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    let config = &report["files"].as_array().unwrap()[2];
    assert_eq!((&config["name"], &config["action"]), (&"config.txt".into(), &"backup".into()));
    assert_eq!(config["backup"], "config.txt.bak");
    assert_eq!(report["firmware"][0], serde_json::json!({ "path": "start4.elf", "present": false }));
}

/// FL-04: a tool that dies in the middle of a write leaves the kernel of before; one that may not write so much leaves
/// nothing else either.
#[test]
fn a_write_that_ends_in_the_middle() {
    let desk = Desk::new(b"one");
    assert_eq!(desk.flash(&[]).status, Some(0));
    let before = desk.names();
    // No file may be larger than a few KiB: the signal for that kills the tool, as pulling the card stops it.
    desk.take_kernel(&[b'x'; 100_000]);
    let flash = desk.command(&[]);
    let limited = |trap: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{trap} ulimit -f 8; exec \"$@\""), "sh"]).arg(flash.get_program());
        Done::of(shell.args(flash.get_args()).output().unwrap())
    };
    assert_eq!(limited("").status, None, "not killed");
    assert_eq!(desk.has("kernel8.img"), "one");
    assert!(desk.names().contains(&".kernel8.img.tophalf".into()), "nothing is left of it: {:?}", desk.names());
    // What a flash with other options has left.
    desk.put(".cmdline.txt.tophalf", "pi=");
    desk.put(".config.txt.bak.tophalf", "arm_64");
    let done = limited("trap '' XFSZ;");
    assert_eq!(done.status, Some(1));
    assert!(done.err.contains("error: cannot write kernel8.img") && done.err.contains("hint: "), "{}", done.err);
    assert_eq!((desk.has("kernel8.img").as_str(), desk.names()), ("one", before.clone()));
    assert_eq!(desk.flash(&[]).status, Some(0));
    assert_eq!((desk.has("kernel8.img").len(), desk.names()), (100_000, before));
}

/// FL-04: what is no card is refused with the next step.
#[test]
fn places_that_are_no_card() {
    let desk = Desk::new(b"kernel");
    let to = |dir: &Path| {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
        tool.args(["flash", "--to"]).arg(dir).env("PATH", "/nonexistent");
        Done::of(tool.output().unwrap())
    };
    for (dir, words) in [("nowhere", "there is no folder"), ("kernel.elf", "is not a folder")] {
        // Before anything is built: there is nothing to build with.
        let done = to(&desk.dir.path().join(dir));
        assert_eq!(done.status, Some(1));
        assert!(done.err.contains(words) && done.err.contains("hint: mount the card"), "{}", done.err);
    }
    fs::create_dir(desk.card().join("kernel8.img")).unwrap();
    let done = desk.flash(&["--force"]);
    assert!(
        done.status == Some(1) && done.err.contains("no files, or written in another case: kernel8.img\n"),
        "{}",
        done.err
    );
}

/// FL-01: an image for another machine does not get onto the card.
#[test]
fn other_machines_images() {
    let desk = Desk::new(b"");
    for (bytes, words) in [
        (elf(X86_64, RASPI4, b"x"), "it is for X86_64"),
        (elf(AARCH64, 0x4008_0000, b"x"), "it is linked for 0x40080000, not 0x80000"),
        (elf(AARCH64, RASPI4, b""), "it is empty"),
        (b"#!/bin/sh".to_vec(), "not an ELF file"),
    ] {
        fs::write(desk.dir.path().join("kernel.elf"), bytes).unwrap();
        let done = desk.flash(&[]);
        assert_eq!(done.status, Some(1));
        assert!(done.err.contains(words), "{words}: {}", done.err);
    }
    assert!(desk.names().is_empty());
}
