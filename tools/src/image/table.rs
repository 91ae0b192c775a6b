//! Which on-target tests does an image contain? Read from its `.tests` section; nothing is run.

use super::{Image, model::Model};
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection};

/// One on-target test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEntry {
    /// What `test=` in the boot arguments selects.
    pub name: String,
    /// The exit status that the image must end with.
    pub expect: u64,
    /// Texts, a line each, that the output must contain in this order; may be empty.
    pub text: String,
    /// Boot arguments besides its name, separated by blanks; may be empty.
    pub bootargs: String,
    /// Options of QEMU's machine, separated by commas; may be empty.
    pub machine: String,
    /// Number of CPUs.
    pub smp: u32,
    /// The models that it holds on.
    pub models: Vec<Model>,
    /// Why it cannot be run on the board that the image is for, if so.
    pub skipped: Option<String>,
}

impl TestEntry {
    /// Whether it holds on this model.
    pub fn holds_on(&self, model: Model) -> bool {
        self.models.contains(&model)
    }
}

/// The words of an entry, as the image's `#[repr(C)]` struct has them:
/// `name_ptr, name_len, run, expect, text_ptr, text_len, bootargs_ptr, bootargs_len, machine_ptr, machine_len, smp, models,
/// skipped_ptr, skipped_len`,
/// with a bit for each model, the first of [`Model::ALL`] lowest.
const WORDS: usize = 14;
/// CPUs that an image can use (`MAX_CPUS` in `kernel/hw/src/smp.rs`).
const MAX_CPUS: u64 = 8;

/// The test table of an image.
pub fn tests(image: &Image) -> Result<Vec<TestEntry>> {
    let bytes = std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
    read(&bytes).with_context(|| format!("{} has no good test table", image.elf.display()))
}

fn read(elf: &[u8]) -> Result<Vec<TestEntry>> {
    let elf = object::File::parse(elf)?;
    let table = elf.section_by_name(".tests").context("there is no .tests section")?.data()?;
    entries(table, |address, len| elf.sections().find_map(|section| section.data_range(address, len).ok().flatten()))
}

/// Reads the entries; `data` gives what the image has at an address.
fn entries<'a>(table: &[u8], data: impl Fn(u64, u64) -> Option<&'a [u8]>) -> Result<Vec<TestEntry>> {
    let (words, rest) = table.as_chunks::<{ size_of::<u64>() }>();
    ensure!(rest.is_empty() && words.len() % WORDS == 0, ".tests is not a whole number of {WORDS}-word entries");
    let text = |address: u64, len: u64| -> Result<String> {
        if len == 0 {
            return Ok(String::new());
        }
        let data = data(address, len).with_context(|| format!("no data at {address:#x}"))?;
        Ok(String::from_utf8(data.to_vec())?)
    };
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let entry = |words: &[u64; WORDS]| -> Result<TestEntry> {
        let [name, name_len, _run, expect, says, says_len, bootargs, bootargs_len, rest @ ..] = *words;
        let [machine, machine_len, smp, models, skipped, skipped_len] = rest;
        ensure!((1..=MAX_CPUS).contains(&smp), "a test wants {smp} CPUs");
        ensure!((1..1 << Model::ALL.len()).contains(&models), "a test holds on the models {models:#b}");
        Ok(TestEntry {
            name: text(name, name_len)?,
            expect,
            text: text(says, says_len)?,
            bootargs: text(bootargs, bootargs_len)?,
            machine: text(machine, machine_len)?,
            smp: u32::try_from(smp)?,
            models: (0..).zip(Model::ALL).filter(|(n, _)| models >> n & 1 != 0).map(|(_, model)| model).collect(),
            skipped: Some(text(skipped, skipped_len)?).filter(|reason| !reason.is_empty()),
        })
    };
    let mut tests = words.as_chunks::<WORDS>().0.iter().map(entry).collect::<Result<Vec<_>>>()?;
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(tests.windows(2).all(|pair| pair[0].name != pair[1].name), "two tests have the same name");
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x4008_0000;
    const RODATA: &[u8] = b"zeta alpha says a=1 secure=on no PSCI";

    fn read(words: &[u64]) -> Result<Vec<TestEntry>> {
        let table: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        entries(&table, |address, len| {
            let from = usize::try_from(address.checked_sub(BASE)?).ok()?;
            RODATA.get(from..from.checked_add(usize::try_from(len).ok()?)?)
        })
    }

    #[test]
    fn entries_by_name() {
        let zeta = [BASE, 4, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0b11111, BASE + 30, 7];
        let alpha = [BASE + 5, 5, 2, 101, BASE + 11, 4, BASE + 16, 3, BASE + 20, 9, 4, 0b10100, 0, 0];
        let tests = read(&[zeta, alpha].concat()).unwrap();
        let entry = |name: &str, expect, [text, bootargs, machine]: [&str; 3], smp, models: &[Model]| TestEntry {
            name: name.into(),
            expect,
            text: text.into(),
            bootargs: bootargs.into(),
            machine: machine.into(),
            smp,
            models: models.to_vec(),
            skipped: None,
        };
        let alpha = entry("alpha", 101, ["says", "a=1", "secure=on"], 4, &[Model::Full, Model::Rt]);
        let zeta = entry("zeta", 0, ["", "", ""], 1, &Model::ALL);
        assert_eq!(tests, [alpha, TestEntry { skipped: Some("no PSCI".into()), ..zeta }]);
        assert!(tests[0].holds_on(Model::Rt) && !tests[0].holds_on(Model::None));
        assert!(read(&[]).unwrap().is_empty());
    }

    #[test]
    fn bad_tables_are_errors() {
        for (bad, why) in [
            (&[BASE, 4, 1, 0, 0][..], "whole number"),
            (&[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1], "whole number"),
            (&[0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0], "no data at 0x0"),
            (&[BASE, u64::MAX, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0], "no data at 0x40080000"),
            (&[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "wants 0 CPUs"),
            (&[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1 << 32, 1, 0, 0], "wants 4294967296 CPUs"),
            (&[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "the models 0b0"),
            (&[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0b100001, 0, 0], "the models 0b100001"),
            (&[[BASE, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]; 2].concat(), "same name"),
        ] {
            assert!(read(bad).unwrap_err().to_string().contains(why), "{why}");
        }
        assert!(super::read(b"not an ELF file").is_err());
    }
}
