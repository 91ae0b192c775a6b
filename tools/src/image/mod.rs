//! What is an image, and what can be read from it without running it?

pub mod build;
pub mod flat;
pub mod kernel8;
pub mod model;
pub mod progress;
pub mod size;
pub mod store;
pub mod table;

use std::path::PathBuf;

/// A built image: an ELF file with symbols, kept under its content's hash so that a later build cannot change it
/// while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The ELF file.
    pub elf: PathBuf,
}
