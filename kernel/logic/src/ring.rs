//! How does a CPU hand bytes to readers without ever waiting for them?
//!
//! [`Ring`] keeps variable-size records and overwrites the oldest; any number of readers follow, each with its own
//! [`Cursor`]. Beside it, [`Bytes`] is the plain byte queue of a serial line, which refuses when full.
//!
//! A ring position counts words since boot and never wraps. Records between `tail` and `head` are intact:
//!
//! ```text
//!        tail                                   head            head + W
//!   ……… | header payload… | header payload… | … | open record … |
//! ```
//!
//! The producer moves `tail` past a record *before* it overwrites the first word of it, and moves `head` after the last
//! word of a new record is there. A reader copies first and looks at `tail` afterwards: still not past its record means
//! that nothing was overwritten while it copied (a sequence lock whose sequence is `tail`).

pub use bytes::Bytes;

mod bytes;

use crate::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The longest record a ring keeps, in bytes; what is beyond is cut off and the record marked.
///
/// It bounds how long the producer keeps interrupts masked for one record.
pub const MAX_RECORD: usize = 512;

const WORD: usize = size_of::<u64>();

/// The words a ring of `bytes` bytes is made of: `Ring<{ words(16 * 1024) }>`.
pub const fn words(bytes: usize) -> usize {
    bytes / WORD
}

/// A record's first word: 48 bits of sequence, the truncation mark, 15 bits of length in bytes.
#[derive(Clone, Copy)]
struct Header(u64);

impl Header {
    const TRUNCATED: u64 = 1 << 15;

    fn new(seq: u64, open: Open) -> Self {
        let mark = if open.truncated() { Self::TRUNCATED } else { 0 };
        Header(seq << 16 | mark | open.len() as u64)
    }

    fn seq(self) -> u64 {
        self.0 >> 16
    }

    fn len(self) -> usize {
        (self.0 & (Self::TRUNCATED - 1)) as usize
    }

    fn truncated(self) -> bool {
        self.0 & Self::TRUNCATED != 0
    }

    /// Words the record takes, its header included.
    fn words(self) -> u64 {
        1 + self.len().div_ceil(WORD) as u64
    }
}

/// What the producer remembers of the record it is writing: whether there is one, its length, whether it was cut.
#[derive(Clone, Copy)]
struct Open(u32);

impl Open {
    const CLOSED: Open = Open(0);
    const EMPTY: Open = Open(1 << 31);
    const TRUNCATED: u32 = 1 << 30;

    fn is_open(self) -> bool {
        self.0 & Self::EMPTY.0 != 0
    }

    fn truncated(self) -> bool {
        self.0 & Self::TRUNCATED != 0
    }

    fn len(self) -> usize {
        (self.0 & (Self::TRUNCATED - 1)) as usize
    }

    fn grown(self, bytes: usize, truncated: bool) -> Open {
        Open((self.0 + bytes as u32) | if truncated { Self::TRUNCATED } else { 0 })
    }
}

/// One CPU's records, `W` words of eight bytes (a power of two, at least 4; see [`words`]).
///
/// Producer calls (`push`, `begin`, `write`, `commit`) come from one CPU and do not interrupt each other: interrupts are
/// masked around each. Between two of these calls anything may happen, also another record (see [`begin`](Ring::begin)).
pub struct Ring<const W: usize> {
    words: [AtomicU64; W],
    /// Position of the oldest intact record.
    tail: AtomicU64,
    /// Position behind the newest complete record, where the open one begins.
    head: AtomicU64,
    /// Sequence of the record begun next.
    seq: AtomicU64,
    /// The producer's own: the open record and those of its bytes that do not fill a word yet.
    open: AtomicU32,
    partial: AtomicU64,
}

impl<const W: usize> Ring<W> {
    /// Longest record of this ring. Half of a small ring, so that one record never drives out everything before it.
    pub const LIMIT: usize = {
        assert!(W.is_power_of_two() && W >= 4, "a ring's size is a power of two, at least 4 words");
        let half = (W / 2 - 1) * WORD;
        if half < MAX_RECORD { half } else { MAX_RECORD }
    };

