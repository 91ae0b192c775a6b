//! Where do images live that are running, or may be looked at later? In `target/images`, named by their content.

use super::Image;
use crate::project;
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hasher},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

/// How long an image stays at least: it may be running, or its log may wait to be decoded.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Copies a built image under its content's hash. The copy appears whole or not at all.
pub fn keep(built: &Path, package: &str) -> Result<Image> {
    let bytes = fs::read(built).with_context(|| format!("cannot read the image {}", built.display()))?;
    Ok(Image { elf: keep_bytes(&bytes, package, "elf")? })
}

/// Writes bytes to a file that is named by them, and by a name and an extension. It appears whole or not at all.
pub fn keep_bytes(bytes: &[u8], name: &str, extension: &str) -> Result<PathBuf> {
    keep_in(&project::images_dir()?, bytes, name, extension)
}

fn keep_in(dir: &Path, bytes: &[u8], name: &str, extension: &str) -> Result<PathBuf> {
    /// Several threads may write the same file at once.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut hash = DefaultHasher::new();
    hash.write(bytes);
    let file = dir.join(format!("{name}-{:016x}.{extension}", hash.finish()));
    // Made again, it is as new as any: by its age it is chosen, and forgotten.
    let touch = || File::options().write(true).open(&file)?.set_modified(SystemTime::now());
    match touch() {
        Ok(()) => return Ok(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
    let half = dir.join(format!(".{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed)));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(&half, bytes)?;
        fs::rename(&half, &file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))?;
    forget_old(dir, &file);
    Ok(file)
}

/// Keeps in this folder the image that went onto a card for as long as no other does: its log may have to be decoded months later.
///
/// # Errors
/// It cannot be copied.
pub fn keep_flashed(dir: &Path, image: &Image, board: &str) -> Result<()> {
    let elf = flashed(dir, board);
    let half = elf.with_extension("half");
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        fs::copy(&image.elf, &half)?;
        fs::rename(&half, &elf)
    };
    copy().with_context(|| format!("cannot write {}", elf.display()))
}

/// Where in this folder the image of a board's last card is, if there was one.
pub fn flashed(dir: &Path, board: &str) -> PathBuf {
    dir.join(format!("{board}.elf"))
}

/// The image of a package that was made last, if any is kept.
pub fn newest(package: &str) -> Result<Option<PathBuf>> {
    Ok(newest_in(&project::images_dir()?, package))
}

fn newest_in(dir: &Path, package: &str) -> Option<PathBuf> {
    let is_its = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(package).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".elf"))
    };
    let paths = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(is_its).max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok())
}

/// Removes images that nobody made for a day. What cannot be removed stays: it only takes space.
fn forget_old(dir: &Path, new: &Path) {
    let old = |path: &Path| path.metadata().and_then(|m| m.modified()).ok()?.elapsed().ok().map(|age| age > KEPT);
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path != new && old(&path) == Some(true) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path, age: Duration) {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    /// What was made again is the newest, and nobody forgets it for the day on which it was made first.
    #[test]
    fn made_again_it_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let keep = |bytes: &[u8]| keep_in(dir.path(), bytes, "raspi4", "elf").unwrap();
        let first = keep(b"first");
        age(&first, 2 * KEPT);
        assert_eq!(keep(b"first"), first);
        let second = keep(b"second");
        assert!(first.exists(), "forgotten");
        age(&second, Duration::from_secs(60));
        assert_eq!(newest_in(dir.path(), "raspi4"), Some(first.clone()));
        age(&first, 2 * KEPT);
        keep(b"third");
        assert!(!first.exists() && second.exists());
    }
}
