//! What does a lab in the kernel say to be drawn? Lines that begin with `draw`:
//!
//! | line | means |
//! |---|---|
//! | `draw panel TITLE` | a timeline begins |
//! | `draw lane THREAD LEVEL NAME` | a thread gets a lane, below those before; without others it runs at this level |
//! | `draw at NS switch THREAD THREAD` | the CPU goes from one thread to another; threads without a lane may be named |
//! | `draw at NS wake THREAD` | it is ready |
//! | `draw at NS blocks THREAD` | it begins to wait for a lock |
//! | `draw at NS takes THREAD`, `gives` | it has got a lock, gives one back |
//! | `draw at NS level THREAD LEVEL` | it runs at this level from now on |
//! | `draw at NS says THREAD TEXT` | something worth a mark |
//! | `draw note TEXT` | a line below the title |
//! | `draw end NS` | the timeline is complete |
//!
//! Times are nanoseconds from any moment on, never less than in the line before.

/// What every line begins with.
pub const PREFIX: &[u8] = b"draw ";

/// A thread, as the kernel numbers them.
pub type Thread = u64;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A timeline begins.
    Panel(&'a str),
    /// A thread gets a lane.
    Lane(Thread, u8, &'a str),
    /// Something happened at this time.
    At(u64, What<'a>),
    /// A line below the title.
    Note(&'a str),
    /// The timeline ends at this time.
    End(u64),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// From the first to the second thread.
    Switch(Thread, Thread),
    /// Ready.
    Wake(Thread),
    /// Waits for a lock.
    Blocks(Thread),
    /// Has got a lock.
    Takes(Thread),
    /// Gives a lock back.
    Gives(Thread),
    /// Runs at this level.
    Level(Thread, u8),
    /// A mark.
    Says(Thread, &'a str),
}

/// Reads what stands behind [`PREFIX`]; `None` if it makes no sense.
pub fn parse(line: &str) -> Option<Line<'_>> {
    let (word, rest) = line.split_once(' ')?;
    Some(match word {
        "panel" => Line::Panel(some(rest)?),
        "note" => Line::Note(some(rest)?),
        "end" => Line::End(rest.parse().ok()?),
        "lane" => {
            let mut words = rest.splitn(3, ' ');
            Line::Lane(number(&mut words)?, number(&mut words)?, some(words.next()?)?)
        }
        "at" => {
            let mut words = rest.splitn(4, ' ');
            let (at, what) = (number(&mut words)?, words.next()?);
            let thread = number(&mut words)?;
            let last = words.next();
            Line::At(at, happened(what, thread, last)?)
        }
        _ => return None,
    })
}

fn happened<'a>(what: &str, thread: Thread, last: Option<&'a str>) -> Option<What<'a>> {
    Some(match (what, last) {
        ("wake", None) => What::Wake(thread),
        ("blocks", None) => What::Blocks(thread),
        ("takes", None) => What::Takes(thread),
        ("gives", None) => What::Gives(thread),
        ("switch", Some(next)) => What::Switch(thread, next.parse().ok()?),
        ("level", Some(level)) => What::Level(thread, level.parse().ok()?),
        ("says", Some(text)) => What::Says(thread, some(text)?),
        _ => return None,
    })
}

fn number<'a, N: std::str::FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Option<N> {
    words.next()?.parse().ok()
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_line() {
        for (line, expected) in [
            ("panel two words", Line::Panel("two words")),
            ("lane 5 30 H, the urgent one", Line::Lane(5, 30, "H, the urgent one")),
            ("note a b", Line::Note("a b")),
            ("end 99", Line::End(99)),
            ("at 7 switch 1 2", Line::At(7, What::Switch(1, 2))),
            ("at 7 wake 1", Line::At(7, What::Wake(1))),
            ("at 7 blocks 1", Line::At(7, What::Blocks(1))),
            ("at 7 takes 1", Line::At(7, What::Takes(1))),
            ("at 7 gives 1", Line::At(7, What::Gives(1))),
            ("at 7 level 1 30", Line::At(7, What::Level(1, 30))),
            ("at 7 says 1 here I am", Line::At(7, What::Says(1, "here I am"))),
        ] {
            assert_eq!(parse(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for line in [
            "",
            "panel",
            "panel  ",
            "lane 1 2",
            "lane x 2 n",
            "lane 1 256 n",
            "end",
            "end -1",
            "at 7",
            "at 7 wake",
            "at 7 wake 1 2",
            "at x wake 1",
            "at 7 switch 1",
            "at 7 switch 1 2 3",
            "at 7 level 1 x",
            "at 7 says 1",
            "at 7 jumps 1",
            "circle 1 2",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "(panel|lane|at|end|note)?[ 0-9a-z]{0,30}") {
            parse(&line);
        }
    }
}