    /// An empty ring.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Ring {
            words: [const { AtomicU64::new(0) }; W],
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            open: AtomicU32::new(0),
            partial: AtomicU64::new(0),
        }
    }

    /// An empty ring. (loom's atomics are not made at compile time.)
    #[cfg(loom)]
    pub fn new() -> Self {
        Ring {
            words: core::array::from_fn(|_| AtomicU64::new(0)),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            open: AtomicU32::new(0),
            partial: AtomicU64::new(0),
        }
    }

    /// Stores one record and says its sequence. More than [`LIMIT`](Ring::LIMIT) bytes are cut off and marked.
    pub fn push(&self, bytes: &[u8]) -> u64 {
        let seq = self.begin();
        self.write(bytes);
        self.commit();
        seq
    }

    /// Opens a record that [`write`](Ring::write) fills and [`commit`](Ring::commit) publishes; says its sequence.
    ///
    /// A record that is still open is given up: its sequence is missing from what readers see, so they count it as
    /// dropped. That happens when an encoder faults half-way and the fault's report is logged.
    pub fn begin(&self) -> u64 {
        let seq = self.seq.load(Relaxed);
        self.seq.store(seq + 1, Relaxed);
        self.reserve(self.head.load(Relaxed) + 1);
        self.partial.store(0, Relaxed);
        self.open.store(Open::EMPTY.0, Relaxed);
        seq
    }

    /// Appends to the open record; without one (it was given up) does nothing.
    pub fn write(&self, bytes: &[u8]) {
        let open = Open(self.open.load(Relaxed));
        if !open.is_open() {
            return;
        }
        let room = Self::LIMIT - open.len();
        let taken = &bytes[..bytes.len().min(room)];
        let first = self.head.load(Relaxed) + 1;
        self.reserve(first + (open.len() + taken.len()).div_ceil(WORD) as u64);

        let used = open.len() % WORD;
        let mut at = first + (open.len() / WORD) as u64;
        let mut partial = self.partial.load(Relaxed);
        let (filler, rest) = taken.split_at(taken.len().min((WORD - used) % WORD));
        if used > 0 {
            partial |= gather(filler) << (8 * used);
            if used + filler.len() == WORD {
                self.word(at).store(partial, Relaxed);
                at += 1;
                partial = 0;
            }
        }
        let (whole, last) = rest.as_chunks::<WORD>();
        for chunk in whole {
            self.word(at).store(u64::from_le_bytes(*chunk), Relaxed);
            at += 1;
        }
        if !last.is_empty() {
            partial = gather(last);
        }
        self.partial.store(partial, Relaxed);
        self.open.store(open.grown(taken.len(), taken.len() < bytes.len()).0, Relaxed);
    }

    /// Publishes the open record and says its sequence; `None` if it was given up meanwhile.
    pub fn commit(&self) -> Option<u64> {
        let open = Open(self.open.load(Relaxed));
        if !open.is_open() {
            return None;
        }
        // Nothing was begun after the open record, so the newest sequence is its own.
        let seq = self.seq.load(Relaxed) - 1;
        let head = self.head.load(Relaxed);
        let header = Header::new(seq, open);
        if !open.len().is_multiple_of(WORD) {
            let last = head + header.words() - 1;
            self.word(last).store(self.partial.load(Relaxed), Relaxed);
        }
        self.word(head).store(header.0, Relaxed);
        self.open.store(Open::CLOSED.0, Relaxed);
        self.head.store(head + header.words(), Release);
        Some(seq)
    }

    /// The sequence the next record gets: the number of records begun so far.
    pub fn next_seq(&self) -> u64 {
        self.seq.load(Relaxed)
    }

    /// Copies the next record into `buf` and moves the cursor behind it. Never waits for the producer and never holds it
    /// up; starts over, further on, only if the record was overwritten while it was copied.
    ///
    /// What `buf` cannot take is cut off, and the record reads as truncated.
    pub fn read(&self, cursor: &mut Cursor, buf: &mut [u8]) -> Read {
        loop {
            // `tail` first: acquiring it makes every `head` up to it visible, so `tail <= head` here as well.
            let tail = self.tail.load(Acquire);
            let head = self.head.load(Acquire);
            let at = cursor.at.max(tail);
            if at >= head {
                return Read::Empty;
            }
            let header = Header(self.word(at).load(Relaxed));
            let wanted = header.seq() >= cursor.seq;
            // While the header is unverified its length is any number; the copy is bounded by the limit and `buf`.
            let len = header.len().min(Self::LIMIT).min(buf.len());
            if wanted {
                let from = at + 1;
                for (i, chunk) in buf[..len].chunks_mut(WORD).enumerate() {
                    let word = self.word(from + i as u64).load(Relaxed).to_le_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
            // Pairs with the fence in `reserve`: if any word above came from the producer's overwriting, the `tail` that
            // it stored before is seen here.
            fence(Acquire);
            if self.tail.load(Relaxed) > at {
                continue;
            }
            cursor.at = at + header.words();
            if wanted {
                let dropped = header.seq() - cursor.seq;
                cursor.seq = header.seq() + 1;
                let truncated = header.truncated() || len < header.len();
                return Read::Record { len, seq: header.seq(), dropped, truncated };
            }
        }
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[position as usize & (W - 1)]
    }

    /// Gives up the oldest records until everything before `end` may be written.
    fn reserve(&self, end: u64) {
        let mut tail = self.tail.load(Relaxed);
        if end - tail <= W as u64 {
            return;
        }
        // Ends at `head` at the latest, as a record takes no more than half of the ring.
        while end - tail > W as u64 {
            tail += Header(self.word(tail).load(Relaxed)).words();
        }
        self.tail.store(tail, Release);
        // No word may be overwritten before `tail` has moved: a reader that copied the new word must see the new `tail`.
        fence(Release);
    }
}

impl<const W: usize> Default for Ring<W> {
    fn default() -> Self {
        Self::new()
    }
}

/// Up to eight bytes as the low end of a word.
fn gather(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Where a reader of a [`Ring`] is. Each reader has its own; it belongs to one ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    at: u64,
    /// Sequence of the record expected next.
    seq: u64,
}

impl Cursor {
    /// Reads from the record with this sequence on, or from the oldest one left if that is gone (it then counts as
    /// dropped). `Cursor::from_seq(0)`, the default, reads everything.
    pub const fn from_seq(seq: u64) -> Self {
        Cursor { at: 0, seq }
    }

    /// The sequence this reader expects next.
    pub const fn next_seq(&self) -> u64 {
        self.seq
    }
}

/// What [`Ring::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A record was copied.
    Record {
        /// Bytes copied.
        len: usize,
        /// The record's sequence: records are numbered from 0.
        seq: u64,
        /// Records this reader missed just before this one; each is reported once.
        dropped: u64,
        /// The record was longer than what was copied.
        truncated: bool,
    },
    /// Nothing more for now.
    Empty,
}

#[cfg(all(test, not(loom)))]
mod tests;
