//! What has to happen on this card? Decided before anything is written, from what is there.

use super::{
    content::{CMDLINE, CardFile},
    note::{self, Record},
};
use crate::failure::Failure;
use anyhow::Result;
use std::{fs, io, path::Path};

/// What has a name on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file with this content.
    File(Vec<u8>),
    /// A folder, a link, or what else is no file; or a file whose name differs in the case of letters, of which a card takes no
    /// notice, but a folder may.
    Other,
}

/// What happens to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It appears.
    Create,
    /// It has the right content already.
    Same,
    /// It is the tool's own, and replaced.
    Replace,
    /// It is not the tool's: it is kept under this name, and replaced.
    BackUp(String),
    /// It is the tool's own, and not wanted any more.
    Remove,
    /// It is not the tool's, and stays although the kernel would do better without it.
    Leave,
    /// It is not the tool's, and in the way.
    Foreign,
    /// It is no file, and in the way.
    NoFile,
}

/// One name, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name.
    pub name: &'static str,
    /// What happens.
    pub action: Action,
    /// What it will hold.
    pub new: Vec<u8>,
    /// What it holds.
    pub old: Vec<u8>,
}

/// Everything that happens to a card. The note comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in the order in which they are carried out.
    pub steps: Vec<Step>,
}

/// What a card has under a name.
///
/// # Errors
/// It cannot be read.
pub fn look(dir: &Path, name: &str) -> Result<There> {
    let path = dir.join(name);
    // A link is not followed, even to nothing: what is behind it is not on the card, and renaming would replace the link.
    let looked = match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => fs::read(&path).map(There::File),
        Ok(_) => Ok(There::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::read_dir(dir).and_then(|mut entries| {
            let same = entries.try_fold(false, |same, entry| {
                Ok::<_, io::Error>(same | entry?.file_name().eq_ignore_ascii_case(name))
            });
            Ok(if same? { There::Other } else { There::Nothing })
        }),
        Err(error) => Err(error),
    };
    Ok(looked.map_err(|error| unreadable(&path, error))?)
}

/// Says that the card cannot be read, and what to do.
pub fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::new(format!("cannot read {}", path.display())).cause(error).hint(
        "was the card pulled? Plug it in and try again; or mount it so that you may read it (`mount -o uid=$(id -u)`)",
    )
}

impl Plan {
    /// Compares the files with what the card has. With `force`, what is not the tool's is kept under another name and replaced.
    ///
    /// # Errors
    /// Those of `there`.
    pub fn new(
        files: &[CardFile],
        firmware: &[bool],
        force: bool,
        there: impl Fn(&str) -> Result<There>,
    ) -> Result<Self> {
        let noted = there(note::NAME)?;
        let record = match &noted {
            There::File(bytes) => Record::read(bytes),
            There::Nothing | There::Other => None,
        };
        let record_or_none = record.clone().unwrap_or_default();
        let mut steps = Vec::new();
        for file in files {
            let found = there(file.name)?;
            let own = matches!(&found, There::File(old) if record_or_none.knows(file.name, old));
            steps.push(step(file.name, file.bytes.clone(), found, own));
        }
        // Without boot arguments, those of the last time are not meant any more.
        if files.iter().all(|file| file.name != CMDLINE)
            && let There::File(old) = there(CMDLINE)?
        {
            let action = if record_or_none.knows(CMDLINE, &old) { Action::Remove } else { Action::Leave };
            steps.push(Step { name: CMDLINE, action, new: Vec::new(), old });
        }
        let replaced = steps.iter().filter(|step| matches!(step.action, Action::Replace | Action::Remove));
        let before: Vec<(&str, &[u8])> = replaced.map(|step| (step.name, step.old.as_slice())).collect();
        let text = note::write(files, &before, firmware);
        // First, so that whatever is interrupted after it is known for the tool's.
        steps.insert(0, step(note::NAME, text, noted, record.is_some()));
        for step in steps.iter_mut().filter(|step| force && step.action == Action::Foreign) {
            step.action = Action::BackUp(free_name(step.name, &there)?);
        }
        Ok(Self { steps })
    }

