//! Is what the types, or the features, forbid refused by the compiler, for the right reason? Every file of `ui/` as a trial of its
//! own, and one for preemption models.
//!
//! The first line says what is expected: `//@ error: E0277`, exactly this code and no other, or `//@ pass`. A refused
//! case `x.rs` has a twin `x_ok.rs` that compiles. All of them are binaries of one generated package, checked by one
//! cargo.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    sync::{Arc, OnceLock},
};
use tophalf::image::model::Model;

/// What a case's first line asks for.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Pass,
    Error(String),
}

struct Case {
    name: String,
    file: PathBuf,
    expected: Expected,
}

/// What the compiler said about a case.
#[derive(Clone, Default)]
struct Said {
    /// Codes of its errors; an error without one has its message here.
    errors: BTreeSet<String>,
    rendered: String,
    /// It was compiled.
    compiled: bool,
}

type Verdicts = Result<BTreeMap<String, Said>, String>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = match cases(&root.join("ui")) {
        Ok(cases) => Arc::new(cases),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    // Checked when the first trial asks, so that listing compiles nothing.
    let verdicts: Arc<OnceLock<Verdicts>> = Arc::default();
    let checked =
        move |cases: &[Case]| verdicts.get_or_init(|| check(cases).map_err(|error| format!("{error:#}"))).clone();
    let trial = |n: usize| {
        let (cases, checked) = (cases.clone(), checked.clone());
        Trial::test(cases[n].name.clone(), move || judge(&cases[n], &checked(&cases)).map_err(Failed::from))
    };
    let mut trials: Vec<Trial> = (0..cases.len()).map(trial).collect();
    trials.push(Trial::test("pm_01_1_two_models_at_once", move || {
        checked(&cases).map_err(Failed::from)?;
        two_models(&cases).map_err(|error| Failed::from(format!("{error:#}")))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn cases(dir: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let file = entry?.path();
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let expected = match text.lines().next() {
            Some("//@ pass") => Expected::Pass,
            Some(line) if line.starts_with("//@ error: ") => Expected::Error(line["//@ error: ".len()..].into()),
            _ => bail!("{}: the first line is neither `//@ pass` nor `//@ error: …`", file.display()),
        };
        cases.push(Case { name, file, expected });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    for case in cases.iter().filter(|case| case.expected != Expected::Pass) {
        let twin = format!("{}_ok", case.name);
        ensure!(cases.iter().any(|c| c.name == twin && c.expected == Expected::Pass), "{} has no {twin}.rs", case.name);
    }
    Ok(cases)
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests are in a workspace")
}

/// Where the generated package is.
fn package() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(root()?.join(target).join("ui"))
}

/// Checks the generated package.
fn cargo(arguments: &[&str]) -> Result<Output> {
    let package = package()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--message-format=json", "--quiet"]).args(arguments).current_dir(&package);
    cargo.env("CARGO_TARGET_DIR", package.join("target")).env_remove("RUSTFLAGS");
    cargo.output().context("running cargo")
}

/// Checks all cases by one cargo and sorts what it says by case.
fn check(cases: &[Case]) -> Result<BTreeMap<String, Said>> {
    let (root, package) = (root()?, package()?);
    fs::create_dir_all(&package)?;
    write_if_changed(&package.join("Cargo.toml"), &manifest(root, cases)?)?;
    // The versions that everything else is tested with.
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"))?;
    let mut output = cargo(&["--keep-going", "--offline"])?;
    let mut said = sort(&output.stdout)?;
    if said.is_empty() {
        output = cargo(&["--keep-going"])?;
        said = sort(&output.stdout)?;
    }
    if !cases.iter().any(|case| said.contains_key(&case.name)) {
        // Once, and not for every trial.
        said.values().for_each(|said| eprintln!("{}", said.rendered));
        bail!("no case was compiled: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(said)
}

fn manifest(root: &Path, cases: &[Case]) -> Result<String> {
    let quoted = |path: PathBuf| serde_json::to_string(&path.to_string_lossy());
    let (kernel, hw) = (quoted(root.join("kernel"))?, quoted(root.join("kernel/hw"))?);
    let mut text = format!(
        "[package]\nname = \"ui\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\nautobins = false\n\n\
         [workspace]\n\n[dependencies]\nkernel.path = {kernel}\nhw.path = {hw}\n\n\
         [lints.rust]\ndead_code = \"allow\"\n"
    );
    text.push_str("\n[features]\n");
    for feature in models() {
        writeln!(text, "{feature} = [\"kernel/{feature}\"]")?;
    }
    for case in cases {
        let path = quoted(case.file.clone())?;
        write!(text, "\n[[bin]]\nname = \"{}\"\npath = {path}\n", case.name)?;
    }
    Ok(text)
}

/// The kernel's features that choose a preemption model.
fn models() -> Vec<&'static str> {
    Model::ALL.into_iter().filter_map(Model::feature).collect()
}

/// PM-01.1: any two models at once do not build, which says so, naming both, and nothing else; one alone does.
fn two_models(cases: &[Case]) -> Result<()> {
    let any = cases.iter().find(|case| case.expected == Expected::Pass).context("no case compiles")?;
    let with = |features: String| -> Result<BTreeSet<String>> {
        let output = cargo(&["--offline", "--bin", &any.name, "--features", &features])?;
        let mut said = sort(&output.stdout)?;
        let errors = said.remove("kernel").with_context(|| format!("{features}: nothing about the kernel"))?.errors;
        ensure!(output.status.success() == errors.is_empty(), "{features}: {}", output.status);
        Ok(errors)
    };
    let models = models();
    for (n, one) in models.iter().enumerate() {
        for other in &models[n + 1..] {
            let message = format!("two preemption models at once: `{one}` and `{other}`");
            let errors = with(format!("{one},{other}"))?;
            ensure!(errors.iter().eq([&message]), "{one} and {other} are refused with {errors:?}");
        }
    }
    ensure!(with(models[0].into())?.is_empty(), "{} alone is refused", models[0]);
    Ok(())
}

fn write_if_changed(file: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

/// Cargo's messages by the name of their target.
fn sort(output: &[u8]) -> Result<BTreeMap<String, Said>> {
    let mut all: BTreeMap<String, Said> = BTreeMap::new();
    for line in String::from_utf8_lossy(output).lines() {
        let message: Value = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        let Some(target) = message["target"]["name"].as_str() else { continue };
        match message["reason"].as_str() {
            Some("compiler-artifact") => all.entry(target.into()).or_default().compiled = true,
            Some("compiler-message") if message["message"]["level"] == "error" => {
                let message = &message["message"];
                let text = message["message"].as_str().unwrap_or_default();
                if !text.starts_with("aborting due to") {
                    let said = all.entry(target.into()).or_default();
                    said.errors.insert(message["code"]["code"].as_str().unwrap_or(text).into());
                    said.rendered += message["rendered"].as_str().unwrap_or(text);
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

fn judge(case: &Case, verdicts: &Verdicts) -> Result<(), String> {
    let verdicts = verdicts.as_ref().map_err(String::clone)?;
    let said = verdicts.get(&case.name).ok_or("the compiler said nothing about it")?;
    match &case.expected {
        Expected::Pass if said.compiled && said.errors.is_empty() => Ok(()),
        Expected::Pass => Err(format!("it should compile, but:\n{}", said.rendered)),
        Expected::Error(code) if said.errors.iter().eq([code]) => Ok(()),
        Expected::Error(code) if said.compiled => Err(format!("it should be refused with {code}, but it compiles")),
        Expected::Error(code) => {
            Err(format!("it should be refused with {code} and nothing else, but was with:\n{}", said.rendered))
        }
    }
}
