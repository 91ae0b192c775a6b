//! What does a message to the VideoCore look like, and what makes an answer of it? One property tag with two words (Raspberry Pi
//! firmware wiki, "Mailbox property interface").

/// A message with one tag.
///
/// | word | what | in the answer |
/// |---|---|---|
/// | 0 | bytes of all | |
/// | 1 | 0: a request | `DONE` |
/// | 2 | the tag | |
/// | 3 | bytes of its values | |
/// | 4 | 0: a request | `ANSWER` and bytes of the answer |
/// | 5, 6 | its values | the answer |
/// | 7 | 0: no more tags | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message([u32; Message::WORDS]);

/// The second word of a message that was understood.
const DONE: u32 = 1 << 31;
/// In a tag's own word: it was answered.
const ANSWER: u32 = 1 << 31;
const BYTES: u32 = 4;

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The message was not understood: its second word.
    Refused(u32),
    /// The tag is not known: its own word.
    Tag(u32),
    /// It is the answer to something else.
    Other,
}

impl Message {
    /// Words of a message.
    pub const WORDS: usize = 8;

    /// Asks for a tag, with its values.
    pub const fn new(tag: u32, values: [u32; 2]) -> Self {
        let [first, second] = values;
        Self([Self::WORDS as u32 * BYTES, 0, tag, 2 * BYTES, 0, first, second, 0])
    }
    /// What is to lie in memory.
    pub const fn words(&self) -> &[u32; Self::WORDS] {
        &self.0
    }
    /// The answer that the words are which lie there afterwards; the second one is 0 if the answer has only one.
    ///
    /// # Errors
    /// They are no answer to this message.
    pub fn answer(&self, words: &[u32; Self::WORDS]) -> Result<[u32; 2], Bad> {
        let [size, done, tag, room, answered, first, second, end] = *words;
        if done != DONE {
            return Err(Bad::Refused(done));
        }
        if [size, tag, room, end] != [self.0[0], self.0[2], self.0[3], 0] {
            return Err(Bad::Other);
        }
        match answered.wrapping_sub(ANSWER) {
            4 => Ok([first, 0]),
            8 => Ok([first, second]),
            _ => Err(Bad::Tag(answered)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLOCK: u32 = 0x0003_0002;

    /// BU-05: a message is as the firmware reads it, to the last word.
    #[test]
    fn bu_05_a_message_has_one_tag() {
        assert_eq!(Message::new(CLOCK, [2, 0]).words(), &[32, 0, 0x0003_0002, 8, 0, 2, 0, 0]);
    }

    /// BU-05: an answer has one word or two.
    #[test]
    fn bu_05_answers() {
        let message = Message::new(CLOCK, [2, 0]);
        let clock = [32, 0x8000_0000, CLOCK, 8, 0x8000_0008, 2, 48_000_000, 0];
        assert_eq!(message.answer(&clock), Ok([2, 48_000_000]));
        let revision = [32, 0x8000_0000, CLOCK, 8, 0x8000_0004, 0x00b0_3115, 7, 0];
        assert_eq!(message.answer(&revision), Ok([0x00b0_3115, 0]));
    }

    /// BU-05: what is not an answer to this message is told from one.
    #[test]
    fn bu_05_what_is_no_answer() {
        let message = Message::new(CLOCK, [2, 0]);
        let good = [32, 0x8000_0000, CLOCK, 8, 0x8000_0008, 2, 48_000_000, 0];
        assert_eq!(message.answer(message.words()), Err(Bad::Refused(0)), "nobody answered");
        for (word, value, bad) in [
            (1, 0x8000_0001, Bad::Refused(0x8000_0001)),
            (4, 0, Bad::Tag(0)),
            (4, 0x8000_0000, Bad::Tag(0x8000_0000)),
            (4, 0x8000_000c, Bad::Tag(0x8000_000c)),
            (4, 8, Bad::Tag(8)),
            (0, 64, Bad::Other),
            (2, CLOCK + 1, Bad::Other),
            (3, 4, Bad::Other),
            (7, 1, Bad::Other),
        ] {
            let mut words = good;
            words[word] = value;
            assert_eq!(message.answer(&words), Err(bad), "word {word}");
        }
    }

    proptest! {
        /// Whatever lies there: an answer is to this tag, and has what the firmware wrote.
        #[test]
        fn bu_05_any_words(words in any::<[u32; Message::WORDS]>(), tag in any::<u32>()) {
            let message = Message::new(tag, [0; 2]);
            if let Ok([first, second]) = message.answer(&words) {
                prop_assert!(words[1] == 0x8000_0000 && words[2] == tag && words[5] == first);
                prop_assert!(second == words[6] || second == 0);
            }
        }
    }
}
