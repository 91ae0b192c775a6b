//! Which function and line does an address belong to?

use crate::{image::Image, project};
use addr2line::Loader;
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

/// The symbols of an image, read when the first address is asked for: most runs never need them.
pub struct Symbols {
    elf: PathBuf,
    loaded: OnceCell<Loaded>,
}

#[derive(Default)]
struct Loaded {
    /// By start address.
    functions: Vec<Function>,
    /// Executable sections of an ARM64 image: address and content.
    code: Vec<(u64, Vec<u8>)>,
    lines: Option<Loader>,
}

struct Function {
    start: u64,
    size: u64,
    name: String,
}

impl Symbols {
    /// The symbols of an image.
    pub fn of(image: &Image) -> Self {
        Self { elf: image.elf.clone(), loaded: OnceCell::new() }
    }

    /// `function+0x12/0x80 (file.rs:12)`.
    ///
    /// Unless the address is `exact`, one that stands behind a call is a return address: the call is meant. It may be the
    /// last instruction of its function (one that panics), so that the address itself belongs to the next.
    pub fn describe(&self, address: u64, exact: bool) -> Option<String> {
        let loaded = self.loaded.get_or_init(|| Loaded::read(&self.elf));
        let probe = if exact || !loaded.follows_call(address) { address } else { address.checked_sub(1)? };
        let next = loaded.functions.partition_point(|function| function.start <= probe);
        let function = loaded.functions.get(next.checked_sub(1)?)?;
        if probe >= function.start + function.size.max(1) {
            return None;
        }
        let offset = address - function.start;
        let mut text = format!("{}+{offset:#x}/{:#x}", function.name, function.size);
        if let Some(location) = loaded.lines.as_ref().and_then(|lines| lines.find_location(probe).ok().flatten())
            && let (Some(file), Some(line)) = (location.file, location.line)
        {
            text.push_str(&format!(" ({}:{line})", short(file)));
        }
        Some(text)
    }
}

impl Loaded {
    /// Reads what can be read: a report without names is better than no report.
    fn read(elf: &Path) -> Self {
        let Ok(bytes) = std::fs::read(elf) else { return Self::default() };
        let Ok(file) = object::File::parse(&*bytes) else { return Self::default() };
        let mut functions = functions(&file);
        functions.sort_by_key(|function| function.start);
        Self { functions, code: code(&file), lines: Loader::new(elf).ok() }
    }

    /// Is the instruction before this address a call? An image whose code cannot be read is believed to have one.
    fn follows_call(&self, address: u64) -> bool {
        let before = |(start, bytes): &(u64, Vec<u8>)| {
            let at = usize::try_from(address.checked_sub(INSTRUCTION)?.checked_sub(*start)?).ok()?;
            bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
        };
        let word = self.code.iter().find_map(before);
        // Arm ARM C6.2: BL is 100101 followed by the offset; BLR is 1101011000111111000000 Rn 00000.
        word.is_none_or(|word| word >> 26 == 0b100101 || word & 0xFFFF_FC1F == 0xD63F_0000)
    }
}

/// Bytes of an ARM64 instruction.
const INSTRUCTION: u64 = 4;

fn code(file: &object::File<'_>) -> Vec<(u64, Vec<u8>)> {
    if file.architecture() != Architecture::Aarch64 {
        return Vec::new();
    }
    let text = file.sections().filter(|section| section.kind() == SectionKind::Text);
    text.filter_map(|section| Some((section.address(), section.data().ok()?.to_vec()))).collect()
}

fn functions(file: &object::File<'_>) -> Vec<Function> {
    let code = file.symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    code.filter_map(|symbol| {
        let name = symbol.name().ok().filter(|name| !name.starts_with('$'))?;
        let name = format!("{:#}", rustc_demangle::demangle(name));
        Some(Function { start: symbol.address(), size: symbol.size(), name })
    })
    .collect()
}

/// A path as its readers know it: from the repository, the library or the crate on.
fn short(file: &str) -> &str {
    let root = project::root().ok().and_then(|root| root.to_str());
    if let Some(inside) = root.and_then(|root| file.strip_prefix(root)) {
        return inside.trim_start_matches('/');
    }
    if let Some((_, library)) = file.rsplit_once("/library/") {
        return library;
    }
    // ~/.cargo/registry/src/<registry>/<crate>/…
    match file.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/')) {
        Some((_, inside)) => inside,
        None => file,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A function of this test program, found in the program's own file: its image, address and line.
    #[inline(never)]
    pub fn own_function() -> (Image, u64, u32) {
        let elf = std::env::current_exe().unwrap();
        let name = "symbols::tests::own_function";
        let bytes = std::fs::read(&elf).unwrap();
        let functions = functions(&object::File::parse(&*bytes).unwrap());
        let own = functions.iter().find(|function| function.name.ends_with(name)).unwrap();
        (Image { elf }, own.start, line!() - 6)
    }

    #[test]
    fn function_offset_size_file_and_line() {
        let (image, start, line) = own_function();
        let symbols = Symbols::of(&image);
        let first = symbols.describe(start, true).unwrap();
        let name = "tophalf::stream::symbols::tests::own_function";
        assert!(first.starts_with(&format!("{name}+0x0/0x")), "{first}");
        assert!(first.ends_with(&format!(" (tools/src/stream/symbols.rs:{line})")), "{first}");
        let inside = symbols.describe(start + 4, false).unwrap();
        assert!(inside.starts_with(&format!("{name}+0x4/0x")), "{inside}");
    }

    #[test]
    fn only_what_follows_a_call_is_a_return_address() {
        let words: [u32; 4] = [0x9400_0001, 0xD63F_0200, 0xD65F_03C0, 0xD503_201F]; // bl, blr x16, ret, nop
        let code = vec![(0x4000, words.iter().flat_map(|word| word.to_le_bytes()).collect())];
        let loaded = Loaded { code, ..Loaded::default() };
        let follows = [0x4004, 0x4008, 0x400c, 0x4010].map(|address| loaded.follows_call(address));
        assert_eq!(follows, [true, true, false, false]);
    }

    #[test]
    fn addresses_outside_have_no_name() {
        let symbols = Symbols::of(&own_function().0);
        assert_eq!(symbols.describe(0, false), None);
        assert_eq!(symbols.describe(u64::MAX, true), None);
        assert_eq!(Symbols::of(&Image { elf: "/nonexistent".into() }).describe(4096, true), None);
    }

    #[test]
    fn paths_are_cut_to_what_matters() {
        assert_eq!(short("/usr/lib/rustlib/src/rust/library/core/src/option.rs"), "core/src/option.rs");
        assert_eq!(short("/home/u/.cargo/registry/src/index-1/heapless-0.9.3/src/vec.rs"), "heapless-0.9.3/src/vec.rs");
        assert_eq!(short("/elsewhere/x.rs"), "/elsewhere/x.rs");
    }
}
