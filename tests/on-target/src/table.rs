//! Which tests are there? Each adds an entry to section `.tests`, which the host reads from the ELF file to list them
//! (`tools/src/image/table.rs`) and the image itself to find the one that it was booted for.
use crate::board;
use core::slice;
use kernel::{ThreadCx, model::Model};

/// A text where the host finds it: address and length.
#[repr(C)]
struct Text {
    start: *const u8,
    len: usize,
}

impl Text {
    const fn new(text: &'static str) -> Self {
        Self { start: text.as_ptr(), len: text.len() }
    }
    fn get(&self) -> &'static str {
        // SAFETY: made from a `&'static str`.
        unsafe { core::str::from_utf8_unchecked(slice::from_raw_parts(self.start, self.len)) }
    }
}

/// One test. The layout is what the host reads.
#[repr(C)]
pub struct Test {
    name: Text,
    run: fn(&mut ThreadCx),
    expect: u64,
    says: Text,
    bootargs: Text,
    machine: Text,
    smp: u64,
    models: u64,
    skipped: Text,
}

/// `WORDS` of `tools/src/image/table.rs`.
const _: () = assert!(size_of::<Test>() == 14 * size_of::<u64>());

// SAFETY: never written.
unsafe impl Sync for Test {}

impl Test {
    /// A test that passes when it returns.
    pub const fn new(name: &'static str, run: fn(&mut ThreadCx)) -> Self {
        Self {
            name: Text::new(name),
            run,
            expect: 0,
            says: Text::new(""),
            bootargs: Text::new(""),
            machine: Text::new(""),
            smp: 1,
            models: bits(&Model::ALL),
            skipped: Text::new(""),
        }
    }
    /// The machine has to end with this status.
    pub const fn expect(self, status: u64) -> Self {
        Self { expect: status, ..self }
    }
    /// The output has to contain each line of this text, in this order, each somewhere behind the one before.
    pub const fn says(self, text: &'static str) -> Self {
        Self { says: Text::new(text), ..self }
    }
    /// It is booted with these arguments besides.
    pub const fn bootargs(self, arguments: &'static str) -> Self {
        Self { bootargs: Text::new(arguments), ..self }
    }
    /// QEMU's machine has these options besides.
    pub const fn machine(self, options: &'static str) -> Self {
        if options.is_empty() { self } else { Self { machine: Text::new(options), ..self }.lacks(board::NO_OPTIONS) }
    }
    /// The machine has this many CPUs, 1 to 8; without this, one.
    pub const fn smp(self, cpus: u64) -> Self {
        assert!(1 <= cpus && cpus <= hw::smp::MAX_CPUS as u64);
        Self { smp: cpus, ..self }
    }
    /// It holds on these models only; without this, on all.
    pub const fn models(self, models: &[Model]) -> Self {
        Self { models: bits(models), ..self }
    }
    /// It cannot be run on this board, for this reason; an empty one is none.
    pub const fn lacks(self, reason: &'static str) -> Self {
        if reason.is_empty() { self } else { Self { skipped: Text::new(reason), ..self } }
    }
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name.get()
    }
    /// Runs it in the calling thread.
    pub fn run(&self, cx: &mut ThreadCx) {
        (self.run)(cx);
    }
}

/// A bit for each model.
const fn bits(mut models: &[Model]) -> u64 {
    let mut bits = 0;
    while let [first, rest @ ..] = models {
        bits |= 1 << *first as u64;
        models = rest;
    }
    bits
}

/// The models that preempt kernel code where nothing forbids it.
pub const PREEMPTIBLE: &[Model] = &[Model::Full, Model::Rtb, Model::Rt];

/// Puts a function into the table: `test!(name)`, or with choices of [`Test`]: `test!(name, expect(101), says("BUG"))`.
macro_rules! test {
    ($name:ident $(, $choice:ident($value:expr))*) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".tests")]
            static ENTRY: $crate::table::Test =
                $crate::table::Test::new(stringify!($name), $name)$(.$choice($value))*;
        };
    };
}
pub(crate) use test;

/// The test of this name.
pub fn find(name: &str) -> Option<&'static Test> {
    unsafe extern "C" {
        static __tests_start: u8;
        static __tests_end: u8;
    }
    let (start, end) = (&raw const __tests_start, &raw const __tests_end);
    let count = (end.addr() - start.addr()) / size_of::<Test>();
    // SAFETY: the linker script's bounds of a section that has nothing but `Test`s.
    let tests = unsafe { slice::from_raw_parts(start.cast::<Test>(), count) };
    tests.iter().find(|test| test.name() == name)
}
