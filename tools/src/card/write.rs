//! How does a card get its files without ever having half a one? Each is written beside its place, read back, then renamed.

use super::{
    content::{CMDLINE, CONFIG, KERNEL},
    note,
    plan::{Action, Plan, Step},
};
use crate::failure::Failure;
use anyhow::Result;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What the name of a file beside its place ends with. It begins with a dot, and has the file's own name between.
const STAGED: &str = ".tophalf";

/// A file that is whole on the card, but not at its place yet. Dropped before, it goes.
struct Staged {
    path: PathBuf,
    place: PathBuf,
}

impl Staged {
    /// Writes a file beside its place and reads it back.
    fn new(dir: &Path, name: &str, bytes: &[u8]) -> Result<Self> {
        let staged = Self { path: dir.join(format!(".{name}{STAGED}")), place: dir.join(name) };
        let write = || -> io::Result<Vec<u8>> {
            // Never through a link, which may lead away from the card.
            remove(&staged.path)?;
            let mut file = File::options().write(true).create_new(true).open(&staged.path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            read_back(&staged.path)
        };
        match write() {
            Ok(read) if read == bytes => Ok(staged),
            Ok(_) => Err(Failure::new(format!("{name} is not on the card as it was written"))
                .hint("the card is worn out, or not as large as it says: try another one")
                .into()),
            Err(error) => Err(explain(error, name, dir, UNTOUCHED)),
        }
    }

    /// Puts it at its place. What was there is gone only when this is there.
    fn place(self, state: &'static str) -> Result<()> {
        let name = self.place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let dir = self.place.parent().unwrap_or(Path::new(".")).to_owned();
        fs::rename(&self.path, &self.place).map_err(|error| explain(error, &name, &dir, state))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It has a new name if all went well.
        let _ = fs::remove_file(&self.path);
    }
}

/// What a card that was pulled has left beside the places of its files, and of their backups.
fn leftovers(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let of = |name: &str| {
        let name = name.strip_prefix('.')?.strip_suffix(STAGED)?;
        let own = [note::NAME, KERNEL, CONFIG, CMDLINE].into_iter().find_map(|own| name.strip_prefix(own))?;
        let number = own.strip_prefix(".bak").unwrap_or(own);
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(of).is_some() && !entry.file_type()?.is_dir() {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Removes a file that may be there. Of a link, the link.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Reads what the card has, and not what the system still remembers of it, where it can be told to forget.
fn read_back(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // Advice: without it the comparison is worth less, and nothing else.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Is this a folder? Whether it can be written is seen when something is.
///
/// # Errors
/// It is not, with what to do.
pub fn check(dir: &Path) -> Result<()> {
    let hint = "mount the card's first partition (FAT) and say where it is: Linux shows that with `lsblk -f`, macOS in /Volumes";
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Failure::new(format!("{} is not a folder", dir.display())).hint(hint).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::new(format!("there is no folder {}", dir.display())).hint(hint).into())
        }
        Err(error) => Err(Failure::new(format!("cannot look at {}", dir.display())).cause(error).hint(hint).into()),
    }
}

/// May this user write there, if the plan has anything to write? Found out without writing, for who only wants to see the plan.
///
/// # Errors
/// He may not, with what to do.
pub fn check_allowed(dir: &Path, plan: &Plan) -> Result<()> {
    let writes =
        |step: &Step| matches!(step.action, Action::Create | Action::Replace | Action::BackUp(_) | Action::Remove);
    let Some(step) = plan.steps.iter().find(|step| writes(step)) else { return Ok(()) };
    let access = rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    access.map_err(|error| explain(error.into(), step.name, dir, UNTOUCHED))
}

/// Is there room for everything that is written before anything is given back?
///
/// # Errors
/// There is not, with how much is missing.
pub fn check_room(dir: &Path, plan: &Plan) -> Result<()> {
    // A file system that does not say is full when it is full.
    let Ok(space) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let unit = space.f_frsize.max(1);
    let size = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |metadata| metadata.len().div_ceil(unit) * unit);
    // They go before anything is written.
    let given_back: u64 = leftovers(dir).unwrap_or_default().iter().map(size).sum();
    room(plan.room(unit), space.f_bavail.saturating_mul(unit).saturating_add(given_back))
}

fn room(needed: u64, free: u64) -> Result<()> {
    if needed <= free {
        return Ok(());
    }
    Err(Failure::new(format!("the card is too full: {needed} bytes are needed, {free} are free"))
        .hint("delete what is not needed there; nothing was written")
        .into())
}

/// Carries a plan out that nothing is in the way of.
///
/// # Errors
/// The card cannot be written, or does not keep what is written. Every file is whole then, old or new.
pub fn carry_out(dir: &Path, plan: &Plan) -> Result<()> {
    let left = leftovers(dir).and_then(|paths| paths.iter().try_for_each(|path| remove(path)));
    left.map_err(|error| explain(error, "what it needs", dir, UNTOUCHED))?;
    let (mut backups, mut notes, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for Step { name, action, new, old } in &plan.steps {
        if let Action::BackUp(backup) = action {
            backups.push(Staged::new(dir, backup, old)?);
        }
        if matches!(action, Action::BackUp(_) | Action::Create | Action::Replace) {
            let kind = if *name == note::NAME { &mut notes } else { &mut files };
            kind.push(Staged::new(dir, name, new)?);
        }
    }
    // All of it is on the card: from here on there is only renaming.
    let mut state = UNTOUCHED;
    // Each kind has to be there before the next is: a file must not have gone before its backup has its name, nor a new one have
    // come of which no note knows.
    for kind in [backups, notes, files] {
        for staged in kind {
            staged.place(state)?;
            state = BEGUN;
        }
        sync(dir).map_err(|error| explain(error, "the folder", dir, state))?;
    }
    for name in plan.names(&Action::Remove) {
        fs::remove_file(dir.join(name)).map_err(|error| explain(error, name, dir, state))?;
    }
    sync(dir).map_err(|error| explain(error, "the folder", dir, state))
}

/// Writes a folder's names out.
fn sync(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|folder| folder.sync_all()) {
        // Not every file system has folders that can be written out by themselves.
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// How the card is when nothing has its new name yet.
const UNTOUCHED: &str = "what was there before is as it was";
/// How it is from then on.
const BEGUN: &str = "some files are new already, each is whole: run it again";

/// What a failed write means, how the card is now, and what to do about it.
fn explain(error: io::Error, name: &str, dir: &Path, state: &str) -> anyhow::Error {
    let failure = Failure::new(format!("cannot write {name} to {}", dir.display()));
    let failure = match error.kind() {
        io::ErrorKind::PermissionDenied => failure.hint(format!(
            "mount the card so that you may write it (`mount -o uid=$(id -u)`), or see `ls -ld {}`",
            dir.display()
        )),
        io::ErrorKind::ReadOnlyFilesystem => failure
            .hint(format!("the card is mounted read-only: look at the switch at its side, or at `mount`; {state}")),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            failure.hint(format!("delete what is not needed there; {state}"))
        }
        _ => failure.hint(format!("was the card pulled? Plug it in and try again; {state}")),
    };
    failure.cause(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        card::{
            content::{Choices, files},
            plan::look,
        },
        failure,
    };

    fn planned(dir: &Path, kernel: &[u8], choices: &Choices, force: bool) -> Plan {
        Plan::new(&files(kernel.to_vec(), choices), &[false; 4], force, |name| look(dir, name)).unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// FL-01, FL-03: the files are there with their content, nothing else is left, and what was there has its new name.
    #[test]
    fn a_plan_becomes_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join(CONFIG), "mine").unwrap();
        let choices = Choices { bootargs: "pi=off".into(), ..Choices::default() };
        carry_out(dir, &planned(dir, b"kernel", &choices, true)).unwrap();
        assert_eq!(names(dir), [note::NAME, CMDLINE, CONFIG, "config.txt.bak", KERNEL]);
        assert_eq!(fs::read(dir.join(KERNEL)).unwrap(), b"kernel");
        assert_eq!(fs::read(dir.join("config.txt.bak")).unwrap(), b"mine");
        let again = planned(dir, b"kernel", &Choices::default(), false);
        carry_out(dir, &again).unwrap();
        assert_eq!(names(dir), [note::NAME, CONFIG, "config.txt.bak", KERNEL]);
    }

    /// FL-04: a write that fails leaves the file of before, and nothing half-written.
    #[test]
    fn a_failure_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        carry_out(dir, &planned(dir, b"one", &Choices::default(), false)).unwrap();
        let before = names(dir);
        // The last file that is staged cannot be.
        fs::create_dir(dir.join(".cmdline.txt.tophalf")).unwrap();
        let choices = Choices { bootargs: "pi=off".into(), ..Choices::default() };
        assert!(carry_out(dir, &planned(dir, b"two", &choices, false)).is_err());
        fs::remove_dir(dir.join(".cmdline.txt.tophalf")).unwrap();
        assert_eq!(names(dir), before);
        assert_eq!(fs::read(dir.join(KERNEL)).unwrap(), b"one");
    }

