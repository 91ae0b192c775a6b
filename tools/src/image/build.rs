//! How is an image built? By a cargo inside this one, with a clean environment and its own target directory.

use super::{Image, model::Model, progress, store};
use crate::{
    board::Board,
    failure::Failure,
    project,
    say::on_terminal,
    toolchain::{self, Need},
};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    path::Path,
};

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// The package, which has one binary of the same name.
    pub package: &'a str,
    /// Its cargo features, besides the model's.
    pub features: &'a [&'a str],
    /// The board, where the package is built for one or another: then a feature of its own says so, and the default one is
    /// `virt`.
    pub board: Board,
    /// The kernel's preemption model.
    pub model: Model,
    /// A manifest outside the workspace, such as an application that uses the kernel as a library.
    pub manifest: Option<&'a Path>,
}

impl<'a> Recipe<'a> {
    /// An image of the workspace, without features, with the default model.
    pub fn package(package: &'a str) -> Self {
        Self { package, features: &[], board: Board::Virt, model: Model::default(), manifest: None }
    }
}

/// Builds an image of the workspace.
pub fn build(package: &str) -> Result<Image> {
    build_recipe(&Recipe::package(package))
}

/// Builds an image and keeps a copy under its content's hash.
///
/// Several tools may run at once: a lock is held until the copy is made, because the next build may write the same file.
pub fn build_recipe(recipe: &Recipe<'_>) -> Result<Image> {
    build_shown(recipe, on_terminal())
}

/// As [`build_recipe`], while somebody else writes to the terminal: without a progress bar.
pub fn build_aside(recipe: &Recipe<'_>) -> Result<Image> {
    build_shown(recipe, false)
}

fn build_shown(recipe: &Recipe<'_>, bar: bool) -> Result<Image> {
    let toolchain = toolchain::ensure(Need::Build)?;
    let target_dir = project::image_target_dir()?;
    let _lock = lock(&target_dir)?;
    let mut cargo = toolchain.build()?;
    cargo.args(["--package", recipe.package]);
    // A package that is a board's has no features of that kind.
    let board = (recipe.board != Board::Virt && recipe.package != recipe.board.name()).then(|| recipe.board.name());
    if board.is_some() {
        cargo.arg("--no-default-features");
    }
    let features: Vec<&str> = recipe.features.iter().copied().chain(board).chain(recipe.model.feature()).collect();
    if !features.is_empty() {
        cargo.arg("--features").arg(features.join(","));
    }
    cargo.args(recipe.manifest.iter().flat_map(|path| ["--manifest-path".as_ref(), path.as_os_str()]));
    progress::run(&mut cargo, recipe.package, bar)?;
    let built = target_dir.join(project::TARGET).join(project::PROFILE).join(recipe.package);
    store::keep(&built, recipe.package)
}

/// Takes the build lock, which the operating system gives back when the process ends, however it ends.
fn lock(target_dir: &Path) -> Result<File> {
    let open = || -> std::io::Result<File> {
        fs::create_dir_all(target_dir)?;
        let file = File::options().create(true).truncate(false).write(true).open(target_dir.join(".tophalf-lock"))?;
        file.lock()?;
        Ok(file)
    };
    open().with_context(|| format!("cannot lock {}", target_dir.display())).map_err(|error| {
        Failure::new("the build directory cannot be written")
            .hint("check the permissions of `target`, and that its disk is not full")
            .cause(error)
            .into()
    })
}
