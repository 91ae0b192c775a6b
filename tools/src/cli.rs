//! What can be typed? The commands, their options and their help.

use crate::{
    board::Board,
    failure::Failure,
    image::model::Model,
    qemu::{Bootargs, machine::Gic},
};
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

/// Tophalf: a real-time kernel in which a hardware interrupt only ever wakes a thread.
///
/// Without a command the kernel is built and run in QEMU, and its shell has the terminal: Ctrl-A x leaves. Whatever is
/// missing for that (a toolchain for the bare machine, QEMU) is found or installed first, and announced before.
#[derive(Debug, Parser)]
#[command(name = "tophalf", bin_name = "cargo run --", version, after_help = ENVIRONMENT)]
pub struct Cli {
    /// What to do; `run` if nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
}

const ENVIRONMENT: &str = "\
Environment:
  TOPHALF_NO_INSTALL=1   install nothing: print the commands instead and fail
  RUSTUP_AUTO_INSTALL=0  rustup may not download: use or install the distribution's toolchain
  DEFMT_LOG=LEVEL        the log records that are built in: trace, debug (the default), info, warn, error

Exit status: 0 success, 1 failure, 2 a command line that cannot be carried out, 124 timeout, 128 and a signal's number;
`run --exec`, `lab`: what the kernel ends with.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the kernel, run it in QEMU and talk to its shell (the default)
    ///
    /// On a terminal keys go to the kernel's shell as they are typed; Ctrl-A x leaves, Ctrl-A h shows the tool's keys.
    /// Piped input is forwarded to its end; then the run ends with status 0 as soon as the kernel has been quiet for two
    /// seconds.
    Run(RunArgs),
    /// Run the on-target tests, one QEMU each
    Test(TestArgs),
    /// Count the instructions of the kernel's paths and compare them with the budgets
    Bench(BenchArgs),
    /// Run a study and check what it shows; without a name, list them
    Lab(LabArgs),
    /// Build an image and print where it is
    Image(ImageArgs),
    /// Write the kernel, its settings and a note to a Raspberry Pi's card
    ///
    /// Files that the tool did not write, or that were changed since, are never touched without --force; only its note,
    /// README-tophalf.txt, is written anew each time, with whatever was added to it. Each file appears whole or not at all, and
    /// is read back. The Raspberry Pi's own firmware has to come from elsewhere: the note and the
    /// command say which of its files are missing.
    Flash(FlashArgs),
    /// Talk to a board over its serial line
    ///
    /// Log frames become lines and addresses get names, as with `run`. On a terminal keys go to the board as they are typed,
    /// Ctrl-C too; Ctrl-A x leaves, Ctrl-A h shows the tool's keys. When the adapter is pulled the monitor says so and goes
    /// on when it is back. Piped input is forwarded to its end; then it ends with status 0 as soon as the board has been
    /// quiet for two seconds, but with empty input (`< /dev/null`) it goes on. Without a port, those that there are are listed.
    Monitor(MonitorArgs),
    /// Run clippy on everything that is built for the bare machine; warnings are errors
    Lint,
    /// Decode a captured output stream: log frames become lines, addresses get names
    Decode(DecodeArgs),
    /// Find or install the toolchain and QEMU, and say what was found
    Setup,
}

/// Where an image runs.
#[derive(Args, Clone, Debug)]
pub struct BoardArgs {
    /// The board
    #[arg(long, value_enum, default_value_t)]
    pub board: Board,
}

/// What an image is built for.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// The kernel's preemption model [default: rt]
    #[arg(id = "model", long = "model", value_name = "MODEL", value_enum)]
    pub models: Vec<Model>,
}

impl ModelArgs {
    /// The one model that was asked for.
    pub fn chosen(&self) -> Result<Model, Failure> {
        Model::chosen(&self.models, &[])
    }
}

/// What the machine has.
#[derive(Args, Clone, Copy, Debug)]
pub struct GicArgs {
    /// Version of the interrupt controller that QEMU's board has; images find out by themselves [default: 3; a Raspberry Pi has 2 and no other]
    #[arg(id = "gic", long = "gic", value_name = "VERSION", value_enum)]
    pub gic: Option<Gic>,
}

/// CPUs that an image can use (`MAX_CPUS` in `kernel/hw/src/smp.rs`).
const MAX_CPUS: i64 = 8;

