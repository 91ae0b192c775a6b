//! Does a Raspberry Pi boot from what `flash` writes, and does the monitor understand it? The card is a folder, the board QEMU's
//! `raspi4b`, its serial line a pseudo-terminal.

use super::{Body, expect_status, image};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};
use tests::say;
use tophalf::{
    bench::rows,
    board::Board,
    cli::Cli,
    commands,
    qemu::{Bootargs, Console, Machine, Qemu, boot::Running, tree},
    serial::{
        line::{self, Absent, News},
        port::Port,
    },
    stream::{Renderer, Sink, logs::LogLine},
};

/// What is run where there is a QEMU for it.
pub const TRIALS: &[(&str, Body)] =
    &[("fl_13_a_card_boots_and_is_understood", card), ("bench_counts_on_a_raspberry_pi", bench)];

/// Wall-clock bound: only a board that hangs needs it.
const PATIENCE: Duration = Duration::from_secs(300);
/// A key that comes before the kernel listens is lost: it is pressed again.
const AGAIN: Duration = Duration::from_secs(2);

/// What a monitor would show.
#[derive(Default)]
struct Shown {
    text: String,
    records: Vec<String>,
}

impl Sink for Shown {
    fn text(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.text.push_str(&String::from_utf8_lossy(text));
        Ok(())
    }
    fn log(&mut self, line: &LogLine) -> std::io::Result<()> {
        self.records.push(line.to_string());
        Ok(())
    }
}

/// A board with this card in it, and the name of its serial line.
fn board(card: &Path) -> Result<(Running, String)> {
    let qemu = Qemu::find().context("no QEMU")?;
    let mut command = Command::new(qemu.path);
    command.args(["-M", "raspi4b", "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "pty"]);
    command.arg("-kernel").arg(card.join("kernel8.img")).arg("-dtb").arg(tree::raspi4(4)?);
    command.arg("-append").arg(fs::read_to_string(card.join("cmdline.txt"))?.trim());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start QEMU")?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut said)?;
    let running = Running(child);
    // `char device redirected to /dev/pts/4 (label serial0)`
    let line = said.split_whitespace().find(|word| word.starts_with("/dev/")).with_context(|| format!("`{said}`"))?;
    Ok((running, line.to_owned()))
}

/// FL-13, BU-05.1: what `flash` writes into an empty folder boots with the arguments that were given to it; over the serial line
/// keys arrive, and a record of the log is read with the strings of the image.
fn card() -> Result<()> {
    const QUESTIONS: &[u8] = b"uname -v; dmesg\r";
    let image = image(Board::Raspi4.name())?;
    let card = tempfile::tempdir()?;
    let words = ["tophalf", "flash", "--bootargs", "loglevel=debug nobodys=1", "--to"].map(Into::into);
    let (elf, kept) = (image.elf.clone().into_os_string(), tempfile::tempdir()?);
    let flash = words.into_iter().chain([card.path().into(), "--elf".into(), elf, "--keep".into(), kept.path().into()]);
    ensure!(commands::execute(<Cli as clap::Parser>::try_parse_from(flash)?)? == 0);
    let (_board, path) = board(card.path())?;
    let port = Port { path: path.into(), baud: 115_200 };
    let open = port.open().map_err(|refusal| refusal.explain(&port.path))?;
    let (news, waiting) = sync_channel::<News>(64);
    let mut keyboard = line::follow(port, open, Absent::Drop, news);
    let (mut renderer, mut shown) = (Renderer::new(&image)?, Shown::default());
    let limit = Instant::now() + PATIENCE;
    let expected = |shown: &Shown| {
        let record = shown.records.iter().any(|record| record.contains("INFO  booted on Raspberry Pi 4: GICv2"));
        record && shown.text.contains("model rt")
    };
    // What is said before the monitor listens is lost. Restarted, the kernel says again which argument nobody knows: it has read them.
    let given = |shown: &Shown| shown.text.contains("unknown boot argument nobodys, ignored");
    let mut pressed = Instant::now();
    keyboard.write_all(QUESTIONS)?;
    while !(expected(&shown) && given(&shown)) {
        ensure!(Instant::now() < limit, "the board says `{}`, and in records {:?}", shown.text, shown.records);
        if pressed.elapsed() > AGAIN {
            pressed = Instant::now();
            keyboard.write_all(if expected(&shown) { b"reboot\r" } else { QUESTIONS })?;
        }
        match waiting.recv_timeout(AGAIN) {
            Ok(News::Bytes(bytes)) => renderer.feed(&bytes, &mut shown)?,
            Ok(News::Lost) => bail!("the line is gone after `{}`", shown.text),
            _ => {}
        }
    }
    Ok(())
}

/// BENCH: `bench` in the board's shell takes no line that a device has: it ends well, and has every row that a CPU alone can have.
fn bench() -> Result<()> {
    let bootargs = Bootargs::default().with("exec", "bench; irq");
    let machine = Machine::deterministic(&image(Board::Raspi4.name())?, bootargs, Console::Uart);
    let said = say(&Machine { board: Board::Raspi4, ..machine })?;
    expect_status(&said, 0)?;
    let rows = rows::parse(&said.output)?;
    for id in ["pend-handler", "pend-thread", "round-trip", "sem-wake", "mutex-fight", "boot"] {
        ensure!(rows.iter().any(|row| row.id == id && row.value > 0), "no {id} in\n{}", said.output);
    }
    ensure!(said.output.contains("irq/153-uart-pl011"), "the UART has lost its line:\n{}", said.output);
    Ok(())
}
