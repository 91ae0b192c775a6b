//! Does the image that users run do what they see? The default image and the example application, each trial a boot.
#![forbid(unsafe_code)]

mod card;
mod models;
mod raspi4;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, OnceLock},
};
use tests::{Said, live::Live, say, say_as};
use tophalf::{
    bench::rows::Capture,
    board::Board,
    image::{
        Image,
        build::{Recipe, build_aside},
        flat,
        model::Model,
    },
    project,
    qemu::{Bootargs, Console, Machine, Qemu, boot::End},
    suite::run::machine,
};

/// The image with the shell.
const DEFAULT: &str = "virt";
const PROMPT: &str = "tophalf> ";

/// A trial: boots what it needs, and says what was wrong.
type Body = fn() -> Result<()>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials: &[(&str, Body)] = &[
        // Builds for long, while others run.
        ("pm_01_2_every_models_image_says_which_it_is", models::every_model),
        ("pm_01_3_the_model_is_changed_at_boot_or_not", models::at_boot),
        ("bu_01_1_the_banner_tells_what_booted", banner),
        ("bu_01_2_the_image_boots_from_every_exception_level", exception_levels),
        ("bu_01_2_the_flat_image_boots", flat_image),
        ("bu_01_secondary_cpus_at_the_entry_wait", all_cpus_at_the_entry),
        ("bu_04_secondary_cpus_come_up", secondary_cpus),
        ("shell_exec_prints_tables_and_ends_with_the_status", exec),
        ("shell_every_key_is_an_interrupt", keys),
        ("shell_a_megabyte_at_once_arrives_whole", megabyte),
        ("shell_reboot_starts_again", reboot),
        ("on_target_an_unknown_test_is_a_usage_error", unknown_test),
        ("pk_05_2_a_thousand_records_are_decoded_in_order", records),
        ("pk_05_records_of_thread_and_interrupt_are_whole", mixed_records),
        ("pk_01_1_records_of_four_cpus_are_whole_or_counted", records_of_four),
        ("sc_11_stress_on_cpus_that_run_at_once", stress),
        ("rm_02_5_rm_02_6_lab_priority_inversion", lab_priority_inversion),
        ("rc_10_1_rc_10_5_lab_rcu_preempted", lab_rcu_preempted),
        ("rm_04_3_lab_lock_chain", lab_lock_chain),
        ("pm_01_bench_counts_on_every_model", models::bench),
        ("tm_07_1_lab_latency_by_model", models::lab_latency),
        ("example_app_serves_the_clocks_interrupt", example_app),
    ];
    let trial = |&(name, run): &(&str, Body)| {
        Trial::test(name, move || run().map_err(|error| Failed::from(tophalf::failure::explain(&error).0)))
    };
    let mut all: Vec<Trial> = trials.iter().map(trial).collect();
    // Before the trials, and before it is asked which boards there are: an installation may bring some. Listing installs nothing.
    if !arguments.list
        && let Err(error) = Qemu::ensure(Board::Virt)
    {
        let (text, status) = tophalf::failure::explain(&error);
        eprintln!("{text}");
        return ExitCode::from(status);
    }
    // A board that this QEMU does not play: its trials are listed, with the reason, and not run.
    let missing = raspi4::missing();
    let kind = missing.clone().unwrap_or_default();
    let skippable = |listed| trial(listed).with_kind(kind.clone()).with_ignored_flag(missing.is_some());
    all.extend(raspi4::TRIALS.iter().chain(card::TRIALS).map(skippable));
    libtest_mimic::run(&arguments, all).exit_code()
}

/// An image that is being built, or is there.
type Built = Arc<OnceLock<Result<Image, String>>>;

/// Builds an image once; the trials run in parallel.
fn image(package: &'static str) -> Result<Image> {
    image_of(package, Model::default())
}