    /// FL-04: how the card is after a failure is said as it is, before the first file is new and after.
    #[test]
    fn how_the_card_is_now() {
        for (place, words) in [(note::NAME, UNTOUCHED), (CONFIG, BEGUN)] {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path();
            let plan = planned(dir, b"kernel", &Choices::default(), false);
            // It was free when the plan was made; no file can be put there.
            fs::create_dir(dir.join(place)).unwrap();
            let text = failure::explain(&carry_out(dir, &plan).unwrap_err()).0;
            assert!(text.ends_with(words), "{text}");
            assert!(names(dir).iter().all(|name| !name.ends_with(STAGED)));
        }
    }

    /// FL-04: what a pulled card has left goes, also where this time nothing is written; what only looks like it stays.
    #[test]
    fn leftovers_go() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in
            ["kernel8.img", "cmdline.txt", "config.txt.bak", "README-tophalf.txt.bak12", "mine", "config.txt.bakery"]
        {
            fs::write(dir.join(format!(".{name}.tophalf")), "half a kernel, longer than the next one").unwrap();
        }
        carry_out(dir, &planned(dir, b"whole", &Choices::default(), false)).unwrap();
        assert_eq!(names(dir), [".config.txt.bakery.tophalf", ".mine.tophalf", note::NAME, CONFIG, KERNEL]);
        assert_eq!(fs::read(dir.join(KERNEL)).unwrap(), b"whole");
    }

    /// FL-03: a link under the name of a file that is being written is not followed.
    #[test]
    fn links_are_not_followed() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let dir = dir.path();
        fs::write(&elsewhere, "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, dir.join(".kernel8.img.tophalf")).unwrap();
        carry_out(dir, &planned(dir, b"kernel", &Choices::default(), false)).unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
        assert!(fs::symlink_metadata(dir.join(KERNEL)).unwrap().is_file());
    }

    /// FL-04, FL-06: a card that cannot be written is known before anything is tried, if there is something to write.
    #[test]
    fn what_may_be_written() {
        // Nobody, not even root, may write through a file.
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let plan = planned(dir.path(), b"kernel", &Choices::default(), false);
        assert!(check_allowed(dir.path(), &plan).is_ok());
        let text = failure::explain(&check_allowed(&file.path().join("card"), &plan).unwrap_err()).0;
        assert!(text.starts_with("error: cannot write README-tophalf.txt to ") && text.contains("hint: "), "{text}");
        carry_out(dir.path(), &plan).unwrap();
        let same = planned(dir.path(), b"kernel", &Choices::default(), false);
        assert!(check_allowed(&file.path().join("card"), &same).is_ok());
    }

    /// FL-04: too full a card is refused with the figures.
    #[test]
    fn room_is_counted() {
        assert!(room(10, 10).is_ok());
        let text = failure::explain(&room(11, 10).unwrap_err()).0;
        assert!(text.contains("11 bytes are needed, 10 are free") && text.contains("hint: "), "{text}");
    }

    /// FL-04: what went wrong with the card is told apart, with the next step.
    #[test]
    fn whose_fault_it_is() {
        for (kind, words) in [
            (io::ErrorKind::PermissionDenied, "hint: mount the card so that you may write it"),
            (io::ErrorKind::ReadOnlyFilesystem, "hint: the card is mounted read-only"),
            (io::ErrorKind::StorageFull, "hint: delete what is not needed there"),
            (io::ErrorKind::Other, "hint: was the card pulled?"),
        ] {
            let text = failure::explain(&explain(kind.into(), KERNEL, Path::new("/media/boot"), UNTOUCHED)).0;
            assert!(
                text.starts_with("error: cannot write kernel8.img to /media/boot\n") && text.contains(words),
                "{text}"
            );
        }
    }
}
