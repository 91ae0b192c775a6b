//! How is a flattened tree written? For tests of whoever reads one (Devicetree Specification 0.4, chapter 5).

/// A tree in the making.
#[derive(Default)]
pub struct Builder {
    structure: Vec<u8>,
    strings: Vec<u8>,
    reservations: Vec<u8>,
}

impl Builder {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
    /// Says that memory is in use.
    pub fn reserve(mut self, start: u64, bytes: u64) -> Self {
        self.reservations.extend([start, bytes].iter().flat_map(|word| word.to_be_bytes()));
        self
    }
    /// Adds a node.
    pub fn node(mut self, name: &str, inside: impl FnOnce(Self) -> Self) -> Self {
        self.word(1);
        self.bytes(format!("{name}\0").as_bytes());
        let mut inner = inside(self);
        inner.word(2);
        inner
    }
    /// Adds a property to the node, before nodes inside.
    pub fn property(mut self, name: &str, value: &[u8]) -> Self {
        self.word(3);
        self.word(value.len() as u32);
        self.word(self.strings.len() as u32);
        self.bytes(value);
        self.strings.extend(format!("{name}\0").as_bytes());
        self
    }
    /// Adds a property of words.
    pub fn cells(self, name: &str, cells: &[u32]) -> Self {
        self.property(name, &cells.iter().flat_map(|cell| cell.to_be_bytes()).collect::<Vec<_>>())
    }
    /// Adds a property that is a string.
    pub fn text(self, name: &str, text: &str) -> Self {
        self.property(name, format!("{text}\0").as_bytes())
    }
    /// The tree's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        const HEADER: usize = 40;
        self.word(9);
        self = self.reserve(0, 0);
        let structure = HEADER + self.reservations.len();
        let strings = structure + self.structure.len();
        let end = strings + self.strings.len();
        let sizes = [self.strings.len(), self.structure.len()];
        let header = [0xd00d_feed, end, structure, strings, HEADER, 17, 16, 0, sizes[0], sizes[1]];
        let header = header.iter().flat_map(|&word| (word as u32).to_be_bytes());
        header.chain(self.reservations).chain(self.structure).chain(self.strings).collect()
    }
}