/// Features of the default image.
const FEATURES: [&str; 6] = ["latency", "trace", "model-none", "model-voluntary", "model-full", "model-rtb"];

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Where to run
    #[command(flatten)]
    pub board: BoardArgs,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
    /// On which interrupt controller
    #[command(flatten)]
    pub gic: GicArgs,
    /// Number of CPUs, 1 to 8; a Raspberry Pi has 4, of which so many are used
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_CPUS))]
    pub smp: u32,
    /// Shell lines to execute instead of reading keys; the run ends with the status of the last one. Standard output has
    /// only what the shell printed
    #[arg(long, value_name = "LINES")]
    pub exec: Option<String>,
    /// Memory size [default: 256M; a Raspberry Pi has 2 GiB and no other]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Boot with this device tree instead of QEMU's or, for a Raspberry Pi, the tool's
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,
    /// Wait for a debugger on this TCP port of the local host before the first instruction
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1234", require_equals = true)]
    pub gdb: Option<u16>,
    /// Count instructions: one is one nanosecond of virtual time, and every run is the same
    #[arg(long)]
    pub icount: bool,
    /// The least urgent log records to show: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug"])]
    pub loglevel: Option<String>,
    /// More boot arguments for the kernel, such as 'preempt=none pi=off'; blanks in a value need quotes around it, and
    /// %XX stands for the character with that number
    #[arg(long, value_name = "ARGUMENTS", value_parser = Bootargs::parse, default_value = "", hide_default_value = true)]
    pub bootargs: Bootargs,
    /// End the run after so many seconds, with status 124 [default: none; 120 with --exec]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// Build tracers into the image: `latency` (a shell command shows the longest sections with interrupts or preemption
    /// off), `trace` (the event log); or a preemption model, `model-full` and so on
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = FEATURES)]
    pub features: Vec<String>,
    /// Run this ELF file instead of building the default image
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub elf: Option<PathBuf>,
    /// More arguments for QEMU, such as `-- -d int -D qemu.log`
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub qemu: Vec<OsString>,
}

impl Default for RunArgs {
    fn default() -> Self {
        // What no words on the command line mean is said once, in the attributes above.
        match Cli::parse_from(["tophalf", "run"]).command {
            Some(Command::Run(args)) => args,
            _ => unreachable!("`run` is a command"),
        }
    }
}

/// Options of `test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// Only tests whose name contains this
    pub filter: Option<String>,
    /// Only the test with exactly this name
    #[arg(long)]
    pub exact: bool,
    /// List the tests
    #[arg(long)]
    pub list: bool,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where to run
    #[command(flatten)]
    pub board: BoardArgs,
    /// On which interrupt controller
    #[command(flatten)]
    pub gic: GicArgs,
}

/// Options of `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Print `[{"id","value","max","gate","goal","unit"}]` instead of the table
    #[arg(long)]
    pub json: bool,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Options of `lab`.
#[derive(Args, Clone, Debug)]
pub struct LabArgs {
    /// Which study
    pub name: Option<String>,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Options of `image`.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// For which board
    #[command(flatten)]
    pub board: BoardArgs,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
    /// Also write the flat binary (arm64 Image format) that a boot loader takes
    #[arg(long, value_name = "OUT")]
    pub raw: Option<PathBuf>,
}

/// Options of `flash`.
#[derive(Args, Clone, Debug)]
pub struct FlashArgs {
    /// The board; only this one has a card
    #[arg(long, default_value = Board::Raspi4.name(), value_parser = [Board::Raspi4.name()])]
    pub board: String,
    /// Where the card's first partition (FAT) is mounted, or any folder
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// What to build
    #[command(flatten)]
    pub model: ModelArgs,
    /// Build tracers into the image, or a preemption model, as with `run`
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = FEATURES)]
    pub features: Vec<String>,
    /// Boot arguments for the kernel, as with `run`; they go into cmdline.txt
    #[arg(long, value_name = "ARGUMENTS", value_parser = Bootargs::parse, default_value = "", hide_default_value = true)]
    pub bootargs: Bootargs,
    /// The firmware tells on the serial line what it does before the kernel starts (uart_2ndstage=1)
    #[arg(long)]
    pub firmware_log: bool,
    /// Replace files that are not the tool's, and keep each as NAME.bak
    #[arg(long)]
    pub force: bool,
    /// Show what would be done and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print `{"files":[{"name","bytes","action","backup"}],"firmware":[{"path","present"}]}` instead of the table
    #[arg(long)]
    pub json: bool,
    /// Take this ELF file instead of building the board's default image
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "features"])]
    pub elf: Option<PathBuf>,
    /// Keep the image in this folder, for decoding what it says [default: target/flashed, where `monitor` looks for it]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Options of `monitor`.
