//! Does the Raspberry Pi's image boot as its firmware has it boot? On QEMU's `raspi4b`, each trial a boot (BU-05).

use super::{Body, PROMPT, answer, expect_status, image};
use anyhow::{Context, Result, ensure};
use tests::{Said, live::Live, say};
use tophalf::{
    board::Board,
    qemu::{Bootargs, Console, Machine, Qemu, Tree, boot::End},
};

/// What is run where there is a QEMU for it.
pub const TRIALS: &[(&str, Body)] = &[
    ("bu_05_raspi4_boots_with_one_to_four_cpus", cpus),
    ("bu_05_raspi4_boots_without_a_tree", without_tree),
    ("bu_05_raspi4_boots_at_el3", without_firmware),
    ("bu_05_raspi4_keys_are_interrupts_and_it_restarts", keys_and_restart),
    ("bu_05_raspi4_says_what_a_watchdog_can_be", watchdog),
    ("bu_05_raspi4_says_nothing_of_the_firmwares_arguments", arguments),
];

/// Why they cannot be run, if so.
pub fn missing() -> Option<String> {
    let oldest = Board::Raspi4.oldest_qemu();
    match Qemu::find() {
        Some(qemu) if qemu.version >= oldest => None,
        Some(qemu) => Some(format!("QEMU {} has no raspi4b, {oldest} has", qemu.version)),
        None => Some("no QEMU".to_owned()),
    }
}

fn machine(bootargs: Bootargs) -> Result<Machine> {
    let machine = Machine::interactive(&image(Board::Raspi4.name())?, bootargs, Console::Uart);
    Ok(Machine { board: Board::Raspi4, ..machine })
}

/// Runs shell lines, with these boot arguments besides.
fn shell(bootargs: Bootargs, smp: u32, lines: &str) -> Result<Said> {
    let machine = machine(bootargs.with("exec", lines))?;
    say(&Machine { smp, deterministic: true, once: true, ..machine })
}

/// BU-04, BU-05: the banner names the board and its controller; of the four CPUs as many run as the tree has; the heap has what
/// the tree says is memory.
fn cpus() -> Result<()> {
    for smp in [1, 4] {
        let mut live = Live::start(&Machine { smp, ..machine(Bootargs::default())? })?;
        let greeting = live.wait_for(PROMPT)?;
        let online = if smp == 1 { "1 CPU (1 online)" } else { "4 CPUs (4 online)" };
        for part in ["Raspberry Pi 4", "GICv2", online] {
            ensure!(greeting.contains(part), "`{greeting}` does not say `{part}`");
        }
        let free = answer(&mut live, "free")?;
        let heap = free.lines().find_map(|line| line.strip_prefix("heap (running)")).context("no heap")?;
        let total: u64 = heap.split_whitespace().next().context("no size")?.parse()?;
        // QEMU says only what there is of the first GiB: all but the VideoCore's 64 MiB.
        ensure!((900_000_000..1 << 30).contains(&total), "{total} bytes");
        live.type_keys(b"poweroff\r")?;
        ensure!(live.end()? == End::Status(0), "poweroff ends with another status");
    }
    Ok(())
}

/// BU-05: without a tree x0 is 0x100, where no tree lies. CPUs are the board's then, memory what the firmware says.
fn without_tree() -> Result<()> {
    let mut live = Live::start(&Machine { tree: Tree::None, ..machine(Bootargs::default())? })?;
    let greeting = live.wait_for(PROMPT)?;
    ensure!(greeting.contains("4 CPUs (4 online)"), "{greeting}");
    let free = answer(&mut live, "free")?;
    let heap = free.lines().find_map(|line| line.strip_prefix("heap (running)")).context("no heap")?;
    let total: u64 = heap.split_whitespace().next().context("no size")?.parse()?;
    ensure!((900_000_000..1 << 30).contains(&total), "{total} bytes of the first GiB");
    Ok(())
}

/// BU-05: an ELF file is entered at EL3, by all CPUs, with no firmware before: group, mask and caches are set up there. One CPU boots;
/// there is no spin table at which the others would wait, which is said of each.
fn without_firmware() -> Result<()> {
    let machine = machine(Bootargs::default())?;
    let elf = machine.image.elf.clone().into();
    let mut live = Live::start(&Machine { tree: Tree::None, extra: vec!["-kernel".into(), elf], ..machine })?;
    let greeting = live.wait_for(PROMPT)?;
    ensure!(greeting.contains("4 CPUs (1 online)"), "{greeting}");
    ensure!(
        (1..4).all(|n| greeting.contains(&format!("CPU {n} (MPIDR {n:#x}) did not come within a second"))),
        "{greeting}"
    );
    // A timer's and a key's interrupts arrive.
    answer(&mut live, "sleep 10ms")?;
    Ok(())
}

/// BU-05: the PL011's line is 153, and each key raises it; `reboot` comes back with the banner.
fn keys_and_restart() -> Result<()> {
    let mut live = Live::start(&machine(Bootargs::default())?)?;
    live.wait_for(PROMPT)?;
    let table = answer(&mut live, "irq")?;
    let row =
        table.lines().find(|line| line.trim().starts_with("153:")).with_context(|| format!("no 153 in\n{table}"))?;
    ensure!(row.contains("irq/153-uart-pl011 FF 50"), "{row}");
    let count: u64 = row.split_whitespace().nth(1).context("no count")?.parse()?;
    ensure!(count > 0, "the keys of `irq` raised nothing");
    live.type_keys(b"reboot\r")?;
    live.wait_for("Raspberry Pi 4")?;
    live.wait_for(PROMPT)?;
    Ok(())
}

/// BU-05: a number of seconds that the hardware cannot count is refused with those that it can; 1 to 15 are no error. What happens
/// then is not to be seen here: QEMU's model restarts as soon as the watchdog is set.
fn watchdog() -> Result<()> {
    for bad in ["0", "16", "soon", "-1"] {
        let said = shell(Bootargs::default().with("watchdog", bad), 1, "true")?;
        expect_status(&said, 0)?;
        let text = format!("watchdog={bad}: 1 to 15 seconds are possible; there is no watchdog");
        ensure!(said.output.contains(&text), "{}", said.output);
    }
    let said = shell(Bootargs::default().with("watchdog", "15"), 1, "echo not reached")?;
    ensure!(!said.output.contains("watchdog=") && !said.output.contains("not reached"), "{}", said.output);
    Ok(())
}

/// BU-05: what the firmware says to Linux is not warned of; what nobody says anything to is.
fn arguments() -> Result<()> {
    let bootargs = Bootargs::default().with("coherent_pool", "1M").with("vc_mem.mem_base", "0x3ec00000");
    let said = shell(bootargs.with("numa", "fake=1").with("nobodys", "1"), 1, "true")?;
    expect_status(&said, 0)?;
    let warnings: Vec<&str> = said.output.lines().filter(|line| line.starts_with("WARNING")).collect();
    ensure!(warnings == ["WARNING: unknown boot argument nobodys, ignored"], "{}", said.output);
    Ok(())
}
