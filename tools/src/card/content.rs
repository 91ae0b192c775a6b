//! Which files does a Raspberry Pi 4 need from this tool, and what is in them?
//!
//! Source of what is said of `config.txt` here: Raspberry Pi's documentation, "config.txt" and "Configuring UARTs".

/// A file for the root of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFile {
    /// Its name, without a folder.
    pub name: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The kernel's image.
pub const KERNEL: &str = "kernel8.img";
/// What the firmware does before the kernel starts.
pub const CONFIG: &str = "config.txt";
/// The boot arguments.
pub const CMDLINE: &str = "cmdline.txt";

/// Where the image is linked to run, and the firmware has to load it (`boards/raspi4`).
pub const LOAD_ADDRESS: u64 = 0x8_0000;

/// What may be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Boot arguments as the kernel reads them; none if empty.
    pub bootargs: String,
    /// The firmware tells on the serial line what it does.
    pub firmware_log: bool,
}

/// Every file for a kernel's flat image, in the order in which they are written.
pub fn files(kernel: Vec<u8>, choices: &Choices) -> Vec<CardFile> {
    let mut files = vec![
        CardFile { name: KERNEL, bytes: kernel },
        CardFile { name: CONFIG, bytes: config(choices.firmware_log).into_bytes() },
    ];
    if !choices.bootargs.is_empty() {
        // The firmware reads one line.
        files.push(CardFile { name: CMDLINE, bytes: format!("{}\n", choices.bootargs).into_bytes() });
    }
    files
}

/// The settings, each below the reason for it: the firmware takes what stands behind a value for a part of it.
fn settings(firmware_log: bool) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("The kernel is 64-bit code.", "arm_64bit=1".to_owned()),
        ("Its file.", format!("kernel={KERNEL}")),
        (
            "Where it is linked to run: the firmware's own choice is 0x200000.",
            format!("kernel_address={LOAD_ADDRESS:#x}"),
        ),
        ("Interrupts go through the GIC-400, not the older controller.", "enable_gic=1".to_owned()),
        ("The firmware sets the serial line on GPIO 14 and 15 up.", "enable_uart=1".to_owned()),
        (
            "That line is the PL011, which Bluetooth has otherwise, not the mini UART.",
            "dtoverlay=disable-bt".to_owned(),
        ),
        ("The PL011's clock in Hz, from which the baud rate is made.", "init_uart_clock=48000000".to_owned()),
    ];
    if firmware_log {
        let why = "The firmware tells on the serial line what it does.";
        settings.push((why, "uart_2ndstage=1".to_owned()));
    }
    settings
}

fn config(firmware_log: bool) -> String {
    let head = "# Settings for Tophalf on a Raspberry Pi 4, written by `cargo run -- flash`.\n";
    let lines = settings(firmware_log).into_iter().map(|(why, setting)| format!("\n# {why}\n{setting}\n"));
    std::iter::once(head.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest line of `config.txt` that every firmware reads whole.
    const LONGEST_LINE: usize = 78;

    fn text(files: &[CardFile], name: &str) -> String {
        let file = files.iter().find(|file| file.name == name).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    }

    /// What the firmware reads: names and values of lines that are not comments.
    fn read(config: &str) -> Vec<(&str, &str)> {
        let lines = config.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.split_once('=').unwrap()).collect()
    }

    /// FL-01: the firmware is told all that the kernel relies on, a reason above each line, and no line is cut.
    #[test]
    fn settings_with_reasons() {
        let files = files(b"kernel".to_vec(), &Choices::default());
        let config = text(&files, CONFIG);
        let wanted = [
            ("arm_64bit", "1"),
            ("kernel", "kernel8.img"),
            ("kernel_address", "0x80000"),
            ("enable_gic", "1"),
            ("enable_uart", "1"),
            ("dtoverlay", "disable-bt"),
            ("init_uart_clock", "48000000"),
        ];
        assert_eq!(read(&config), wanted);
        let lines: Vec<&str> = config.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE && line.is_ascii()), "{config}");
        for pair in lines.windows(2).filter(|pair| !pair[1].is_empty() && !pair[1].starts_with('#')) {
            assert!(pair[0].starts_with("# "), "no reason above {}", pair[1]);
        }
    }

    /// FL-01: boot arguments are one line of their own file; without any there is no such file.
    #[test]
    fn boot_arguments_and_the_firmwares_words() {
        let plain = files(b"kernel".to_vec(), &Choices::default());
        let names: Vec<_> = plain.iter().map(|file| file.name).collect();
        assert_eq!((names, plain[0].bytes.as_slice()), (vec![KERNEL, CONFIG], &b"kernel"[..]));
        let chosen = files(Vec::new(), &Choices { bootargs: "preempt=none".into(), firmware_log: true });
        assert_eq!(text(&chosen, CMDLINE), "preempt=none\n");
        assert!(read(&text(&chosen, CONFIG)).contains(&("uart_2ndstage", "1")));
    }
}
