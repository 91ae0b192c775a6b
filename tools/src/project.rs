//! Where are the repository and its build products?

use crate::failure::Failure;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The bare-metal target of every image: no FP registers, so that the kernel never has to save any.
pub const TARGET: &str = "aarch64-unknown-none-softfloat";

/// The cargo profile of every image. There is only one, so that `core` is built once.
pub const PROFILE: &str = "image";

/// The repository this tool was built from.
pub fn root() -> Result<&'static Path> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
    if root.join("Cargo.toml").is_file() {
        return Ok(root);
    }
    Err(Failure::new(format!("the repository this tool was built from, {}, is gone", root.display()))
        .hint("run the tool with `cargo run` from the repository")
        .into())
}

/// The target directory of cross builds. It is not the host's: the outer cargo may hold that one's lock.
pub fn image_target_dir() -> Result<PathBuf> {
    Ok(root()?.join("target/image"))
}

/// Where images are kept under their content's hash.
pub fn images_dir() -> Result<PathBuf> {
    Ok(root()?.join("target/images"))
}

/// Where the pictures of the labs go.
pub fn labs_dir() -> Result<PathBuf> {
    Ok(root()?.join("target/labs"))
}

/// Where the image of the last card of each board is kept, for decoding what it says.
pub fn flashed_dir() -> Result<PathBuf> {
    Ok(root()?.join("target/flashed"))
}
