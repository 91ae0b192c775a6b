//! `monitor`: what does a board say, and how does a user answer?

use super::no_image;
use crate::{
    board::Board,
    cli::MonitorArgs,
    failure::{FAILED, Failure, TIMED_OUT, USAGE, by_signal},
    image::{Image, store},
    project,
    say::say,
    serial::{
        monitor::{Ending, Monitor},
        port::Port,
        ports,
        screen::{Clock, Screen, now},
    },
    stream::Renderer,
};
use anyhow::Result;
use std::{
    fs::File,
    io::{IsTerminal, stdin, stdout},
    path::{Path, PathBuf},
    time::Duration,
};

/// The board whose images are looked for.
const BOARD: &str = Board::Raspi4.name();

/// Carries the command out.
pub fn execute(args: &MonitorArgs) -> Result<u8> {
    let Some(path) = &args.port else {
        return Err(Failure::new("which serial port?").status(USAGE).hint(ports::hint()).into());
    };
    let port = Port { path: path.clone(), baud: args.baud };
    let image = image(args)?;
    let mut renderer = image.as_ref().map_or_else(|| Ok(Renderer::plain()), Renderer::new)?;
    let (log, raw) = (appended(args.log.as_deref())?, appended(args.raw.as_deref())?);
    let open = port.open().map_err(|refusal| refusal.explain(path))?;
    match &image {
        Some(image) => {
            say(format_args!("{} at {} baud; log records of {}", path.display(), args.baud, image.elf.display()))
        }
        None => say(format_args!(
            "{} at {} baud; log records stay undecoded: no image for {BOARD} was built here, and `--elf` names none",
            path.display(),
            args.baud
        )),
    }
    if stdin().is_terminal() {
        say("Ctrl-A x leaves, Ctrl-A h shows more keys; all others, Ctrl-C too, go to the board");
    }
    let clock = args.timestamps.then_some(now as Clock);
    let mut screen = Screen::new(stdout(), stdout().is_terminal(), log, clock);
    let limit = args.timeout.map(Duration::from_secs);
    let ending = Monitor { port, limit, raw }.run(open, &mut renderer, &mut screen)?;
    // An output that is gone takes no line end either.
    let _ = screen.end_line();
    Ok(match ending {
        Ending::Left | Ending::Quiet => 0,
        Ending::TimedOut => TIMED_OUT,
        Ending::Signal(signal) => by_signal(signal),
        Ending::OutputGone => FAILED,
    })
}

/// The image on the board, as far as the tool can know: the one that is named, else what was flashed last, else the newest.
fn image(args: &MonitorArgs) -> Result<Option<Image>> {
    match &args.elf {
        Some(elf) if elf.is_file() => Ok(Some(Image { elf: elf.clone() })),
        Some(elf) => Err(no_image(elf, Board::Raspi4).into()),
        None => Ok(Some(store::flashed(&project::flashed_dir()?, BOARD))
            .filter(|elf: &PathBuf| elf.is_file())
            .or(store::newest(BOARD)?)
            .map(|elf| Image { elf })),
    }
}

/// A file that keeps what it has.
fn appended(path: Option<&Path>) -> Result<Option<File>> {
    let open = |path: &Path| {
        let file = File::options().append(true).create(true).open(path);
        file.map_err(|error| {
            Failure::new(format!("cannot write {}", path.display()))
                .cause(error)
                .hint("name a file that you may write, in a folder that is there")
        })
    };
    Ok(path.map(open).transpose()?)
}
