//! What does a flattened device tree say? Nodes and properties as they lie in memory (Devicetree Specification 0.4, chapter 5).
//!
//! Nothing is copied and nothing is taken on trust: what does not lie inside the tree is not there, and a walk that comes to
//! what makes no sense ends.

const MAGIC: u32 = 0xd00d_feed;
/// The version whose header is read here; newer ones say that they can be read as this one.
const VERSION: u32 = 17;
/// Bytes of a word, to which everything is aligned.
const WORD: usize = 4;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

/// A tree: what it says, and the names of its properties.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    reservations: &'a [u8],
}

impl<'a> Tree<'a> {
    /// The tree that lies at the beginning of `bytes`; `None` if there is none that is whole and of a version known.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let word = |n: usize| number(bytes.get(n * WORD..)?.get(..WORD)?).map(|word| word as u32);
        let [magic, size, structure, strings, reserved] = [word(0)?, word(1)?, word(2)?, word(3)?, word(4)?];
        let [version, compatible, strings_size, structure_size] = [word(5)?, word(6)?, word(8)?, word(9)?];
        if magic != MAGIC || version < VERSION || compatible > VERSION {
            return None;
        }
        let whole = bytes.get(..size as usize)?;
        let block = |start: u32, size: u32| whole.get(start as usize..)?.get(..size as usize);
        Some(Self {
            structure: block(structure, structure_size)?,
            strings: block(strings, strings_size)?,
            reservations: whole.get(reserved as usize..)?,
        })
    }
    /// Memory that is in use: start and bytes of each piece (5.3).
    pub fn reservations(self) -> impl Iterator<Item = (u64, u64)> {
        let pairs = self.reservations.chunks_exact(4 * WORD).map_while(|pair| {
            let (start, bytes) = pair.split_at(2 * WORD);
            Some((number(start)?, number(bytes)?))
        });
        pairs.take_while(|&pair| pair != (0, 0))
    }
    /// The node that all others are in.
    pub fn root(self) -> Option<Node<'a>> {
        Children { tokens: Tokens { tree: self, at: 0 }, depth: 0 }.next()
    }
    /// Whether the string at this place is `name`.
    fn is_called(&self, at: usize, name: &str) -> bool {
        let rest = self.strings.get(at..).and_then(|string| string.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// A node.
#[derive(Clone)]
pub struct Node<'a> {
    name: &'a [u8],
    inside: Tokens<'a>,
}

impl<'a> Node<'a> {
    /// Its name, without the unit address behind an `@`.
    pub fn name(&self) -> &'a [u8] {
        let end = self.name.iter().position(|&byte| byte == b'@').unwrap_or(self.name.len());
        self.name.get(..end).unwrap_or(self.name)
    }
    /// The value of its property of this name.
    #[inline(never)]
    pub fn property(&self, name: &str) -> Option<&'a [u8]> {
        // They come before the nodes inside (5.4.2).
        let properties = self.inside.clone().map_while(|token| match token {
            Token::Property(name, value) => Some((name, value)),
            Token::Begin(_) | Token::End => None,
        });
        let tree = self.inside.tree;
        properties.into_iter().find(|&(at, _)| tree.is_called(at, name)).map(|(_, value)| value)
    }
    /// The value of its property of this name, if that is one word.
    pub fn word(&self, name: &str) -> Option<u32> {
        self.property(name).filter(|value| value.len() == WORD).and_then(number).map(|word| word as u32)
    }
    /// The string that its property of this name is, without the zeroes at its end.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let mut value = self.property(name)?;
        while let Some(shorter) = value.strip_suffix(&[0]) {
            value = shorter;
        }
        core::str::from_utf8(value).ok()
    }
    /// Whether its property of this name, which is a list of strings, has this one.
    #[inline(never)]
    pub fn lists(&self, name: &str, item: &str) -> bool {
        let list = self.property(name).unwrap_or(&[]);
        list.split(|&byte| byte == 0).any(|other| other == item.as_bytes())
    }
    /// The nodes inside, in the tree's order.
    pub fn children(&self) -> Children<'a> {
        Children { tokens: self.inside.clone(), depth: 0 }
    }
    /// The first one inside of this name, which has no unit address.
    #[inline(never)]
    pub fn child(&self, name: &str) -> Option<Node<'a>> {
        self.children().find(|node| node.name() == name.as_bytes())
    }
}

/// The number that one or two words are, the more significant one first.
pub fn number(cells: &[u8]) -> Option<u64> {
    matches!(cells.len(), WORD | 8).then(|| cells.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The nodes inside a node.
pub struct Children<'a> {
    tokens: Tokens<'a>,
    /// Nodes begun and not ended.
    depth: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;
    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match self.tokens.next()? {
                Token::Begin(name) => {
                    self.depth += 1;
                    if self.depth == 1 {
                        return Some(Node { name, inside: self.tokens.clone() });
                    }
                }
                Token::End => self.depth = self.depth.checked_sub(1)?,
                Token::Property(..) => {}
            }
        }
    }
}

/// What the structure consists of.
enum Token<'a> {
    /// A node of this name begins.
    Begin(&'a [u8]),
    /// Where its name is among the strings, and its value.
    Property(usize, &'a [u8]),
    End,
}

/// A walk through the structure.
#[derive(Clone)]
struct Tokens<'a> {
    tree: Tree<'a>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn rest(&self) -> Option<&'a [u8]> {
        self.tree.structure.get(self.at..)
    }
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.rest()?.get(..bytes)?;
        // No more than there are, to the next word.
        self.at += bytes.next_multiple_of(WORD);
        Some(taken)
    }
    fn word(&mut self) -> Option<u32> {
        self.take(WORD).and_then(number).map(|word| word as u32)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            return match self.word()? {
                BEGIN_NODE => {
                    let length = self.rest()?.iter().position(|&byte| byte == 0)?;
                    self.take(length + 1)?.get(..length).map(Token::Begin)
                }
                END_NODE => Some(Token::End),
                PROPERTY => {
                    let (length, name) = (self.word()? as usize, self.word()? as usize);
                    self.take(length).map(|value| Token::Property(name, value))
                }
                NOP => continue,
                _ => None,
            };
        }
    }
}

#[cfg(test)]
mod tests;
