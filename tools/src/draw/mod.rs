//! How does what was measured become a picture? Text for the terminal, and an SVG file that needs nothing else.
//!
//! A lab in the kernel prints lines for this module among its text: [`protocol`] reads them, [`sink`] keeps them from the user.
//! [`timeline`] makes lanes of what threads did; [`text`] and [`picture`] show them. [`histogram`] shows counts side by side.
//! [`svg`] writes elements and numbers, [`axis`] finds round numbers.

pub mod axis;
pub mod histogram;
pub mod picture;
pub mod protocol;
pub mod sink;
pub mod svg;
pub mod text;
pub mod timeline;

use crate::project;
use anyhow::{Context, Result};
use std::{fs, path::PathBuf};

/// Writes `target/labs/NAME.svg`; gives its path, relative to the working directory if it lies below it.
pub fn save(name: &str, svg: &str) -> Result<PathBuf> {
    let dir = project::labs_dir()?;
    let path = dir.join(format!("{name}.svg"));
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&path, svg))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let here = std::env::current_dir().ok();
    Ok(here.and_then(|here| path.strip_prefix(here).map(PathBuf::from).ok()).unwrap_or(path))
}
