//! Where do images live that are running, or may be looked at later? In `target/images`, named by their content.

use super::Image;
use crate::project;
use anyhow::{Context, Result};
use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::Path,
    time::Duration,
};

/// How long an image stays at least: it may be running, or its log may wait to be decoded.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Copies a built image under its content's hash. The copy appears whole or not at all.
pub fn keep(built: &Path, package: &str) -> Result<Image> {
    let bytes = fs::read(built).with_context(|| format!("cannot read the image {}", built.display()))?;
    let mut hash = DefaultHasher::new();
    hash.write(&bytes);
    let dir = project::images_dir()?;
    let elf = dir.join(format!("{package}-{:016x}.elf", hash.finish()));
    if !elf.exists() {
        let half = dir.join(format!(".{package}-{}", std::process::id()));
        let copy = || -> std::io::Result<()> {
            fs::create_dir_all(&dir)?;
            fs::write(&half, &bytes)?;
            fs::rename(&half, &elf)
        };
        copy().with_context(|| format!("cannot write {}", elf.display()))?;
        forget_old(&dir, &elf);
    }
    Ok(Image { elf })
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
