//! How old is what a reader sees? Each element has an age that whoever has replaced it advances with every grace period (RC-01.3).
//!
//! 0: it is in its place. 1: it was replaced. From 2 on a whole grace period has passed since, and no reader may have it; it is
//! kept for [`GENERATIONS`] of them, and freed, which poisons its memory (RC-05.5).
use hw::sim::Rng;
use kernel::{
    rcu::{RcuPtr, Reading},
    sync::{LocalLock, RawSpinLock, SpinLock},
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

/// Grace periods that a replaced element is kept for.
pub const GENERATIONS: u32 = 10;
/// Places in which elements are read and replaced.
const PLACES: usize = 3;
/// Age of an element that was freed.
const FREED: u32 = 1_000;
const PATTERN: u32 = 0x600d_600d;
const POISON: u32 = 0xdead_dead;

/// What an element is made of. It outlives the element, so that a reader who goes wrong reads poison and nothing worse.
struct Memory {
    age: AtomicU32,
    words: [AtomicU32; 4],
}

/// Something that readers use. The memory of its own is the kernel's to free.
pub struct Element(Arc<Memory>);

impl Element {
    /// A grace period has passed since it was replaced.
    pub fn advance(&self) {
        self.0.age.fetch_add(1, SeqCst);
    }
    pub fn age(&self) -> u32 {
        self.0.age.load(SeqCst)
    }
}
impl Drop for Element {
    fn drop(&mut self) {
        assert!(self.0.age.swap(FREED, SeqCst) < FREED, "an element is freed twice");
        self.0.words.iter().for_each(|word| word.store(POISON, SeqCst));
    }
}

/// An element that a reader has loaded, as long as its section lasts.
pub struct Seen(Arc<Memory>);

impl Seen {
    /// It is what a reader may see.
    #[track_caller]
    pub fn check(&self) {
        let age = self.0.age.load(SeqCst);
        assert!(age < 2, "a reader sees age {age}");
        self.0.words.iter().for_each(|word| assert_eq!(word.load(SeqCst), PATTERN, "a reader sees poison"));
    }
}

/// What readers and updaters share.
pub struct Pipeline {
    places: [RcuPtr<Element>; PLACES],
    made: Mutex<Vec<Arc<Memory>>>,
    /// Readers are to end.
    pub over: AtomicBool,
    pub spin: SpinLock<()>,
    pub irq_spin: SpinLock<(), kernel::cx::Irq>,
    pub raw: RawSpinLock<()>,
    pub local: LocalLock<()>,
}

impl Pipeline {
    pub fn new() -> Arc<Self> {
        let new = Self {
            places: [const { RcuPtr::null() }; PLACES],
            made: Mutex::default(),
            over: AtomicBool::new(false),
            spin: SpinLock::new(()),
            irq_spin: SpinLock::new(()),
            raw: RawSpinLock::new(()),
            local: LocalLock::new([(); kernel::percpu::MAX_CPUS]),
        };
        for place in &new.places {
            assert!(place.replace(new.element()).is_none());
        }
        Arc::new(new)
    }
    fn element(&self) -> Element {
        let memory = Arc::new(Memory { age: AtomicU32::new(0), words: [const { AtomicU32::new(PATTERN) }; 4] });
        self.made.lock().unwrap().push(memory.clone());
        Element(memory)
    }
    /// Puts a new element in the place of an old one.
    pub fn replace(&self, rng: &Rng) -> kernel::rcu::Retired<Element> {
        let old = self.place(rng).replace(self.element()).expect("there is one in each place");
        old.advance();
        old
    }
    fn place(&self, rng: &Rng) -> &RcuPtr<Element> {
        &self.places[rng.below(PLACES as u64) as usize]
    }
    /// Loads an element.
    #[track_caller]
    pub fn load(&self, rng: &Rng, reader: &impl Reading) -> Seen {
        let element = self.place(rng).load(reader).expect("there is one in each place");
        let seen = Seen(element.0.clone());
        seen.check();
        seen
    }
    pub fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }
    /// How many elements there were, and how many of them were not freed.
    pub fn elements(&self) -> (usize, usize) {
        let made = self.made.lock().unwrap();
        (made.len(), made.iter().filter(|memory| memory.age.load(SeqCst) != FREED).count())
    }
    /// The elements in their places.
    pub const fn in_place() -> usize {
        PLACES
    }
}