    /// Names that an action is planned for.
    pub fn names(&self, action: &Action) -> Vec<&'static str> {
        self.steps.iter().filter(|step| step.action == *action).map(|step| step.name).collect()
    }

    /// Bytes of the card that have to be free, which it gives away in units of so many.
    pub fn room(&self, unit: u64) -> u64 {
        let unit = unit.max(1);
        let whole = |bytes: &Vec<u8>| (bytes.len() as u64).div_ceil(unit) * unit;
        let room = |step: &Step| match step.action {
            Action::Create | Action::Replace => whole(&step.new),
            Action::BackUp(_) => whole(&step.new) + whole(&step.old),
            _ => 0,
        };
        self.steps.iter().map(room).sum()
    }
}

fn step(name: &'static str, new: Vec<u8>, found: There, own: bool) -> Step {
    let (action, old) = match found {
        There::Nothing => (Action::Create, Vec::new()),
        There::Other => (Action::NoFile, Vec::new()),
        There::File(old) if old == new => (Action::Same, old),
        There::File(old) if own => (Action::Replace, old),
        There::File(old) => (Action::Foreign, old),
    };
    Step { name, action, new, old }
}

/// The first of `NAME.bak`, `NAME.bak2`, … that nothing has.
fn free_name(name: &str, there: impl Fn(&str) -> Result<There>) -> Result<String> {
    let numbers = std::iter::once(String::new()).chain((2_u32..).map(|number| number.to_string()));
    for number in numbers {
        let candidate = format!("{name}.bak{number}");
        if there(&candidate)? == There::Nothing {
            return Ok(candidate);
        }
    }
    unreachable!("a card has fewer files than there are numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::content::{CONFIG, Choices, KERNEL, files};
    use std::collections::BTreeMap;

    type Card = BTreeMap<String, Vec<u8>>;

    fn card(files: &[(&str, &str)]) -> Card {
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn planned(card: &Card, kernel: &str, bootargs: &str, force: bool) -> Plan {
        let files = files(kernel.into(), &Choices { bootargs: bootargs.into(), ..Choices::default() });
        let there = |name: &str| Ok(card.get(name).map_or(There::Nothing, |bytes| There::File(bytes.clone())));
        Plan::new(&files, &[false; 4], force, there).unwrap()
    }

    fn carry_out(card: &mut Card, plan: &Plan) {
        for step in &plan.steps {
            match &step.action {
                Action::Create | Action::Replace => {
                    card.insert(step.name.into(), step.new.clone());
                }
                Action::Remove => {
                    card.remove(step.name);
                }
                Action::BackUp(name) => {
                    card.insert(name.clone(), step.old.clone());
                    card.insert(step.name.into(), step.new.clone());
                }
                Action::Same | Action::Leave => {}
                Action::Foreign | Action::NoFile => panic!("{step:?}"),
            }
        }
    }

    fn action(plan: &Plan, name: &str) -> Action {
        plan.steps.iter().find(|step| step.name == name).unwrap().action.clone()
    }

    /// FL-02: the tool's own files are replaced without a question; arguments that are not given any more go.
    #[test]
    fn own_files_are_replaced() {
        let mut card = Card::new();
        let first = planned(&card, "one", "pi=off", false);
        assert!(first.steps.iter().all(|step| step.action == Action::Create));
        assert_eq!(first.steps[0].name, note::NAME);
        carry_out(&mut card, &first);
        let second = planned(&card, "two", "", false);
        assert_eq!(action(&second, KERNEL), Action::Replace);
        assert_eq!(action(&second, CONFIG), Action::Same);
        assert_eq!(action(&second, CMDLINE), Action::Remove);
        carry_out(&mut card, &second);
        assert_eq!(card.keys().map(String::as_str).collect::<Vec<_>>(), [note::NAME, CONFIG, KERNEL]);
    }

    /// FL-04: whichever of the steps were the last, all that is there is known for the tool's own afterwards.
    #[test]
    fn interrupted_after_any_step() {
        let mut card = Card::new();
        let first = planned(&card, "one", "pi=off", false);
        carry_out(&mut card, &first);
        let second = planned(&card, "two", "preempt=none", false);
        for count in 0..=second.steps.len() {
            let mut left = card.clone();
            carry_out(&mut left, &Plan { steps: second.steps[..count].to_vec() });
            let third = planned(&left, "three", "", false);
            assert_eq!(third.names(&Action::Foreign), [""; 0], "after {count} steps");
            assert_eq!(action(&third, CMDLINE), Action::Remove);
        }
    }

    /// FL-03: what is not the tool's, or was changed since, is refused; by force it is kept under a name that was free.
    #[test]
    fn foreign_files() {
        let mut card = card(&[(KERNEL, "Linux"), ("kernel8.img.bak", "older"), (CMDLINE, "root=/dev/mmcblk0p2")]);
        let plan = planned(&card, "one", "", false);
        assert_eq!(plan.names(&Action::Foreign), [KERNEL]);
        assert_eq!(action(&plan, CMDLINE), Action::Leave);
        let forced = planned(&card, "one", "pi=off", true);
        assert_eq!(action(&forced, KERNEL), Action::BackUp("kernel8.img.bak2".into()));
        carry_out(&mut card, &forced);
        assert_eq!(
            (card["kernel8.img.bak"].as_slice(), card["kernel8.img.bak2"].as_slice()),
            (&b"older"[..], &b"Linux"[..])
        );
        assert_eq!(card["cmdline.txt.bak"], b"root=/dev/mmcblk0p2");
        card.insert(CONFIG.into(), b"mine".to_vec());
        card.insert(note::NAME.into(), b"my own notes".to_vec());
        let changed = planned(&card, "one", "pi=off", false);
        assert_eq!(changed.names(&Action::Foreign), [note::NAME, CONFIG]);
    }

    /// FL-03: what has the right content needs no permission.
    #[test]
    fn the_same_content_is_nobodys() {
        let card = card(&[(KERNEL, "one")]);
        assert_eq!(action(&planned(&card, "one", "", false), KERNEL), Action::Same);
    }

    #[test]
    fn a_folder_is_in_the_way() {
        let files = files(b"x".to_vec(), &Choices::default());
        let there = |name: &str| Ok(if name == KERNEL { There::Other } else { There::Nothing });
        let plan = Plan::new(&files, &[false; 4], true, there).unwrap();
        assert_eq!(plan.names(&Action::NoFile), [KERNEL]);
    }

    /// FL-03: a link is in the way, wherever it leads, and so is one that has a backup's name.
    #[test]
    fn a_link_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("mine.txt"), "mine").unwrap();
        for (to, name) in [("mine.txt", CONFIG), ("nowhere", KERNEL), ("nowhere", "kernel8.img.bak")] {
            std::os::unix::fs::symlink(to, dir.join(name)).unwrap();
            assert_eq!(look(dir, name).unwrap(), There::Other, "{name}");
        }
        assert_eq!(free_name(KERNEL, |name| look(dir, name)).unwrap(), "kernel8.img.bak2");
    }

    /// FL-03: the same name in another case is one name on a card, and in the way in a folder that tells them apart.
    #[test]
    fn another_case() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in ["CONFIG.TXT", "Kernel8.img.bak"] {
            fs::write(dir.join(name), "mine").unwrap();
        }
        assert_ne!(look(dir, CONFIG).unwrap(), There::Nothing);
        assert_eq!(look(dir, KERNEL).unwrap(), There::Nothing);
        assert_eq!(free_name(KERNEL, |name| look(dir, name)).unwrap(), "kernel8.img.bak2");
    }

    /// What cannot be looked at is told with the next step.
    #[test]
    fn what_cannot_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // No folder, so nothing can be in it.
        let text = crate::failure::explain(&look(file.path(), KERNEL).unwrap_err()).0;
        assert!(text.contains("cannot read ") && text.contains("\nhint: was the card pulled?"), "{text}");
    }

    /// FL-04: old and new are on the card at once, in whole units.
    #[test]
    fn room_for_everything_at_once() {
        let step = |action, new: usize, old: usize| Step { name: KERNEL, action, new: vec![0; new], old: vec![0; old] };
        let steps = vec![
            step(Action::Create, 1, 0),
            step(Action::Replace, 5, 500),
            step(Action::BackUp("x".into()), 4, 9),
            step(Action::Same, 100, 100),
            step(Action::Remove, 0, 100),
        ];
        let plan = Plan { steps };
        assert_eq!((plan.room(4), plan.room(1)), (4 + 8 + 4 + 12, 1 + 5 + 4 + 9));
    }
}