/// As [`image`], for this model.
fn image_of(package: &'static str, model: Model) -> Result<Image> {
    static ALL: Mutex<Vec<((&str, Model), Built)>> = Mutex::new(Vec::new());
    let built = {
        let mut all = ALL.lock().map_err(|_| anyhow::anyhow!("another trial panicked"))?;
        match all.iter().find(|(key, _)| *key == (package, model)) {
            Some((_, built)) => built.clone(),
            None => {
                let built = Built::default();
                all.push(((package, model), built.clone()));
                built
            }
        }
    };
    // Not under the lock: those that have their image go on meanwhile.
    let build = || build_aside(&Recipe { model, ..Recipe::package(package) });
    built
        .get_or_init(|| build().map_err(|error| tophalf::failure::explain(&error).0))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// Runs shell lines in the default image.
fn shell(lines: &str) -> Result<Machine> {
    let bootargs = Bootargs::default().with("exec", lines);
    Ok(Machine::deterministic(&image(DEFAULT)?, bootargs, Console::Uart))
}

fn with_machine(machine: Machine, options: &str) -> Machine {
    Machine { extra: vec!["-M".into(), options.into()], ..machine }
}

fn live() -> Result<Live> {
    live_image(&image(DEFAULT)?, Bootargs::default())
}

/// An image with these boot arguments, for somebody who types.
fn live_image(image: &Image, bootargs: Bootargs) -> Result<Live> {
    Live::start(&Machine { once: true, ..Machine::interactive(image, bootargs, Console::Uart) })
}

/// Types a line and waits for the prompt behind what it printed.
fn answer(machine: &mut Live, line: &str) -> Result<String> {
    machine.type_keys(line.as_bytes())?;
    machine.type_keys(b"\r")?;
    machine.wait_for("\r\n")?;
    machine.wait_for(PROMPT)
}

fn expect_status(said: &Said, status: u8) -> Result<()> {
    ensure!(
        said.end == End::Status(status),
        "ended as {:?}, not with {status}:\n{}{}",
        said.end,
        said.output,
        said.qemu
    );
    Ok(())
}

/// BU-01.1: one line tells version, board, interrupt controller, CPUs and preemption model; the shell's prompt follows.
fn banner() -> Result<()> {
    let mut machine = live()?;
    let greeting = machine.wait_for(PROMPT)?;
    let line = greeting.lines().find(|line| line.starts_with("Tophalf ")).context("no banner")?;
    for part in [env!("CARGO_PKG_VERSION"), "QEMU virt", "GICv3", "1 CPU", "model rt"] {
        ensure!(line.contains(part), "`{line}` does not say `{part}`");
    }
    machine.type_keys(b"poweroff\r")?;
    ensure!(machine.end()? == End::Status(0), "poweroff ends with another status");
    Ok(())
}

/// BU-01.2: with EL2, with EL3 and with both the same image boots and runs commands.
fn exception_levels() -> Result<()> {
    for options in ["virtualization=on", "secure=on", "secure=on,virtualization=on"] {
        let said = say(&with_machine(shell("uptime")?, options))?;
        expect_status(&said, 0).context(options)?;
    }
    Ok(())
}

/// BU-01.2: so does the flat Image that a boot loader takes, which is entered as Linux is.
fn flat_image() -> Result<()> {
    let elf = image(DEFAULT)?;
    let path = elf.elf.with_extension("img");
    std::fs::write(&path, flat::binary(&elf)?)?;
    for options in ["virtualization=off", "virtualization=on", "secure=on"] {
        let machine = Machine { image: Image { elf: path.clone() }, ..with_machine(shell("uptime; false")?, options) };
        let said = say_as(&elf, &machine)?;
        expect_status(&said, 1).context(options)?;
    }
    Ok(())
}

/// BU-01: without firmware all CPUs begin at the entry. One boots; the others must not touch BSS a second time.
fn all_cpus_at_the_entry() -> Result<()> {
    for options in ["secure=on", "secure=on,virtualization=on"] {
        let machine = Machine { smp: 4, ..with_machine(shell("uptime")?, options) };
        expect_status(&say(&machine)?, 0).context(options)?;
    }
    Ok(())
}

/// BU-04: all CPUs that the image has room for come up, started by HVC or SMC; the banner counts the others too.
fn secondary_cpus() -> Result<()> {
    for (smp, options, part) in [
        (4, "virtualization=off", " 4 CPUs (4 online)"),
        (4, "virtualization=on", " 4 CPUs (4 online)"),
        (10, "virtualization=off", " 10 CPUs (8 online)"),
        (4, "secure=on", " 4 CPUs (1 online)"),
    ] {
        let machine = Machine { smp, ..Machine::interactive(&image(DEFAULT)?, Bootargs::default(), Console::Uart) };
        let greeting = Live::start(&with_machine(machine, options))?.wait_for(PROMPT)?;
        ensure!(greeting.contains(part), "{options}: `{greeting}` does not say `{part}`");
    }
    Ok(())
}

/// `run --exec 'ps; irq; nosuch'`: both tables, the error, nothing else; the status is the last command's.
fn exec() -> Result<()> {
    let said = say(&shell("ps; irq; nosuch")?)?;
    expect_status(&said, 1)?;
    let lines: Vec<&str> = said.text.lines().collect();
    let text = said.text.as_str();
    ensure!(lines.first().is_some_and(|l| l.split_whitespace().take(3).eq(["PID", "CLS", "RTPRIO"])), "no ps:\n{text}");
    let at = lines.iter().position(|l| l.trim() == "CPU0").with_context(|| format!("no irq:\n{text}"))?;
    ensure!(
        lines[1..at].iter().all(|l| l.split_whitespace().next().is_some_and(|pid| pid.parse::<u32>().is_ok())),
        "{text}"
    );
    ensure!(lines[1..at].iter().any(|l| l.ends_with("irq/33-uart-pl011") && l.contains(" FF      50 ")), "{text}");
    let (error, rows) = lines[at + 1..].split_last().context("no rows")?;
    ensure!(rows.iter().all(|l| l.contains(':')), "{text}");
    ensure!(*error == "nosuch: command not found", "{text}");
    Ok(())
}

/// Interrupts of the UART's line so far, from the shell's table; its thread is FIFO 50.
fn uart_interrupts(machine: &mut Live) -> Result<u64> {
    let table = answer(machine, "irq")?;
    let row = table.lines().find(|l| l.trim().starts_with("33:")).with_context(|| format!("no line 33 in\n{table}"))?;
    ensure!(row.contains("irq/33-uart-pl011 FF 50"), "{row}");
    Ok(row.split_whitespace().nth(1).context("no count")?.parse()?)
}

/// Each key that is typed by itself raises the count of line 33.
fn keys() -> Result<()> {
    const KEYS: &str = "echo abcdefgh";
    let mut machine = live()?;
    machine.wait_for(PROMPT)?;
    let before = uart_interrupts(&mut machine)?;
    for key in KEYS.chars() {
        let mut buffer = [0; 4];
        machine.type_keys(key.encode_utf8(&mut buffer).as_bytes())?;
        // The echo says that it was handled.
        machine.wait_for(&key.to_string())?;
    }
    machine.type_keys(b"\r")?;
    machine.wait_for("abcdefgh\r\n")?;
    machine.wait_for(PROMPT)?;
    let after = uart_interrupts(&mut machine)?;
    ensure!(after >= before + KEYS.len() as u64, "{before} before {} keys, {after} after", KEYS.len());
    Ok(())
}

/// 1 MB at once: every line arrives, in order and unchanged; what the FIFO had to drop would be counted, and is nothing.
fn megabyte() -> Result<()> {
    /// Longer than the screen is wide: each key costs a redrawn line, so these are few. They keep the shell busy while the
    /// FIFO runs full again and again.
    const LONG: usize = 100;
    let filler = |n: usize| "x".repeat(if n < LONG { 230 } else { 50 });
    let mut text = String::new();
    let mut count = 0;
    while text.len() < 1 << 20 {
        text.push_str(&format!("echo {count:06}-{}\r", filler(count)));
        count += 1;
    }
    let mut machine = live()?;
    machine.wait_for(PROMPT)?;
    let mut keys = machine.keyboard()?;
    let typist = std::thread::spawn(move || keys.type_keys(text.as_bytes()).map(|()| keys));
    for n in 0..count {
        let answer = format!("\n{n:06}-{}\r\n", filler(n));
        machine.wait_for(&answer).with_context(|| format!("line {n} of {count}"))?;
    }
    let keys = typist.join().map_err(|_| anyhow::anyhow!("the typist panicked"))??;
    machine.return_keyboard(keys);
    machine.wait_for(PROMPT)?;
    let table = answer(&mut machine, "irq")?;
    let overruns = table.lines().find(|l| l.trim().starts_with("UART overruns:")).context("no overruns")?;
    ensure!(overruns.split_whitespace().last() == Some("0"), "{overruns}");
    Ok(())
}

/// `reboot` leads to a second banner, whichever instruction calls the firmware.
fn reboot() -> Result<()> {
    for options in ["virtualization=off", "virtualization=on"] {
        let machine = Machine::interactive(&image(DEFAULT)?, Bootargs::default(), Console::Uart);
        let mut machine = Live::start(&with_machine(machine, options))?;
        machine.wait_for(PROMPT)?;
        machine.type_keys(b"reboot\r")?;
        machine.wait_for("Tophalf ").context(options)?;
        machine.wait_for(PROMPT)?;
    }
    Ok(())
}

/// A test that there is not ends with 64, and no other does.
fn unknown_test() -> Result<()> {
    let bootargs = Bootargs::default().with("console", "semihosting").with("test", "nosuch");
    let said = say(&Machine::deterministic(&image("on-target")?, bootargs, Console::Semihosting))?;
    expect_status(&said, 64)?;
    ensure!(said.output.contains("no test is called \"nosuch\""), "{}", said.output);
    Ok(())
}

/// PK-05.2: the records that a hard handler wrote, as the host decodes them: all of them, in order.
fn records() -> Result<()> {
    let said = on_target("pk_05_2")?;
    ensure!(numbers(&said, "record ", " of a handler").eq(0..1000), "{}", said.output);
    Ok(())
}

/// PK-05: so are those of a thread and of the interrupts that come while it encodes them, each in its own order.
fn mixed_records() -> Result<()> {
    let said = on_target("pk_05_records_of_thread")?;
    ensure!(numbers(&said, "tick ", " of a timer").eq(0..400), "{}", said.output);
    let rest = format!(" {} of a thread, which takes its time to say so", u64::MAX);
    let threads = said.output.lines().filter(|line| line.contains(&rest)).count();
    ensure!(threads > 10 && numbers(&said, "INFO  ", &rest).eq(0..threads as u32), "{threads}: {}", said.output);
    Ok(())
}

/// The machine that the on-target test asks for whose name begins so.
fn on_target_machine(name: &str) -> Result<Machine> {
    let image = image("on-target")?;
    let tests = tophalf::tests(&image)?;
    let test = tests.iter().find(|test| test.name.starts_with(name)).with_context(|| format!("{name} is gone"))?;
    Ok(machine(&image, test))
}

/// Runs the on-target test whose name begins so.
fn on_target(name: &str) -> Result<Said> {
    let said = say(&on_target_machine(name)?)?;
    expect_status(&said, 0)?;
    Ok(said)
}

/// The numbers that stand between two texts, line by line.
fn numbers(said: &Said, before: &str, behind: &str) -> impl Iterator<Item = u32> {
    said.output.lines().filter_map(move |line| line.split_once(before)?.1.split_once(behind)?.0.parse().ok())
}

/// PK-01.1: of the records that four CPUs wrote, each is there as a whole or not at all, in the order of its CPU, and as many
/// are missing as were counted.
fn records_of_four() -> Result<()> {
    const CPUS: usize = 4;
    const RECORDS: u32 = 2500;
    let said = on_target("pk_01_1")?;
    let (mut next, mut missing) = ([0; CPUS], 0);
    for record in said.output.lines().filter_map(|l| l.split_once("record ")) {
        let (number, cpu) = record.1.split_once(" of CPU ").with_context(|| format!("torn: {record:?}"))?;
        let (number, cpu): (u32, usize) = (number.parse()?, cpu.split(' ').next().unwrap_or_default().parse()?);
        ensure!(number >= next[cpu] && number < RECORDS, "{number} behind {} on CPU {cpu}", next[cpu]);
        missing += number - next[cpu];
        next[cpu] = number + 1;
    }
    ensure!(next == [RECORDS; CPUS], "the last ones are missing: {next:?}");
    let dropped = said.text.lines().find_map(|l| l.strip_prefix("dropped ")).context("nothing about the dropped")?;
    ensure!(dropped.parse::<u32>()? == missing, "{missing} are missing, {dropped} were counted");
    Ok(())
}

/// What the on-target tests of several CPUs assert without regard to time holds when the CPUs run at once, on the host's
/// clock, in an order that nobody chooses.
fn stress() -> Result<()> {
    /// Seconds of the host's time: only a machine that hangs needs them. Four CPUs that spin for each other on a host with
    /// fewer idle ones take a hundred times as long as elsewhere.
    const BOUND: &str = "600";
    for name in [
        "sc_11_stress_on_four_cpus",
        "rc_01_3_torture_on_four_cpus",
        "hc_01_2_events_of_four_cpus_keep_their_order",
        "tm_01_3_the_clock_is_one_for_all_cpus",
        "bu_02_1_registers_survive_ten_thousand_migrations",
    ] {
        let machine = on_target_machine(name)?;
        let bootargs = machine.bootargs.clone().with("bound", BOUND);
        let said = say(&Machine { deterministic: false, bootargs, ..machine })?;
        expect_status(&said, 0).context(name)?;
    }
    Ok(())
}

/// An application outside the workspace, with the kernel as its library: it builds with the lock file it has, and the
/// interrupt that it asks for reaches its handler.
fn example_app() -> Result<()> {
    let manifest = project::root()?.join("tests/example-app/Cargo.toml");
    let image = build_aside(&Recipe { manifest: Some(Path::new(&manifest)), ..Recipe::package("example-app") })?;
    let said = say(&Machine::deterministic(&image, Bootargs::default(), Console::Uart))?;
    expect_status(&said, 0)?;
    let text = &said.output;
    ensure!(text.contains("irq/34-rtc"), "{text}");
    ensure!(text.contains("alarm"), "{text}");
    Ok(())
}

/// The picture of a lab that has ended as it claims: the classes and texts of its elements.
fn picture(lab: &str) -> Result<Vec<(String, String)>> {
    let file = project::labs_dir()?.join(format!("{lab}.svg"));
    // One of an earlier run proves nothing.
    let _ = std::fs::remove_file(&file);
    let mut said = Capture::default();
    let status = tophalf::labs::run(lab, Model::Rt, &mut said)?;
    ensure!(status == 0, "the lab ended with status {status}:\n{}", String::from_utf8_lossy(&said.text));
    ensure!(!String::from_utf8_lossy(&said.text).contains("draw "), "a line of the picture was shown");
    let svg = std::fs::read_to_string(&file).with_context(|| format!("no picture {}", file.display()))?;
    let document = roxmltree::Document::parse(&svg).context("the picture is not well-formed")?;
    let root = document.root_element();
    ensure!(root.has_tag_name(("http://www.w3.org/2000/svg", "svg")), "the picture is no SVG");
    let elements = root.descendants().filter(roxmltree::Node::is_element);
    let of = |node: roxmltree::Node<'_, '_>| {
        (node.attribute("class").unwrap_or_default().to_owned(), node.text().unwrap_or_default().to_owned())
    };
    Ok(elements.map(of).collect())
}

/// RM-02.5, RM-02.6: the lab checks the order on the target, without inheritance and with it. In its picture L is boosted in one of
/// the two timelines.
fn lab_priority_inversion() -> Result<()> {
    let elements = picture("priority-inversion")?;
    let titles: Vec<&str> = elements.iter().filter(|(class, _)| class == "title").map(|(_, t)| t.as_str()).collect();
    ensure!(titles == ["Without priority inheritance (pi=off)", "With priority inheritance"], "{titles:?}");
    let inherits = elements.iter().filter(|(_, text)| text == "inherits 30").count();
    ensure!(inherits == 1, "L inherits {inherits} times");
    let waits = elements.iter().filter(|(class, _)| class == "plain waits").count();
    // H in each, and the legend.
    ensure!(waits == 3, "{waits} waits");
    Ok(())
}

/// RC-10.1, RC-10.5: the lab checks the order on the target, without boosting and with it. In its picture the reader is boosted in one
/// of the two timelines, and each has a grace period that waits for it.
fn lab_rcu_preempted() -> Result<()> {
    let elements = picture("rcu-preempted")?;
    let titles: Vec<&str> = elements.iter().filter(|(class, _)| class == "title").map(|(_, t)| t.as_str()).collect();
    ensure!(titles == ["Without boosting (rcu_boost=off)", "With boosting"], "{titles:?}");
    let inherits = elements.iter().filter(|(_, text)| text == "inherits 20").count();
    ensure!(inherits == 1, "R inherits {inherits} times");
    let begins = elements.iter().filter(|(_, text)| text == "grace period begins").count();
    ensure!(begins == 2, "{begins} grace periods begin");
    Ok(())
}

/// RM-04.3: the lab checks that the priority arrives, that a lock more always costs the same, and that interrupts are masked as long
/// in a chain of 64 as in one of 1. In its picture every owner but the first waits, first as itself and then boosted.
fn lab_lock_chain() -> Result<()> {
    const OWNERS_THAT_WAIT: usize = 7 + 63;
    let elements = picture("lock-chain")?;
    let boosted = elements.iter().filter(|(class, _)| class.starts_with("boost waits")).count();
    ensure!(boosted == OWNERS_THAT_WAIT, "{boosted} owners are boosted while they wait");
    Ok(())
}
