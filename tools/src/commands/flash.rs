//! `flash`: how does a user get a card from which a Raspberry Pi 4 starts the kernel?

use super::image;
use crate::{
    board::Board,
    card::{
        content::{Choices, files},
        firmware,
        plan::{Action, Plan, Step, look, unreadable},
        write,
    },
    cli::FlashArgs,
    failure::Failure,
    image::{Image, kernel8, store},
    project,
    say::{print, say},
};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;

/// Carries the command out.
pub fn execute(args: &FlashArgs) -> Result<u8> {
    let dir = args.to.as_path();
    // Before minutes go into a build.
    write::check(dir)?;
    let image = image(args.elf.as_deref(), Board::Raspi4, &args.model, &args.features)?;
    let choices = Choices { bootargs: args.bootargs.to_string(), firmware_log: args.firmware_log };
    let firmware = firmware::present(dir).map_err(|error| unreadable(dir, error))?;
    let files = files(kernel8::bytes(&image)?, &choices);
    let plan = Plan::new(&files, &firmware, args.force, |name| look(dir, name))?;
    let refused = refused(&plan);
    if refused.is_ok() {
        write::check_allowed(dir, &plan)?;
        write::check_room(dir, &plan)?;
    }
    if !args.dry_run && refused.is_ok() {
        write::carry_out(dir, &plan)?;
        // The card is written, whatever comes of this.
        if let Err(error) = keep(args.keep.as_deref(), &image) {
            let elf = image.elf.display();
            say(format_args!("the image is not kept: `monitor` needs `--elf {elf}` ({error:#})"));
        }
    }
    if args.dry_run || refused.is_ok() {
        print(if args.json { json(&plan, &firmware)? } else { table(&plan) })?;
    }
    refused?;
    if args.dry_run {
        say("nothing was written: --dry-run");
    }
    advise(&plan, &firmware);
    Ok(0)
}

/// Keeps the image for `monitor`, one that the user gave, too: the strings of the card before would be wrong ones.
fn keep(dir: Option<&Path>, image: &Image) -> Result<()> {
    let dir = dir.map_or_else(project::flashed_dir, |dir| Ok(dir.to_owned()))?;
    store::keep_flashed(&dir, image, Board::Raspi4.name())
}

/// Is something in the way that may not be touched?
fn refused(plan: &Plan) -> Result<()> {
    let folders = plan.names(&Action::NoFile);
    if !folders.is_empty() {
        return Err(Failure::new(format!(
            "on the card these names are no files, or written in another case: {}",
            folders.join(", ")
        ))
        .hint("rename or remove them; nothing was written")
        .into());
    }
    let foreign = plan.names(&Action::Foreign);
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the card has files that this tool did not write as they are: {}", foreign.join(", ")))
        .hint("`--force` replaces them and keeps each under a name that ends in .bak; nothing was written")
        .into())
}

fn advise(plan: &Plan, firmware: &[bool]) {
    if !plan.names(&Action::Leave).is_empty() {
        say("cmdline.txt is not this tool's and stays: the kernel takes its words for boot arguments");
    }
    let missing = |needed: bool| {
        let files = firmware::FILES.iter().zip(firmware).filter(|(file, there)| file.needed == needed && !**there);
        files.map(|(file, _)| file.path).collect::<Vec<_>>().join(", ")
    };
    let (needed, useful) = (missing(true), missing(false));
    if !needed.is_empty() {
        say(format_args!("the board does not start without these, too: {needed}"));
    }
    if !useful.is_empty() {
        say(format_args!("it starts, but its serial line may be silent without: {useful}"));
    }
    if !needed.is_empty() || !useful.is_empty() {
        say(format_args!("they are in {}", firmware::SOURCE));
    }
    say("wiring, and what the board shows: docs/raspberry-pi-4.md; its serial line: `cargo run -- monitor PORT`");
}

fn what(step: &Step) -> String {
    match &step.action {
        Action::Create => "new".into(),
        Action::Same => "unchanged".into(),
        Action::Replace => "replaced".into(),
        Action::BackUp(name) => format!("replaced; the old one is {name}"),
        Action::Remove => "removed: no boot arguments are given".into(),
        Action::Leave => "left alone: not this tool's".into(),
        Action::Foreign => "in the way: not this tool's, or changed since".into(),
        Action::NoFile => "in the way: not a file, or its name is written in another case".into(),
    }
}

fn table(plan: &Plan) -> String {
    let row = |step: &Step| {
        let size = if matches!(step.action, Action::Remove | Action::Leave) { step.old.len() } else { step.new.len() };
        format!("{:<18} {size:>9} bytes  {}", step.name, what(step))
    };
    plan.steps.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[derive(Serialize)]
struct Report<'a> {
    files: Vec<ReportedFile<'a>>,
    firmware: Vec<ReportedFirmware>,
}

#[derive(Serialize)]
struct ReportedFile<'a> {
    name: &'a str,
    bytes: usize,
    action: &'static str,
    backup: Option<&'a str>,
}

#[derive(Serialize)]
struct ReportedFirmware {
    path: &'static str,
    present: bool,
}

fn json(plan: &Plan, firmware: &[bool]) -> Result<String> {
    let file = |step| {
        let Step { name, action, new, .. }: &Step = step;
        let (action, backup) = match action {
            Action::Create => ("create", None),
            Action::Same => ("same", None),
            Action::Replace => ("replace", None),
            Action::BackUp(name) => ("backup", Some(name.as_str())),
            Action::Remove => ("remove", None),
            Action::Leave => ("leave", None),
            Action::Foreign => ("foreign", None),
            Action::NoFile => ("no-file", None),
        };
        ReportedFile { name, bytes: new.len(), action, backup }
    };
    let pieces = firmware::FILES.iter().zip(firmware);
    let firmware = pieces.map(|(file, &present)| ReportedFirmware { path: file.path, present }).collect();
    Ok(serde_json::to_string_pretty(&Report { files: plan.steps.iter().map(file).collect(), firmware })?)
}