#[derive(Args, Clone, Debug)]
pub struct MonitorArgs {
    /// The serial port, such as /dev/ttyUSB0 or /dev/cu.usbserial-10
    pub port: Option<PathBuf>,
    /// Bits in a second
    #[arg(long, value_name = "RATE", default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(50..))]
    pub baud: u32,
    /// The image on the board, whose strings the log needs [default: the last one flashed, else the newest built for raspi4]
    #[arg(long, value_name = "FILE")]
    pub elf: Option<PathBuf>,
    /// Put the time of day (UTC) before each line
    #[arg(long)]
    pub timestamps: bool,
    /// Append what is shown to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Append every byte as it came to this file; `decode` reads it
    #[arg(long, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// End after so many seconds, with status 124
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
}

/// Options of `decode`.
#[derive(Args, Clone, Debug)]
pub struct DecodeArgs {
    /// The image that produced the stream
    pub elf: PathBuf,
    /// The captured stream; standard input if left out
    pub file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let args = RunArgs::default();
        assert_eq!((args.board.board, args.smp, args.exec), (Board::Virt, 1, None));
    }

    #[test]
    fn every_command_and_option_has_help() {
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for option in command.get_arguments() {
                assert!(option.get_help().is_some(), "{} {}", command.get_name(), option.get_id());
            }
        }
    }

    /// FL-09: how to get out is said where a user looks before getting in.
    #[test]
    fn the_monitors_help_says_how_to_leave() {
        let mut cli = Cli::command();
        let help = cli.find_subcommand_mut("monitor").unwrap().render_long_help().to_string();
        assert!(help.contains("Ctrl-A x leaves") && help.contains("with empty input"), "{help}");
    }

    #[test]
    fn as_many_cpus_as_an_image_can_use() {
        let smp = |number: &str| Cli::try_parse_from(["tophalf", "run", "--smp", number]);
        for number in ["1", "8"] {
            let Ok(Cli { command: Some(Command::Run(args)) }) = smp(number) else { panic!("{number}") };
            assert_eq!(args.smp.to_string(), number);
        }
        for number in ["0", "9", "many"] {
            assert_eq!(smp(number).unwrap_err().exit_code(), i32::from(crate::failure::USAGE), "{number}");
        }
        assert!(smp("9").unwrap_err().to_string().contains("9 is not in 1..=8"));
    }

    /// PM-01: every command that builds an image takes a model, and none that does not exist.
    #[test]
    fn images_of_every_model() {
        for command in [&["run"][..], &["test"], &["bench"], &["lab"], &["image"], &["flash", "--to", "card"]] {
            let parse = |words: &[&str]| Cli::try_parse_from(["tophalf"].iter().chain(command).chain(words));
            for model in Model::ALL {
                assert!(parse(&["--model", model.name()]).is_ok(), "{command:?} {}", model.name());
            }
            let error = parse(&["--model", "bogus"]).unwrap_err();
            assert_eq!(error.exit_code(), i32::from(crate::failure::USAGE));
            let text = error.to_string();
            assert!(text.contains("'bogus'") && text.contains("none, voluntary, full, rtb, rt"), "{text}");
        }
        let cli = Cli::parse_from(["tophalf", "run", "--model", "none", "--model", "full"]);
        let Some(Command::Run(args)) = cli.command else { panic!("not run") };
        assert_eq!(args.model.models, [Model::None, Model::Full]);
        assert!(Cli::try_parse_from(["tophalf", "run", "--features", "trace,model-full"]).is_ok());
        assert!(Cli::try_parse_from(["tophalf", "run", "--model", "rt", "--elf", "x"]).is_err());
    }

    #[test]
    fn boot_arguments_are_checked() {
        let run = |text: &str| Cli::try_parse_from(["tophalf", "run", "--bootargs", text]);
        assert!(run("preempt=none pi=off").is_ok());
        let error = run("x=\"y").unwrap_err();
        assert_eq!(error.exit_code(), i32::from(crate::failure::USAGE));
        assert!(error.to_string().contains("x=\"y"), "{error}");
    }

    #[test]
    fn qemu_arguments_and_an_optional_port() {
        let cli = Cli::parse_from(["tophalf", "run", "--gdb", "--", "-d", "int"]);
        let Some(Command::Run(args)) = cli.command else { panic!("not run") };
        assert_eq!((args.gdb, args.qemu.len()), (Some(1234), 2));
    }
}
